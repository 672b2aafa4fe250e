"""Edge and cloud machine, joined by hand over the link of the round figures."""

from dataclasses import fields

import pytest

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.actions import SendToCloud, StartLocal
from mc_sched.core.task import ExitRule, Site
from tests.core.round_figures import ANSWER, CLOUD, MS, at, ns
from tests.core.scripted_cloud import ScriptedCloud
from tests.core.scripted_edge import failed, late, no_deadline, no_fallback, succeeded

EVENT_OF = {
    do.Accept: ev.CloudAccepted,
    do.Refuse: ev.CloudRefused,
    do.Progress: ev.CloudProgressed,
    do.Reply: ev.CloudReplied,
    do.Stop: ev.CloudStopped,
}
HALF_WAY_MS = 5
UPLOAD_MS = 10


class Pair:
    """Carries the actions of an edge machine to a cloud machine as events, and vice versa."""

    def __init__(self, edge, cloud: ScriptedCloud) -> None:
        self.edge, self.cloud = edge, cloud

    def carry(self, ms: float, actions) -> list[do.CloudAction]:
        """Send the image at `ms`; the cloud subtracts the transfer that it saw from the budget."""
        (send,) = [action for action in actions if isinstance(action, SendToCloud)]
        actions = self.cloud.handle(
            ev.Received(
                at(ms + HALF_WAY_MS + UPLOAD_MS), send.task_id, "edge", send.accuracy,
                send.budget_ns - ns(UPLOAD_MS), send.down_ns, send.codec, send.exit_rule,
                send.reply_in_ns - ns(UPLOAD_MS),
            )
        )  # fmt: skip
        decoded = do.Decode(send.task_id, send.codec) in actions
        return self.cloud.decoded(self.cloud.now_ms, send.task_id) if decoded else actions

    def deliver(self, message: do.CloudAction) -> list[do.EdgeAction]:
        """Feed the cloud's message to the edge, half a round trip later."""
        event = EVENT_OF[type(message)]
        names = {field.name for field in fields(event)}
        values = {f.name: getattr(message, f.name) for f in fields(message) if f.name in names}
        if event is ev.CloudReplied:
            values["reply_bytes"] = 400
        now_ns = self.cloud.now_ns + ns(HALF_WAY_MS)
        return self.edge.handle(event(now_ns=now_ns, **values))

    def finish(self) -> list[do.EdgeAction]:
        """Let the cloud finish; return the edge's actions for its last message."""
        messages = []
        while self.cloud.piece is not None:
            messages = self.cloud.step()
        return self.deliver(messages[0])


@pytest.fixture
def pair(edge, cloud):
    return Pair(edge, cloud)


def test_an_offload_that_goes_as_predicted(pair):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84, accuracy=0.91))
    pair.deliver(accepted)
    assert pair.finish()[-1] == succeeded("a", Site.CLOUD, exit="exit4", cloud_ns=ns(21))
    assert pair.edge.outcome("a").latency_ns == ns(5 + 10 + 21 + 5)


def test_the_target_is_reached_at_the_predicted_moment(make_edge, cloud):
    pair = Pair(make_edge(exit_rule=ExitRule.EARLIEST), cloud)
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84))
    pair.deliver(accepted)
    pair.finish()
    outcome = pair.edge.outcome("a")
    assert outcome.predicted_ns == outcome.latency_ns == ns(29)


@pytest.mark.parametrize("deadline", range(53, 84, 3))
def test_an_adaptive_answer_arrives_before_the_fallback(pair, deadline):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", deadline))
    pair.deliver(accepted)
    assert pair.finish()[-1] == succeeded("a", Site.CLOUD)
    assert pair.edge.outcome("a").latency_ns <= ns(deadline - 20 - 4)


def test_a_cloud_that_turns_out_too_slow_has_until_the_fallback(pair):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84))
    pair.deliver(accepted)
    assert pair.cloud.step(took=36) == [do.RunStage(("a",), 1)]  # at 51; the edge waits until 60
    assert pair.edge.fallback_fires(60, "a") == [do.SendGiveUp("a"), StartLocal("a")]
    assert pair.edge.local_done(80, "a")[-1] == succeeded("a", Site.EDGE)


def test_a_task_that_only_the_cloud_could_serve_is_late_as_soon_as_that_is_certain(pair):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84, accuracy=0.9))
    pair.deliver(accepted)
    (stopped,) = pair.cloud.step(took=60)
    assert pair.deliver(stopped) == [no_deadline("a"), late("a", latency_ns=ns(80))]


def test_a_refusal_sends_the_task_to_the_local_net(make_edge, make_cloud):
    pair = Pair(make_edge(), make_cloud(max_tasks=0))
    (refuse,) = pair.carry(0, pair.edge.submit(0, "a", 84))
    assert pair.deliver(refuse) == [no_fallback("a"), StartLocal("a")]


def test_an_executor_failure_in_the_cloud_fails_the_task(pair):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84, accuracy=0.9))
    pair.deliver(accepted)
    (stopped,) = pair.cloud.fail(16, "a", "out of memory")
    assert pair.deliver(stopped)[-1] == failed("a")


def test_a_task_that_the_busy_edge_leaves_to_the_cloud_has_until_its_deadline(pair):
    accepted, _ = pair.carry(0, pair.edge.submit(0, "a", 84))
    pair.deliver(accepted)
    pair.edge.submit(52, "x", 30, policy="edge-only")  # the local net is busy until 72
    pair.cloud.step()
    messages = pair.cloud.step(took=35)  # at 54; the head takes 1 ms more
    assert messages == [do.RunHead(("a",), "exit1")]
    assert pair.finish()[-1] == succeeded("a", Site.CLOUD)


# --- the same events, the same actions --------------------------------------------------------


def test_a_replayed_history_gives_the_same_actions(make_edge):
    assert _history(make_edge()) == _history(make_edge())


def _history(edge):
    return [
        edge.submit(0, "a", 84),
        edge.submit(1, "b", 84, policy="edge-only"),
        edge.submit(2, "c", 30, accuracy=0.9),
        edge.accepted(20, "a"),
        edge.local_done(21, "b"),
        edge.handle(ev.CloudReplied(at(29), "a", "exit1", ANSWER, ns(9), 0, 1.0, 400)),
        edge.tell(30, ev.CloudGone, "cut"),
        edge.tell(31, ev.CloudFound, CLOUD),
        edge.submit(32, "d", 84, stream_id="other"),
        edge.handle(ev.ClientGone(at(32) + MS, "d")),
    ]
