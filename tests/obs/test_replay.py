"""A log replays to the actions that it holds."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.energy.model import EnergyModel
from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import ExitRule, Mode
from mc_sched.obs.log.event_log import CLASSES, EventLog, read_log
from mc_sched.obs.replay import machine_of, replay
from tests.core.joined import CLOUD, LOCAL, MS, Joined


class Logged(Joined):
    """Both machines joined in memory, each with its event log, as the daemons have them."""

    def __init__(self, seed, loss=0.1, slowest=3.0, edge_log=None, cloud_log=None):
        super().__init__(seed, loss, slowest)
        self.records = {"edge": [], "cloud": []}
        self.logs = {"edge": EventLog(edge_log, "edge"), "cloud": EventLog(cloud_log, "cloud")}
        for node, log in self.logs.items():
            log.subscribe(self.records[node].append)
        config = {"settings": self.edge_settings, "table": LOCAL}
        self.logs["edge"].write(0, "config", config)
        config = {"settings": CloudSettings(max_tasks=6), "table": CLOUD}
        self.logs["cloud"].write(0, "config", config)

    def run(self, tasks):
        super().run(tasks)
        for log in self.logs.values():
            log.close()

    def to_edge(self, event):
        self._handle("edge", self.edge, event, self.perform)

    def to_cloud(self, event):
        self._handle("cloud", self.cloud, event, self.perform_cloud)

    def _handle(self, node, machine, event, perform):
        if (
            self.draw.random() < 0.2
        ):  # a status on the edge, a probe in the cloud: no log holds them
            (machine.snapshot if node == "edge" else machine.load)(self.now)
        log = self.logs[node]
        log.write(event.now_ns, "event", event)
        actions = machine.handle(event)
        for action in actions:
            log.write(event.now_ns, "action", action)
        for action in actions:
            perform(action)

    def submit(self, number):
        """Submit a task; sometimes add power, an unsatisfied user, device load or a drain."""
        if self.draw.random() < 0.1:
            self.to_edge(ev.DeviceSampled(self.now, self.draw.random()))
        if self.draw.random() < 0.7:
            source = "rapl" if self.draw.random() < 0.95 else "jetson-ina3221"
            self.to_edge(ev.PowerSampled(self.now, self.draw.uniform(2, 12), source))
        super().submit(number)
        if self.draw.random() < 0.15:
            self.at(200 * MS, self.not_satisfied, f"t{number}")
        if self.draw.random() < 0.1:
            mode, policy = self.draw.choice(list(Mode)), self.draw.choice(("mc", "edge-only"))
            new = EdgeSettings(mode=mode, policy=policy, max_tasks=self.draw.randint(1, 12),
                               max_uploads=self.draw.randint(1, 3), probe_interval_ns=20 * MS,
                               quantile=self.draw.uniform(0.5, 0.99))  # fmt: skip
            self.to_edge(ev.EdgeReconfigured(self.now, new))
            new = CloudSettings(self.draw.uniform(0.5, 0.99), self.draw.randint(1, 6))
            self.to_cloud(ev.CloudReconfigured(self.now, new))
        if self.draw.random() < 0.02:
            self.to_edge(ev.Drain(self.now))
            self.to_cloud(ev.Drain(self.now))

    def not_satisfied(self, task_id):
        again = replace(self.tasks[task_id], task_id=f"{task_id}+1", submitted_ns=self.now)
        self.tasks[again.task_id] = again
        self.to_edge(ev.NotSatisfied(self.now, task_id, again))


def history(seed, tasks=12, **wanted):
    joined = Logged(seed, **wanted)
    joined.run(tasks)
    return joined


def actions_of(steps):
    return [action for step in steps for action in step.recorded]


def names(actions):
    return Counter(type(action).__name__ for action in actions)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.1, 0.5)),
    slowest=st.sampled_from((1.2, 3.0, 8.0)),
)
def test_a_recorded_log_replays_to_the_same_actions(seed, loss, slowest):
    for records in history(seed, loss=loss, slowest=slowest).records.values():
        steps = list(replay(json.loads(json.dumps(records))))
        assert [step.error for step in steps] == [""] * len(steps)
        for step in steps:
            assert step.recorded == step.replayed
            assert step.same
        assert [record["kind"] for record in records].count("event") == len(steps)
        assert [record["kind"] for record in records].count("action") == len(actions_of(steps))


def test_the_histories_hold_every_event_and_action():
    """A replay tests only what a log holds; an executor's fault may be missing by chance.

    These histories have no pause that is long enough for a trial; tests/core has them.
    """
    held = set()
    for seed in range(60):
        logs = history(seed, loss=seed % 2 / 10, slowest=(1.2, 3.0)[seed % 2]).records
        held |= {record["name"] for records in logs.values() for record in records}
    assert set(CLASSES) - held <= {"ExecutorFailed", "RecordTrial"}


def test_a_replay_sends_the_same_probes_with_the_same_padding():
    sent, padded = 0, 0
    for seed in range(20):
        for step in replay(history(seed, tasks=30).records["edge"]):
            recorded, replayed = (
                [action for action in actions if isinstance(action, do.SendProbe)]
                for actions in (step.recorded, step.replayed)
            )
            assert recorded == replayed
            sent += len(recorded)
            padded += sum(bool(probe.up_bytes or probe.down_bytes) for probe in recorded)
    assert padded > 20
    assert sent > padded


def test_a_log_on_disk_replays(tmp_path):
    paths = {node: tmp_path / node for node in ("edge", "cloud")}
    history(8, tasks=40, edge_log=paths["edge"], cloud_log=paths["cloud"])
    steps = {node: list(replay(read_log(path))) for node, path in paths.items()}
    assert all(step.same for step in steps["edge"] + steps["cloud"])
    ends = [a for a in actions_of(steps["edge"]) if isinstance(a, do.Finish)]
    starts = [s for s in steps["edge"] if isinstance(s.event, (ev.Submitted, ev.NotSatisfied))]
    assert len(ends) == len(starts) >= 40
    assert any(isinstance(a, do.RunStage) for a in actions_of(steps["cloud"]))


def test_a_cloud_log_with_every_end_of_a_decoding_replays():
    """Decoded, failed to decode, given up before the decoder and in it."""
    records = []
    log = EventLog(None, "cloud")
    log.subscribe(records.append)
    config = {"settings": CloudSettings(), "table": CLOUD}
    log.write(0, "config", config)
    machine = CloudMachine(CloudSettings(), CLOUD)
    for event in (
        *(ev.Received(n, name, "edge", 0.7, 500 * MS, MS) for n, name in enumerate("abcd")),
        ev.GiveUpReceived(5, "c"),
        ev.Decoded(MS, "a", MS),
        ev.DecodeFailed(2 * MS, "b", "not a JPEG", True),
        ev.ClientGone(2 * MS + 1, "d"),
        ev.Decoded(3 * MS, "d", MS),
        ev.StageDone(4 * MS, ("a",), 0, 3 * MS),
    ):
        log.write(event.now_ns, "event", event)
        for action in machine.handle(event):
            log.write(event.now_ns, "action", action)
    steps = list(replay(json.loads(json.dumps(records))))
    assert all(step.same and not step.error for step in steps)
    decided = [a for a in actions_of(steps) if isinstance(a, (do.Decode, do.Reject, do.Stop))]
    before = "given up before its first stage"
    assert decided == [
        do.Decode("a", "jpeg"), do.Stop("c", before, 0), do.Decode("b", "jpeg"),
        do.Reject("b", "not a JPEG", True), do.Decode("d", "jpeg"), do.Stop("d", before, 0),
    ]  # fmt: skip


def test_a_log_that_spans_a_restart_replays():
    first, second = history(1).records["edge"], history(2).records["edge"]
    steps = list(replay(first + second))
    assert all(step.same for step in steps)
    assert len(steps) == sum(record["kind"] == "event" for record in first + second)


def of_worker(index, seed):
    """A cloud machine's log, with the number of its worker."""
    records = history(seed, tasks=20).records["cloud"]
    return [{**record, "worker": index} for record in json.loads(json.dumps(records))]


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(draw=st.randoms(use_true_random=False))
def test_the_logs_of_several_workers_replay_each_on_its_machine(draw):
    """Their lines alternate anywhere, and one worker is started again."""
    logs = [of_worker(0, 1), of_worker(1, 2) + of_worker(1, 3), of_worker(2, 4)]
    mixed, left = [], [list(reversed(log)) for log in logs]
    while any(left):
        log = draw.choice([log for log in left if log])
        mixed += [log.pop() for _ in range(min(len(log), draw.randint(1, 5)))]
    steps = list(replay(mixed))
    assert all(step.same and not step.error for step in steps)
    assert len(steps) == sum(record["kind"] == "event" for log in logs for record in log)


def test_a_wrong_action_of_one_worker_shows_at_its_event():
    records = [*of_worker(0, 1), *of_worker(1, 2)]
    stages = [at for at, record in enumerate(records) if record["name"] == "RunStage"]
    records[stages[-1]]["data"]["stage"] += 1
    (different,) = (step for step in replay(records) if not step.same)
    assert "RunStage" in names(different.recorded)


def test_a_killed_worker_is_a_warning_and_its_successor_replays():
    first, other = of_worker(0, 1), of_worker(1, 2)
    cut = max(at for at, record in enumerate(first) if record["name"] == "RunStage")
    with pytest.warns(UserWarning, match="the log ends before the last"):
        steps = list(replay([*first[:cut], *other, *of_worker(0, 3)]))
    assert all(step.same for step in steps)
    assert sum(step.cut for step in steps) == 1


def test_an_event_whose_actions_a_kill_cut_off_is_the_same_with_a_warning():
    whole, second = history(1).records["edge"], history(2).records["edge"]
    event = max(at for at, record in enumerate(whole) if record["name"] == "SendToCloud") - 1
    while whole[event]["kind"] != "event":
        event -= 1
    for records in (whole[: event + 1], whole[: event + 1] + second):
        with pytest.warns(UserWarning, match="the log ends before the last") as warned:
            steps = list(replay(records))
        (cut,) = (step for step in steps if step.cut)
        assert len(warned) == 1
        assert cut.recorded == ()
        assert "SendToCloud" in names(cut.replayed)
        assert all(step.same for step in steps)


def test_a_wrong_action_of_the_last_event_still_shows():
    records = edge_records("Finish")
    finish = max(at for at, record in enumerate(records) if record["name"] == "Finish")
    records[finish]["data"]["outcome"]["latency_ns"] += 1
    (different,) = (step for step in replay(records[: finish + 1]) if not step.same)
    assert "Finish" in names(different.replayed)


def test_notes_do_not_stand_between_an_event_and_its_actions():
    records = []
    for record in history(3).records["edge"]:
        records += [{**record, "kind": "note", "name": "note", "data": {"said": "hm"}}, record]
    assert all(step.same for step in replay(records))


# --- differences that a replay finds ----------------------------------------------------------


def edge_records(*wanted):
    """The edge's log of the first history in which all of these happened."""
    logs = (history(seed, loss=0.0, slowest=1.2).records["edge"] for seed in range(200))
    return next(log for log in logs if {*wanted} <= {record["name"] for record in log})


def test_a_changed_setting_shows():
    """Some histories change their settings before the first task that would show it."""
    same = []
    for seed in range(6):
        records = history(seed, loss=0.0, slowest=1.2).records["edge"]
        records[0]["data"]["settings"]["policy"] = "edge-only"
        records[0]["data"]["settings"]["basic_accuracy"] = 1.0
        same.append(all(step.same for step in replay(records)))
    assert not all(same)


@pytest.mark.parametrize("name", ["Finish", "SetTimer", "SendToCloud", "StartLocal"])
def test_a_lost_action_shows_at_its_event(name):
    records = edge_records(name)
    lost = next(i for i, record in enumerate(records) if record["name"] == name)
    steps = replay(records[:lost] + records[lost + 1 :])
    (different,) = (step for step in steps if not step.same)
    assert names(different.replayed) - names(different.recorded) == {name: 1}


def test_a_changed_action_shows_at_its_event():
    records = edge_records()
    finish = next(record for record in records if record["name"] == "Finish")
    finish["data"]["outcome"]["latency_ns"] += 1
    (different,) = (step for step in replay(records) if not step.same)
    assert names(different.replayed) == names(different.recorded)


def test_a_lost_event_is_an_error_with_the_tasks_story_and_the_replay_continues():
    records = edge_records("LocalDone")
    task_id = next(r["data"]["task_id"] for r in records if r["name"] == "LocalDone")

    def lost(record):
        return record["name"] == "Submitted" and record["task_id"] == task_id

    whole = [record for record in records if not lost(record)]
    steps = list(replay(whole))
    wrong = [step for step in steps if step.error]
    assert task_id in wrong[0].error
    # others may go wrong in its wake, as what it would have taught was not learned
    assert all(step.event.task_id in step.error and step.replayed == () for step in wrong)
    assert len(steps) == sum(record["kind"] == "event" for record in records) - 1


# --- invalid logs -----------------------------------------------------------------------------


def test_an_empty_log_replays_to_no_steps():
    assert list(replay([])) == []


def test_a_log_without_its_head_is_an_error():
    records = edge_records()
    with pytest.raises(ValueError, match="no config record before its first event"):
        list(replay(records[1:]))
    action = next(i for i, record in enumerate(records) if record["kind"] == "action")
    with pytest.raises(ValueError, match="begins with an action"):
        list(replay(records[action:]))


def test_two_nodes_in_one_log_are_an_error():
    both = history(3, loss=0.0, slowest=1.2).records
    with pytest.raises(ValueError, match="mixes cloud and edge"):
        list(replay(both["cloud"] + both["edge"][1:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gossip"}, "no records of kind 'gossip'"),
        ({"name": "Teleported"}, "no event or action 'Teleported'"),
        ({"data": {}}, "now_ns"),
    ],
)
def test_an_unknown_record_is_an_error_that_names_it(change, message):
    records = edge_records()
    records[1] = {**records[1], **change}
    with pytest.raises(ValueError, match=message):
        list(replay(records))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {}}, "lacks"),
        ({"data": {"settings": {}}}, "lacks"),
        ({"node": "moon"}, "'moon'"),
        ({"node": "cloud"}, "stage_ns"),
    ],
)
def test_a_config_that_describes_no_machine_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        machine_of({**edge_records()[0], **change})


def test_every_setting_reaches_the_machine_of_a_replay():
    """The settings a replay reads are the ones that were written, radio and rule included."""
    settings_ = EdgeSettings(
        0.5, 0.1, Mode.PERFORMANCE, "mc-paper", ExitRule.PURSUE, 0.9, 1, True, 2, 3, 4,
        EnergyModel(1.0, 2.0, RADIOS["3g"], "declared"),
    )  # fmt: skip
    log, records = EventLog(None, "edge"), []
    log.subscribe(records.append)
    log.write(0, "config", {"settings": settings_, "table": LOCAL})
    snapshot = machine_of(records[0]).snapshot(0)
    assert (snapshot.mode, snapshot.policy, snapshot.basic_accuracy) == (
        "performance", "mc-paper", 0.5,
    )  # fmt: skip
    assert (snapshot.energy_source, snapshot.idle_w) == ("declared", 2.0)
