"""A worker's driver: the messages that reach the front, and give-ups at each moment."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud_agent.pipe.task_end import TaskEnd
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.executor import StageExecutor
from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import LOGITS, MS, PATIENCE_S, Net
from tests.cloud_agent.worker.worker_rig import Output, WorkerRig, make_driver, received


@pytest.fixture
def rig():
    return WorkerRig()


# --- from arrival to reply --------------------------------------------------------------------


def test_a_task_is_accepted_run_and_answered(rig):
    number = rig.arrive("robot/a")
    assert rig.stages.requested == [("robot/a", 0)]
    for stage in range(3):
        rig.stage_done("robot/a", stage=stage)
    rig.head_done("robot/a")
    accepted, *_, result = rig.output.messages
    assert (accepted.kind, accepted.end) == ("accepted", None)
    assert (accepted.number, accepted.wire.task_id) == (number, "a")
    assert (result.kind, result.end) == ("result", TaskEnd("result", "final"))
    assert result.wire.result.exit == "final"
    assert rig.is_free()


def test_the_last_message_tells_the_story_with_the_worker(rig):
    rig.driver.report(ev.EdgeJoined(time.monotonic_ns(), "robot"))
    rig.arrive("robot/a", accuracy=0.5, transfer_ns=7 * MS)
    rig.stage_done("robot/a", stage=0)
    rig.head_done("robot/a", exit_="exit1")
    story = rig.output.messages[-1].wire.story
    assert [moment.name for moment in story] == [
        "Received", "Decoded", "Accept", "StageDone", "HeadDone", "Reply",
    ]  # fmt: skip
    ((_, credits),) = rig.output.reports[0].grants
    assert story[0].detail == f"jpeg by worker 1 (cpu), credits {credits}"
    assert story[0].at_ns >= 7 * MS
    assert not rig.output.messages[0].wire.story


def test_messages_name_how_long_the_task_was_held_and_uploaded(rig):
    rig.arrive("robot/a", transfer_ns=7 * MS)
    accepted = rig.output.messages[0].wire.accepted
    assert accepted.transfer_ns == 7 * MS
    assert accepted.held_ns > 0


def test_the_wait_in_the_pipe_costs_the_budget_and_the_time_of_the_fallback(rig):
    event = received("robot/a", budget_s=1.0, reply_in_ns=500 * MS)
    event.now_ns -= 200 * MS
    rig.driver.receive(1, event, b"jpeg", "")
    data = rig.records[0]["data"]
    assert 790 * MS < data["budget_ns"] <= 800 * MS
    assert 290 * MS < data["reply_in_ns"] <= 300 * MS
    rig.decoded("robot/a")
    assert rig.output.messages[0].wire.accepted.held_ns >= 200 * MS


def test_a_task_that_was_too_long_in_the_pipe_is_refused(rig):
    event = received("robot/a", budget_s=0.1, reply_in_ns=MS)
    event.now_ns -= 5_000 * MS
    rig.driver.receive(1, event, b"jpeg", "")
    rig.driver.flush()
    assert rig.output.kinds(1) == ["refused"]


def test_a_task_that_no_exit_can_serve_is_refused_and_dropped(rig):
    rig.arrive("robot/a", accuracy=0.95)
    (refusal,) = rig.output.messages
    reason = "the best exit reaches accuracy 0.900, 0.950 is demanded"
    assert refusal.end == TaskEnd("refused", reason)
    assert (refusal.wire.refused.reason, refusal.wire.refused.code) == (reason, "infeasible")
    assert rig.is_free()


def test_a_failing_network_stops_the_task_and_the_next_one_runs(rig):
    first, second = rig.arrive("robot/a", budget_s=10), rig.arrive("robot/b", budget_s=20)
    failure = ev.ExecutorFailed(time.monotonic_ns(), ("robot/a",), "the network failed: boom")
    rig.driver.report(failure)
    (end,) = [message.end for message in rig.output.messages if message.end]
    assert end == TaskEnd("stopped", "the network failed: boom", failed=True)
    assert rig.stages.requested == [("robot/a", 0), ("robot/b", 0)]
    assert (rig.output.kinds(first)[-1], rig.output.kinds(second)) == ("stopped", ["accepted"])
    assert list(rig.stages.held) == ["robot/b"]


def test_a_payload_that_cannot_be_decoded_is_rejected_and_dropped(rig):
    first, second = rig.receive("robot/a"), rig.receive("robot/b")
    rig.driver.report(ev.DecodeFailed(time.monotonic_ns(), "robot/a", "not a JPEG", True))
    (rejected,) = rig.output.messages
    assert (rejected.number, rejected.end) == (first, TaskEnd("rejected", "not a JPEG"))
    assert rig.output.kinds(second) == []
    assert list(rig.decoder.held) == ["robot/b"]


def test_a_fault_of_the_decoder_is_the_agents(rig):
    rig.receive("robot/a")
    rig.driver.report(ev.DecodeFailed(time.monotonic_ns(), "robot/a", "out of memory", False))
    assert rig.output.messages[0].end == TaskEnd("rejected", "out of memory", failed=True)


def test_a_second_task_of_the_same_id_is_rejected_and_the_first_goes_on(rig):
    first, second = rig.arrive("robot/a"), rig.receive("robot/a")
    assert rig.output.kinds(second) == ["rejected"]
    rig.stage_done("robot/a", stage=0)
    assert rig.output.kinds(first)[0] == "accepted"
    assert rig.critical() == []


def test_the_log_names_the_worker_and_holds_each_event_before_what_it_called_for(rig):
    rig.arrive("robot/a")
    rig.stage_done("robot/a", stage=0)
    names = [(record["worker"], record["kind"], record["name"]) for record in rig.records]
    assert names[:5] == [
        (1, "event", "Received"), (1, "action", "Decode"),
        (1, "event", "Decoded"), (1, "action", "Accept"), (1, "action", "RunStage"),
    ]  # fmt: skip


def test_a_trace_is_on_every_line_of_its_task(rig):
    rig.driver.receive(1, received("robot/a"), b"jpeg", "0af7651916cd43dd8448eb211c80319c")
    assert {record["trace_id"] for record in rig.records} == {"0af7651916cd43dd8448eb211c80319c"}


# --- reports ----------------------------------------------------------------------------------


def test_messages_of_several_events_leave_in_one_report(rig):
    for key in ("robot/a", "robot/b"):
        rig.number += 1
        rig.driver.receive(rig.number, received(key, accuracy=0.95), b"jpeg", "")
    assert rig.output.reports == []
    rig.driver.flush()
    (report,) = rig.output.reports
    assert [message.number for message in report.messages] == [1, 2]


def test_a_report_holds_the_load_and_the_tasks_received(rig):
    for key in ("robot/a", "robot/b", "robot/c"):
        rig.arrive(key)
    load = rig.output.reports[-1].load
    assert (load.tasks, load.received) == (3, 3)
    assert load.queue_ns >= 2 * 4 * MS  # two whole tasks, and what is left of the running one
    assert load.reported_ns > 0


def test_credits_are_reported(rig):
    rig.driver.report(ev.EdgeJoined(time.monotonic_ns(), "robot"))
    (grant,) = rig.output.reports[-1].grants
    assert grant == ("robot", rig.driver._granted["robot"])
    assert grant[1] >= 1


def test_reports_of_many_threads_keep_the_order_of_each_task():
    output, slow = Output(), threading.Event()

    def send(frame):
        slow.wait(0.001)
        output.send(frame)

    driver, _, _ = make_driver(send, max_tasks=10_000)
    driver.attach(*_without_work())

    def run(first):
        for number in range(first, first + 50):
            driver.receive(number, received(f"robot/t{number}", accuracy=0.95), b"", "")
            driver.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, (0, 50, 100, 150)))
    driver.flush()
    assert sorted(message.number for message in output.messages) == list(range(200))
    received_so_far = [report.load.received for report in output.reports]
    assert received_so_far == sorted(received_so_far)


def _without_work():
    rig = WorkerRig()
    return rig.decoder, rig.stages


# --- give up: before, during, after -----------------------------------------------------------


def test_a_task_given_up_in_the_decoder_goes_no_further(rig):
    rig.receive("robot/a")
    rig.happens(ev.GiveUpReceived, "robot/a")
    rig.decoded("robot/a")
    (stop,) = rig.output.messages
    assert stop.end == TaskEnd("stopped", "given up before its first stage")
    assert (rig.stages.requested, rig.is_free()) == ([], True)


def test_a_task_given_up_before_the_decoder_is_never_decoded(rig):
    rig.receive("robot/x")
    number = rig.receive("robot/a")
    rig.happens(ev.GiveUpReceived, "robot/a")
    assert rig.output.kinds(number) == ["stopped"]
    assert rig.decoder.held == {"robot/x": b"jpeg"}
    rig.decoded("robot/x")
    assert rig.decoder.begun == [("robot/x", "jpeg")]


def test_no_stage_starts_after_a_give_up(rig):
    number = rig.arrive("robot/a")
    rig.happens(ev.GiveUpReceived, "robot/a")
    assert list(rig.stages.held) == ["robot/a"]  # the running stage still works on it
    rig.stage_done("robot/a", stage=0)
    assert rig.output.kinds(number) == ["accepted", "stopped"]
    assert rig.output.messages[-1].wire.stopped.compute_ns == MS
    assert (rig.stages.requested, rig.is_free()) == ([("robot/a", 0)], True)


def test_a_give_up_during_the_head_stops_the_reply(rig):
    number = rig.arrive("robot/a", accuracy=0.5)
    rig.stage_done("robot/a", stage=0)
    rig.happens(ev.GiveUpReceived, "robot/a")
    rig.head_done("robot/a", exit_="exit1")
    assert rig.output.kinds(number) == ["accepted", "stopped"]


def test_a_give_up_that_crosses_the_reply_or_comes_twice_changes_nothing(rig):
    number = rig.arrive("robot/a", accuracy=0.5)
    rig.stage_done("robot/a", stage=0)
    rig.head_done("robot/a", exit_="exit1")
    for _ in range(2):
        rig.happens(ev.GiveUpReceived, "robot/a")
    assert rig.output.kinds(number) == ["accepted", "result"]
    assert rig.critical() == []


# --- clients that are gone --------------------------------------------------------------------


def test_a_task_whose_client_is_gone_says_nothing_more(rig):
    number = rig.arrive("robot/a")
    rig.happens(ev.ClientGone, "robot/a")
    rig.stage_done("robot/a", stage=0)
    assert rig.output.kinds(number) == ["accepted"]
    assert rig.is_free()


def test_a_task_whose_client_left_it_in_the_decoder_is_forgotten(rig):
    rig.receive("robot/a")
    rig.happens(ev.ClientGone, "robot/a")
    rig.decoded("robot/a")
    assert (rig.stages.requested, rig.is_free()) == ([], True)
    rig.receive("robot/a")
    rig.decoded("robot/a")
    assert rig.stages.requested == [("robot/a", 0)]


# --- threads, defects, drain ------------------------------------------------------------------


def test_the_machine_is_entered_by_one_thread_at_a_time():
    """Tasks from a pool, payloads and stages from their threads, give-ups from here, at once."""
    output, entered_twice, inside = Output(), [], threading.Lock()
    driver, machine, records = make_driver(output.send, max_tasks=1000)
    handle = machine.handle

    def guarded(event):
        if not inside.acquire(blocking=False):
            entered_twice.append(event)
        try:
            return handle(event)
        finally:
            machine.validate()
            inside.release()

    machine.handle = guarded
    net = Net()
    executor = StageExecutor(net.stages, net.heads, dict.fromkeys(net.heads, 1.0), driver.report)
    decoder = PayloadDecoder({"jpeg": lambda _: LOGITS}, executor.hold, driver.report, threads=2)
    driver.attach(decoder, executor)
    keys = [f"robot/t{number}" for number in range(120)]
    with ThreadPoolExecutor(4) as pool:
        for number, key in enumerate(keys):
            pool.submit(driver.receive, number, received(key), b"jpeg", "")
            if number % 3 == 0:
                driver.report(ev.GiveUpReceived(time.monotonic_ns(), key))
    _until(lambda: machine.is_idle)
    decoder.close()
    executor.close()
    driver.flush()
    ends = [message.number for message in output.messages if message.end is not None]
    assert sorted(ends) == list(range(120))
    assert (entered_twice, executor._activations, driver._tasks) == ([], {}, {})
    assert [record for record in records if record["level"] == "critical"] == []


def _until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


def test_a_defect_is_logged_and_does_not_end_the_worker(rig):
    rig.stage_done("robot/never", stage=0)
    (note,) = rig.critical()
    assert "StageDone" in note["data"]["error"]
    assert rig.output.kinds(rig.arrive("robot/a", accuracy=0.95)) == ["refused"]


def test_a_drain_refuses_new_tasks_and_finishes_the_running_ones(rig):
    running = rig.arrive("robot/a", accuracy=0.5)
    rig.driver.report(ev.Drain(time.monotonic_ns()))
    late = rig.arrive("robot/b")
    assert rig.output.messages[-1].wire.refused.code == "draining"
    rig.stage_done("robot/a", stage=0)
    rig.head_done("robot/a", exit_="exit1")
    assert (rig.output.kinds(running)[-1], rig.output.kinds(late)) == ("result", ["refused"])


def test_a_thread_that_hangs_or_has_died_is_named(rig):
    rig.decoder.stuck, rig.stages.stuck = "", ""
    assert rig.driver.stuck() == ""
    rig.stages.stuck = "executor"
    assert rig.driver.stuck() == "executor"
    rig.decoder.stuck = "decoder 1"
    assert rig.driver.stuck() == "decoder 1"


def test_a_machine_that_hangs_is_named(rig, monkeypatch):
    monkeypatch.setattr("cloud_agent.worker.driver.LOCK_PATIENCE_S", 0.01)
    rig.decoder.stuck = rig.stages.stuck = ""
    with rig.driver._lock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(rig.driver.stuck).result(PATIENCE_S) == "machine"


def test_the_metrics_are_those_of_the_machine(rig):
    rig.arrive("robot/a")
    rig.stage_done("robot/a", stage=0)
    metrics = rig.driver.metrics()
    assert metrics.reliability["stage"].n == sum(metrics.took["stage"].counts) == 1
