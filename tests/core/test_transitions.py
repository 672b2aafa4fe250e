"""The tables: closed, every state reached, every move made by some history."""

import pytest

from mc_sched.core import events as ev
from mc_sched.core.cloud.task import CloudTask
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.transitions import (
    CLOUD_LEG,
    CLOUD_STATE,
    LOCAL_LEG,
    CloudLeg,
    CloudState,
    LocalLeg,
)
from tests.core.histories import (
    CLOUD_LEGS,
    CLOUD_STATES,
    LOCAL_LEGS,
    aborting,
    decoding,
    dropped,
    encoding,
    given_up,
    given_up_in_the_decoder,
    in_head,
    in_stage,
    local_first,
    queued,
    running_in_the_cloud,
    running_locally,
    stopping,
    stopping_in_head,
    uploading,
    waiting,
    waiting_for_the_local_net,
    waiting_for_the_uplink,
)
from tests.core.round_figures import ANSWER, UNSURE

TABLES = {
    LocalLeg: (LOCAL_LEG, LocalLeg.IDLE, LocalLeg.CLOSED),
    CloudLeg: (CLOUD_LEG, CloudLeg.IDLE, CloudLeg.CLOSED),
    CloudState: (CLOUD_STATE, CloudState.QUEUED, CloudState.DONE),
}
EVENTS = {event.__name__ for union in (ev.EdgeEvent, ev.CloudEvent) for event in union.__args__}
every_table = pytest.mark.parametrize("states", TABLES, ids=lambda states: states.__name__)


# --- the tables by themselves -----------------------------------------------------------------


@every_table
def test_every_state_has_its_row_and_every_move_leads_to_a_state(states):
    table, _, _ = TABLES[states]
    assert set(table) == set(states)
    assert {target for moves in table.values() for target in moves.values()} <= set(states)


@every_table
def test_every_state_can_be_reached_and_left(states):
    table, first, last = TABLES[states]
    assert _reached(table, first) == set(states)
    for state in states:
        assert last in _reached(table, state)


@every_table
def test_only_the_last_state_has_no_moves(states):
    table, _, last = TABLES[states]
    assert [state for state, moves in table.items() if not moves] == [last]


@every_table
def test_moves_are_names_of_events_or_verbs_in_lower_case(states):
    table, _, _ = TABLES[states]
    for move in {move for moves in table.values() for move in moves}:
        assert move in EVENTS or move == move.lower()


def _reached(table, first):
    reached, ahead = set(), {first}
    while ahead:
        reached |= ahead
        ahead = {target for state in ahead for target in table[state].values()} - reached
    return reached


# --- the tables and the machines --------------------------------------------------------------


@pytest.mark.parametrize("leg", LocalLeg)
def test_a_history_leads_to_each_state_of_the_local_leg(leg):
    assert LOCAL_LEGS[leg]().entry("a").local is leg


@pytest.mark.parametrize("leg", CloudLeg)
def test_a_history_leads_to_each_state_of_the_cloud_leg(leg):
    assert CLOUD_LEGS[leg]().entry("a").cloud is leg


@pytest.mark.parametrize("state", CLOUD_STATES)
def test_a_history_leads_to_each_state_of_a_task_in_the_cloud(state):
    assert CLOUD_STATES[state]().entry("a").state is state


LOCAL_ENDS = (
    lambda edge: edge.tell(90, ev.LocalDone, "a", ANSWER),
    lambda edge: edge.tell(90, ev.LocalFailed, "a", "out of memory"),
)
LOCAL_NEWS = (
    lambda edge: edge.tell(61, ev.LocalStarted, "a"),
    lambda edge: edge.tell(62, ev.LocalLayerDone, "a", 0),
)
CALL_ENDS = (
    lambda edge: edge.tell(61, ev.CloudRefused, "a", "full"),
    lambda edge: edge.tell(61, ev.CloudStopped, "a", "given up"),
    lambda edge: edge.tell(61, ev.CloudLost, "a", "cut"),
)
ENCODINGS_END = (
    lambda edge: edge.encoded(61, "a"),
    lambda edge: edge.tell(61, ev.EncodeFailed, "a", "out of memory"),
)
LEAVES = lambda edge: edge.tell(63, ev.ClientGone, "a")  # noqa: E731
EDGE_HISTORIES = [
    (running_locally, *LOCAL_NEWS, LOCAL_ENDS[0]),
    (running_locally, LOCAL_ENDS[1]),
    (local_first, lambda edge: edge.tell(20, ev.LocalDone, "a", UNSURE)),
    (aborting, *LOCAL_NEWS, LOCAL_ENDS[0]),
    (aborting, LOCAL_ENDS[1]),
    (aborting, lambda edge: edge.tell(5, ev.LocalAborted, "a")),
    (waiting_for_the_local_net, LEAVES),
    (waiting_for_the_local_net, lambda edge: edge.local_done(20, "x")),
    (waiting_for_the_uplink, LEAVES),
    (waiting_for_the_uplink, lambda edge: edge.accepted(20, "x")),
    *((start, end) for start in (encoding, dropped) for end in ENCODINGS_END),
    *((uploading, end) for end in CALL_ENDS),
    (uploading, LEAVES, lambda edge: edge.accepted(64, "a")),
    *((running_in_the_cloud, end) for end in CALL_ENDS[1:]),
    (running_in_the_cloud, lambda edge: edge.tell(24, ev.CloudProgressed, "a", 0, 5)),
    (running_in_the_cloud, lambda edge: edge.replied(29, "a")),
    *((given_up, end) for end in CALL_ENDS),
    (given_up, lambda edge: edge.tell(61, ev.CloudProgressed, "a", 0, 5)),
    (given_up, lambda edge: edge.replied(61, "a")),
]
STEP = lambda cloud: cloud.step()  # noqa: E731
FAIL = lambda cloud: cloud.fail(9, "a")  # noqa: E731
GIVE_UP = lambda cloud: cloud.tell(2, ev.GiveUpReceived, "a")  # noqa: E731
HANG_UP = lambda cloud: cloud.tell(2, ev.ClientGone, "a")  # noqa: E731
DECODED = lambda cloud: cloud.decoded(3, "a")  # noqa: E731
UNDECODED = lambda cloud: cloud.tell(3, ev.DecodeFailed, "a", "no image", True)  # noqa: E731
TOO_GOOD = lambda cloud: cloud.arrive(0, "b", 300, accuracy=1.0)  # noqa: E731
CLOUD_HISTORIES = [
    (queued, GIVE_UP),
    (decoding, TOO_GOOD),
    (decoding, lambda cloud: cloud.decoded(299, "a")),
    *((decoding, end) for end in (DECODED, UNDECODED, GIVE_UP, HANG_UP)),
    *((given_up_in_the_decoder, end) for end in (DECODED, UNDECODED, GIVE_UP, HANG_UP)),
    (waiting, GIVE_UP),
    (in_stage, STEP, STEP),
    *((in_stage, end) for end in (FAIL, GIVE_UP, HANG_UP)),
    *((in_head, end) for end in (FAIL, GIVE_UP, HANG_UP)),
    *((stopping, end) for end in (STEP, FAIL, GIVE_UP, HANG_UP)),
    (stopping_in_head, STEP),
]


def _moves(monkeypatch, task_class, move_names, histories):
    """Every (state, move) that these histories make."""
    made = set()
    for name, state_name in move_names.items():
        original = getattr(task_class, name)

        def recorded(self, move, original=original, state_name=state_name):
            state = getattr(self, state_name)
            original(self, move)
            made.add((state, move))

        monkeypatch.setattr(task_class, name, recorded)
    for start, *events in histories:
        machine = start()
        for event in events:
            event(machine)
        machine.wind_up()
    return made


def _listed(*tables):
    return {(state, move) for table in tables for state, moves in table.items() for move in moves}


def test_every_move_of_both_legs_is_made(monkeypatch):
    names = {"move_local": "local", "move_cloud": "cloud"}
    made = _moves(monkeypatch, EdgeTask, names, EDGE_HISTORIES)
    assert made == _listed(LOCAL_LEG, CLOUD_LEG)


def test_every_move_of_a_task_in_the_cloud_is_made(monkeypatch):
    assert _moves(monkeypatch, CloudTask, {"move": "state"}, CLOUD_HISTORIES) == _listed(
        CLOUD_STATE
    )
