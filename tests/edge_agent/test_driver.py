"""The driver: one outcome per task in every case, and nothing kept afterwards."""

import asyncio
import threading
import time

import pytest

from edge_agent.driver import REMEMBERED_IMAGES
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.task import Mode, OutcomeKind, Site
from tests.edge_agent.edge_rig import (
    ANSWER,
    FAST_LOCAL,
    LOCAL,
    MS,
    PATIENCE_S,
    Rig,
    admitted,
    task,
    until,
)

SUCCEEDED, LATE, REFUSED, FAILED = OutcomeKind


@pytest.fixture
async def rig():
    made = Rig()
    made.find_cloud()
    return made


def kinds_logged(rig, task_id):
    """Return the names of a task's events and actions, in the order of the log."""
    return [r["name"] for r in rig.records if r.get("task_id") == task_id]


# --- one outcome ------------------------------------------------------------------------------


async def test_the_local_nets_answer_is_the_outcome(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started == ["a"])
    rig.net.done("a")
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.site, outcome.prediction) == (SUCCEEDED, Site.EDGE, ANSWER)
    assert rig.held() == {}


async def test_the_net_gets_the_pixels_and_the_cloud_the_jpeg(rig):
    prepared = []
    rig.driver._prepare = prepared.append
    rig.net.start = lambda task_id, prepare, exit_: prepare()
    image = admitted()
    on_edge = rig.run(task("a", policy="edge-only"), image)
    on_cloud = rig.run(task("b", policy="server"), image)
    await until(lambda: prepared and rig.cloud.sent)
    assert prepared[0] is image.pixels
    assert rig.cloud.sent["b"][1] is image.jpeg
    rig.net.done("a")
    rig.replied("b")
    await asyncio.gather(on_edge, on_cloud)


async def test_the_clouds_answer_is_the_outcome(rig):
    waiting = rig.submit("a", policy="server")
    await until(lambda: "a" in rig.cloud.sent)
    rig.replied("a")
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.site, outcome.exit) == (SUCCEEDED, Site.CLOUD, "final")
    assert (rig.net.started, rig.cloud.given_up, rig.held()) == ([], [], {})


async def test_a_refusal_is_an_outcome_at_once(rig):
    outcome = await rig.outcome(rig.submit("a", accuracy=0.99))
    assert outcome.kind is REFUSED
    assert "accuracy" in outcome.reason
    assert rig.held() == {}


async def test_a_failure_of_the_local_net_is_an_outcome(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    rig.net.failed("a", "RuntimeError: out of memory")
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.reason) == (FAILED, "local net: RuntimeError: out of memory")
    assert rig.held() == {}


async def test_the_log_has_each_event_before_its_actions(rig):
    waiting = rig.submit("a", policy="server")
    await until(lambda: "a" in rig.cloud.sent)
    rig.replied("a")
    await rig.outcome(waiting)
    assert kinds_logged(rig, "a") == [
        "Submitted", "SetTimer", "SendToCloud", "CloudAccepted", "RecordScore", "CloudReplied",
        "RecordScore", "CancelTimer", "Finish",
    ]  # fmt: skip


# --- timers -----------------------------------------------------------------------------------


async def test_a_task_in_a_silent_cloud_is_late_at_the_deadline_and_given_up(rig):
    outcome = await rig.outcome(rig.submit("a", deadline=0.05, policy="server"))
    assert (outcome.kind, outcome.reason) == (LATE, "no result at the deadline")
    assert outcome.latency_ns >= 50 * MS
    assert rig.cloud.given_up == ["a"]
    assert rig.held() == {"legs": ["a"]}  # until the cloud has confirmed
    rig.tell(ev.CloudStopped, "a", "given up")
    assert rig.held() == {}


async def test_a_slow_local_net_is_late_at_the_deadline_and_stopped():
    rig = Rig(local=FAST_LOCAL)
    outcome = await rig.outcome(rig.submit("a", deadline=0.3, policy="edge-only"))
    assert (outcome.kind, rig.net.aborted) == (LATE, ["a"])
    rig.net.stopped("a")
    assert rig.held() == {}


async def test_a_cloud_that_is_too_slow_is_given_up_in_time_for_the_local_net(rig):
    waiting = rig.submit("a", deadline=2.0)
    await until(lambda: rig.net.started == ["a"])  # the fallback timer
    assert rig.cloud.given_up == ["a"]
    rig.net.done("a")
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.site, outcome.gave_up) == (SUCCEEDED, Site.EDGE, True)
    rig.tell(ev.CloudStopped, "a", "given up")
    assert rig.held() == {}


async def test_a_reply_that_crosses_the_give_up_ends_the_task_and_stops_the_net(rig):
    waiting = rig.submit("a", deadline=2.0)
    await until(lambda: rig.net.started == ["a"])
    rig.tell(ev.CloudReplied, "a", "final", ANSWER, MS, 0, 1.0, 400)
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.site) == (SUCCEEDED, Site.CLOUD)
    assert rig.net.aborted == ["a"]
    rig.net.stopped("a")
    assert rig.held() == {}


async def test_a_broken_call_falls_back_to_the_local_net(rig):
    waiting = rig.submit("a")
    await until(lambda: "a" in rig.cloud.sent)
    rig.tell(ev.CloudLost, "a", "the connection broke")
    assert rig.net.started == ["a"]
    rig.net.done("a")
    assert (await rig.outcome(waiting)).site is Site.EDGE
    assert rig.held() == {}


# --- the worker's thread, and progress --------------------------------------------------------


async def test_ends_may_come_from_other_threads(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    end = ev.LocalDone(time.monotonic_ns(), "a", ANSWER)
    threading.Thread(target=rig.driver.report, args=(end,)).start()
    assert (await rig.outcome(waiting)).kind is SUCCEEDED


async def test_progress_is_delivered_before_the_next_event_and_never_before_its_time(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    rig.records.clear()
    now_ns = time.monotonic_ns()
    later_ns = now_ns + 3600 * 10**9
    rig.driver.note(ev.LocalStarted(now_ns, "a"))
    rig.driver.note(ev.LocalLayerDone(later_ns, "a", 0))
    assert rig.records == []  # nobody acts upon it yet
    rig.driver.handle(ev.LinkSampled(now_ns, MS))
    assert [r["name"] for r in rig.records] == ["LocalStarted", "LinkSampled"]
    rig.driver.handle(ev.LocalDone(later_ns, "a", ANSWER))
    assert [r["name"] for r in rig.records][2:4] == ["LocalLayerDone", "LocalDone"]
    await rig.outcome(waiting)


async def test_a_status_counts_the_progress_made_so_far(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    before_ns = rig.driver.snapshot().local_residual_ns
    rig.driver.note(ev.LocalLayerDone(time.monotonic_ns(), "a", 0))
    assert rig.driver.snapshot().local_residual_ns < before_ns - LOCAL.layer_ns[0] // 2
    rig.net.done("a")
    await rig.outcome(waiting)


# --- not satisfied ----------------------------------------------------------------------------


async def test_not_satisfied_runs_the_same_image_at_a_higher_qor(rig):
    image = admitted()
    first = rig.run(task("a", policy="edge-only"), image)
    await until(lambda: rig.net.started)
    rig.net.done("a")
    await first
    again = asyncio.ensure_future(rig.driver.again("a"))
    await until(lambda: rig.net.started == ["a", "a+1"])
    assert rig.driver._images["a+1"] is image
    rig.net.done("a+1")
    outcome = await rig.outcome(again)
    assert (outcome.task_id, outcome.kind) == ("a+1", SUCCEEDED)
    assert outcome.required_accuracy == pytest.approx(0.80)
    assert outcome.latency_ns < 60 * 10**9  # a fresh deadline, a fresh clock


async def test_not_satisfied_twice_with_one_task_are_two_tasks(rig):
    first = rig.submit("a", policy="server")
    await until(lambda: "a" in rig.cloud.sent)
    rig.replied("a")
    await rig.outcome(first)
    again = [asyncio.ensure_future(rig.driver.again("a")) for _ in range(2)]
    await until(lambda: {"a+1", "a+2"} <= rig.cloud.sent.keys())
    rig.replied("a+2")
    rig.replied("a+1")
    outcomes = [await rig.outcome(waiting) for waiting in again]
    assert [o.task_id for o in outcomes] == ["a+1", "a+2"]
    assert [o.required_accuracy for o in outcomes] == pytest.approx([0.80, 0.85])
    assert rig.held() == {}


async def test_not_satisfied_with_an_unknown_task_returns_none(rig):
    assert await rig.driver.again("never") is None


async def test_only_the_last_images_are_remembered(rig):
    for number in range(REMEMBERED_IMAGES + 1):
        await rig.outcome(rig.submit(f"t{number}", accuracy=0.99))
    assert await rig.driver.again("t0") is None
    assert (await rig.outcome(asyncio.ensure_future(rig.driver.again("t1")))).kind is REFUSED


async def test_a_client_that_leaves_during_its_second_try_frees_it(rig):
    first = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    rig.net.done("a")
    await rig.outcome(first)
    again = asyncio.ensure_future(rig.driver.again("a"))
    await until(lambda: rig.net.started == ["a", "a+1"])
    again.cancel()
    await asyncio.wait([again])
    assert rig.net.aborted == ["a+1"]
    rig.net.stopped("a+1")
    assert rig.held() == {}


# --- clients that leave -----------------------------------------------------------------------


async def leave(waiting):
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_a_client_that_leaves_stops_the_local_net(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    await leave(waiting)
    assert rig.net.aborted == ["a"]
    assert rig.held() == {"legs": ["a"]}
    rig.net.stopped("a")
    assert rig.held() == {}


async def test_a_client_that_leaves_gives_the_cloud_up(rig):
    waiting = rig.submit("a", policy="server")
    await until(lambda: "a" in rig.cloud.sent)
    await leave(waiting)
    assert rig.cloud.given_up == ["a"]
    rig.tell(ev.CloudStopped, "a", "given up")
    assert rig.held() == {}


async def test_a_client_that_leaves_after_its_outcome_changes_nothing(rig):
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    rig.net.done("a")
    waiting.cancel()  # the outcome exists, the client has not read it yet
    await asyncio.wait([waiting])
    assert (rig.net.aborted, rig.held()) == ([], {})
    assert rig.driver.snapshot().outcomes["succeeded"] == 1


async def test_clients_that_stay_get_outcomes_when_others_leave(rig):
    leaving = [rig.submit(f"gone{n}", policy="edge-only") for n in range(5)]
    staying = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    for waiting in leaving:
        await leave(waiting)
    rig.net.stopped("gone0")
    await until(lambda: rig.net.started == ["gone0", "a"])
    rig.net.done("a")
    assert (await rig.outcome(staying)).kind is SUCCEEDED
    assert rig.held() == {}


# --- drain ------------------------------------------------------------------------------------


async def test_a_drain_refuses_new_tasks_and_waits_for_the_running_ones(rig):
    running = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    drain = asyncio.create_task(rig.driver.drain())
    await asyncio.sleep(0)
    refused = await rig.outcome(rig.submit("b"))
    assert (refused.kind, "shutting down" in refused.reason) == (REFUSED, True)
    assert rig.driver.snapshot().draining
    assert not drain.done()
    rig.net.done("a")
    assert (await rig.outcome(running)).kind is SUCCEEDED
    await asyncio.wait_for(drain, PATIENCE_S)


async def test_a_drain_waits_until_a_give_up_is_confirmed(rig):
    await rig.outcome(rig.submit("a", deadline=0.02, policy="server"))
    drain = asyncio.create_task(rig.driver.drain())
    await asyncio.sleep(0.05)
    assert not drain.done()
    rig.tell(ev.CloudStopped, "a", "given up")
    await asyncio.wait_for(drain, PATIENCE_S)


async def test_a_drain_of_nothing_ends_at_once(rig):
    await asyncio.wait_for(rig.driver.drain(), PATIENCE_S)


# --- the link ---------------------------------------------------------------------------------


async def test_the_callback_is_called_when_the_cloud_comes_and_goes(rig):
    rig.tell(ev.CloudGone, "cut")
    rig.find_cloud()
    assert rig.cloud_states == [True, False, True]
    assert rig.driver.snapshot().cloud == "up"


# --- defects ----------------------------------------------------------------------------------


class Defective(EdgeMachine):
    """A machine that raises an error at the events that the test names."""

    def __init__(self, *breaks_at):
        super().__init__(EdgeSettings(), FAST_LOCAL)
        self.breaks_at = breaks_at

    def handle(self, event):
        about = getattr(event, "task_id", "") or getattr(event, "task", event)
        about = getattr(event, "again", about)
        if (type(event).__name__, getattr(about, "task_id", about)) in self.breaks_at:
            raise UnexpectedEvent("edge", "open", type(event).__name__, ("a story",))
        return super().handle(event)


def logs_the_defect(rig):
    notes = [r for r in rig.records if r["level"] == "critical"]
    assert all("a story" in note["data"]["error"] for note in notes)
    return len(notes)


async def test_a_defect_at_the_start_still_ends_the_task():
    rig = Rig(Defective(("Submitted", "a")))
    outcome = await rig.outcome(rig.submit("a"))
    assert (outcome.kind, outcome.stream_id) == (FAILED, "s")
    assert outcome.reason == "internal error of the agent; see its event log"
    assert (logs_the_defect(rig), rig.held()) == (1, {})


async def test_a_defect_in_a_second_try_still_ends_it():
    rig = Rig(Defective(("NotSatisfied", "a+1")))
    await rig.outcome(rig.submit("a", accuracy=0.99))
    outcome = await asyncio.wait_for(rig.driver.again("a"), PATIENCE_S)
    assert (outcome.task_id, outcome.kind) == ("a+1", FAILED)
    assert logs_the_defect(rig) == 1


async def test_a_defect_at_the_end_still_ends_the_task_once():
    rig = Rig(Defective(("LocalDone", "a")))
    waiting = rig.submit("a", deadline=0.3, policy="edge-only")
    await until(lambda: rig.net.started)
    rig.net.done("a")
    assert (await rig.outcome(waiting)).kind is FAILED
    # the machine still has the task: its actions at the deadline have no effect
    await until(lambda: rig.net.aborted == ["a"])
    rig.net.stopped("a")
    assert rig.held() == {}
    assert len(rig.logged("Finish")) == 1


async def test_a_defect_about_no_task_ends_none():
    rig = Rig(Defective())
    waiting = rig.submit("a", policy="edge-only")
    await until(lambda: rig.net.started)
    rig.tell(ev.LocalDone, "never", ANSWER)
    assert [r["level"] for r in rig.logged("note")] == ["critical"]
    assert not waiting.done()
    rig.net.done("a")
    assert (await rig.outcome(waiting)).kind is SUCCEEDED


async def test_a_defect_of_a_waiting_task_does_not_stop_the_others():
    rig = Rig(Defective(("CloudLost", "b")))
    waiting = {name: rig.submit(name, policy="edge-only") for name in "abc"}
    await until(lambda: rig.net.started == ["a"])
    rig.tell(ev.CloudLost, "b", "out of nowhere")
    assert (await rig.outcome(waiting["b"])).kind is FAILED
    rig.net.done("a")
    if rig.net.started[-1] == "b":
        rig.net.stopped("b")
    rig.net.done("c")
    assert (await rig.outcome(waiting["c"])).kind is SUCCEEDED


# --- nothing grows ----------------------------------------------------------------------------


async def test_hundreds_of_tasks_leave_nothing_but_the_remembered_images():
    rig = Rig(local=FAST_LOCAL, max_uploads=64, max_tasks=1000)
    rig.find_cloud()
    ends = (
        lambda name: rig.replied(name),
        lambda name: rig.tell(ev.CloudRefused, name, "too busy"),
        lambda name: rig.tell(ev.CloudLost, name, "the connection broke"),
        lambda name: rig.tell(ev.CloudStopped, name, "infeasible"),
        lambda name: waiting[name].cancel(),
    )
    for batch in range(10):
        names = [f"{batch}-{number}" for number in range(30)]
        waiting = {name: rig.submit(name, policy="server") for name in names}
        await until(lambda names=names: set(names) <= rig.cloud.sent.keys())
        for number, name in enumerate(names):
            ends[number % len(ends)](name)
        done, _ = await asyncio.wait(waiting.values(), timeout=PATIENCE_S)
        assert len(done) == len(names)
        for name in rig.cloud.given_up:
            rig.tell(ev.CloudStopped, name, "given up")
        rig.cloud.given_up.clear()
    assert rig.held() == {}
    assert len(rig.driver._finished) == REMEMBERED_IMAGES
    assert len(rig.logged("Finish")) == 300


# --- waits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "counted"), [("edge-only", 1), ("mc-paper", 0)])
async def test_only_waits_that_no_link_causes_count_as_load(rig, policy, counted):
    """A task with a fallback timer may wait for the cloud until its latest start."""
    waits = []
    rig.driver.attach(rig.net, rig.cloud, None, None, lambda *wait: waits.append(wait))
    rig.submit("a", policy=policy, mode=Mode.ENERGY)
    await until(lambda: rig.net.started or rig.cloud.sent)
    assert bool(rig.cloud.sent) is not bool(counted)
    assert len(waits) == counted
