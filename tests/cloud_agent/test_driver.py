"""The cloud driver: the messages that reach a call, and give-ups at each moment."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud_agent.calls import LAST, Call, CallError
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.executor import StageExecutor
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.task import Prediction, RefusalCode
from tests.cloud_agent.cloud_rig import (
    LOGITS,
    MS,
    PATIENCE_S,
    HandDecoder,
    HandStages,
    Net,
    make_driver,
    received,
    until,
)

ANSWER = Prediction(((1, 1.0),))


class Rig:
    """A driver whose stages end at the command of the test."""

    def __init__(self, **settings):
        self.decoder, self.stages = HandDecoder(), HandStages()
        made = make_driver(self.decoder, self.stages, **settings)
        self.driver, self.machine, self.records = made

    def call(self, key):
        call = Call()
        self.driver.open(key, call, max_calls=256)
        return call

    def receive(self, key, **demands):
        """A call whose payload has arrived."""
        call = self.call(key)
        self.driver.receive(received(key, **demands), b"jpeg")
        return call

    def decoded(self, key):
        """The decoder is done with this task."""
        self.decoder.drop(key)
        self.stages.hold(key, LOGITS)
        self.driver.handle(ev.Decoded(time.monotonic_ns(), key, MS))

    def arrive(self, key, **demands):
        """A call whose task is decoded, if it is not refused before."""
        call = self.receive(key, **demands)
        if (key, "jpeg") in self.decoder.begun:
            self.decoded(key)
        return call

    def is_free(self):
        """Return True if nothing is left of any task."""
        return self.machine.is_idle and not self.decoder.held and not self.stages.held

    def stage_done(self, key, stage):
        self.driver.handle(ev.StageDone(time.monotonic_ns(), (key,), stage, MS))

    def head_done(self, key, exit_="final"):
        self.driver.handle(ev.HeadDone(time.monotonic_ns(), (key,), exit_, (ANSWER,), MS))

    def critical(self):
        return [record for record in self.records if record["level"] == "critical"]


@pytest.fixture
async def rig():
    return Rig()


async def messages_of(call):
    """All messages posted to a call, up to the last one."""
    messages = []
    while not messages or not isinstance(messages[-1], LAST):
        messages.append(await asyncio.wait_for(call.mailbox.get(), PATIENCE_S))
    return messages


async def silent(call):
    """Return True if no message has been posted."""
    await asyncio.sleep(0.01)
    return call.mailbox.empty()


# --- from arrival to reply --------------------------------------------------------------------


async def test_a_task_is_accepted_run_and_answered(rig):
    call = rig.arrive("a")
    assert rig.stages.requested == [("a", 0)]
    for stage in range(3):
        rig.stage_done("a", stage)
    rig.head_done("a")
    accept, *_, reply = await messages_of(call)
    assert (type(accept), accept.exit) == (do.Accept, "final")
    assert (reply.exit, reply.prediction) == ("final", ANSWER)
    assert rig.stages.requested == [("a", 0), ("a", 1), ("a", 2), ("a", "final")]
    assert (rig.stages.held, rig.machine.is_idle) == ({}, True)


async def test_a_task_that_no_exit_can_serve_is_refused_and_dropped(rig):
    (refusal,) = await messages_of(rig.arrive("a", accuracy=0.95))
    assert refusal == do.Refuse(
        "a", "the best exit reaches accuracy 0.900, 0.950 is demanded", RefusalCode.INFEASIBLE
    )
    assert (rig.stages.requested, rig.stages.held) == ([], {})


async def test_a_failing_network_stops_the_task_and_the_next_one_runs(rig):
    first, second = rig.arrive("a"), rig.arrive("b")
    rig.driver.handle(ev.ExecutorFailed(time.monotonic_ns(), ("a",), "the network failed: boom"))
    assert (await messages_of(first))[-1].reason == "the network failed: boom"
    assert rig.stages.requested == [("a", 0), ("b", 0)]
    assert list(rig.stages.held) == ["b"]
    assert isinstance(await asyncio.wait_for(second.mailbox.get(), PATIENCE_S), do.Accept)


async def test_the_log_holds_each_event_before_what_it_called_for(rig):
    rig.arrive("a")
    rig.stage_done("a", 0)
    names = [(record["kind"], record["name"]) for record in rig.records]
    assert names == [
        ("event", "Received"), ("action", "Decode"),
        ("event", "Decoded"), ("action", "Accept"), ("action", "RunStage"),
        ("event", "StageDone"), ("action", "RecordScore"), ("action", "RunStage"),
    ]  # fmt: skip


# --- give up: before, during, after -----------------------------------------------------------


async def test_a_give_up_during_the_upload_ends_the_receiving(rig):
    call = rig.call("a")
    call.receiving = asyncio.get_running_loop().create_future()
    assert rig.driver.give_up("a")
    assert (call.given_up, call.receiving.cancelled()) == (True, True)
    assert rig.stages.held == {}


async def test_a_task_given_up_in_the_decoder_goes_no_further(rig):
    call = rig.receive("a")
    assert rig.driver.give_up("a")
    rig.decoded("a")
    (stop,) = await messages_of(call)
    assert stop == do.Stop("a", "given up before its first stage", 0)
    assert (rig.stages.requested, rig.is_free()) == ([], True)


async def test_a_task_given_up_before_the_decoder_is_never_decoded(rig):
    rig.receive("x")
    call = rig.receive("a")
    assert rig.driver.give_up("a")
    (stop,) = await messages_of(call)
    assert stop == do.Stop("a", "given up before its first stage", 0)
    assert rig.decoder.held == {"x": b"jpeg"}
    rig.decoded("x")
    assert rig.decoder.begun == [("x", "jpeg")]


async def test_a_give_up_while_waiting_for_the_executor_stops_at_once(rig):
    first, second = rig.arrive("a", budget_s=10), rig.arrive("b", budget_s=60)
    assert rig.driver.give_up("b")
    assert (await messages_of(second))[-1] == do.Stop("b", "given up", 0)
    rig.stage_done("a", 0)
    assert rig.stages.requested == [("a", 0), ("a", 1)]
    assert list(rig.stages.held) == ["a"]
    assert isinstance(first.mailbox.get_nowait(), do.Accept)


async def test_no_stage_starts_after_a_give_up(rig):
    call = rig.arrive("a")
    assert rig.driver.give_up("a")
    assert list(rig.stages.held) == ["a"]  # the running stage still works on it
    rig.stage_done("a", 0)
    assert (await messages_of(call))[-1] == do.Stop("a", "given up", MS)
    assert (rig.stages.requested, rig.stages.held, rig.machine.is_idle) == ([("a", 0)], {}, True)


async def test_a_give_up_during_the_head_stops_the_reply(rig):
    call = rig.arrive("a", accuracy=0.5)
    rig.stage_done("a", 0)
    assert rig.stages.requested[-1] == ("a", "exit1")
    assert rig.driver.give_up("a")
    rig.head_done("a", "exit1")
    assert isinstance((await messages_of(call))[-1], do.Stop)


async def test_a_give_up_that_crosses_the_reply_changes_nothing(rig):
    call = rig.arrive("a", accuracy=0.5)
    rig.stage_done("a", 0)
    rig.head_done("a", "exit1")
    rig.driver.give_up("a")
    assert isinstance((await messages_of(call))[-1], do.Reply)
    assert await silent(call)
    assert rig.critical() == []


async def test_a_give_up_twice_is_harmless(rig):
    call = rig.arrive("a")
    assert rig.driver.give_up("a")
    assert rig.driver.give_up("a")
    rig.stage_done("a", 0)
    await messages_of(call)
    assert await silent(call)
    assert rig.critical() == []


async def test_nobody_gives_up_anothers_task(rig):
    call = rig.arrive("a")
    call.owner = "robot-7"
    assert not rig.driver.give_up("a", "robot-8")
    assert not rig.driver.give_up("a")
    assert not call.given_up
    assert rig.driver.give_up("a", "robot-7")


async def test_a_give_up_of_an_unknown_task_stops_nothing(rig):
    assert not rig.driver.give_up("never")
    call = rig.arrive("a", accuracy=0.95)
    await messages_of(call)
    rig.driver.hang_up("a")
    assert not rig.driver.give_up("a")


# --- calls that hang up -----------------------------------------------------------------------


async def test_a_task_whose_call_hung_up_in_the_decoder_is_forgotten(rig):
    call = rig.receive("a")
    rig.driver.hang_up("a")
    rig.decoded("a")
    assert (rig.stages.requested, rig.is_free()) == ([], True)
    assert await silent(call)


async def test_a_decoded_payload_is_never_taken_for_a_later_call_of_the_same_task(rig):
    rig.receive("a")
    rig.driver.hang_up("a")
    with pytest.raises(CallError, match="task a is open already"):
        rig.call("a")
    rig.decoded("a")
    assert rig.is_free()
    rig.receive("a")
    rig.decoded("a")
    assert rig.stages.requested == [("a", 0)]


async def test_a_payload_that_cannot_be_decoded_is_rejected_and_dropped(rig):
    first, second = rig.receive("a"), rig.receive("b")
    rig.driver.handle(ev.DecodeFailed(time.monotonic_ns(), "a", "not a JPEG", True))
    assert await messages_of(first) == [do.Reject("a", "not a JPEG", True)]
    assert rig.decoder.begun == [("a", "jpeg"), ("b", "jpeg")]
    assert list(rig.decoder.held) == ["b"]
    assert await silent(second)


async def test_a_call_that_hangs_up_frees_its_work(rig):
    rig.arrive("a")
    rig.driver.hang_up("a")
    rig.stage_done("a", 0)
    assert (rig.stages.requested, rig.stages.held) == ([("a", 0)], {})
    assert (rig.machine.is_idle, rig.driver.calls) == (True, {})


async def test_a_call_that_ended_well_hangs_up_without_a_trace(rig):
    call = rig.arrive("a", accuracy=0.95)
    await messages_of(call)
    rig.driver.hang_up("a")
    assert (rig.driver.calls, rig.critical()) == ({}, [])


# --- threads ----------------------------------------------------------------------------------


async def test_messages_posted_from_threads_arrive_in_order(rig):
    call = rig.call("a")
    posted = [do.Progress("a", stage, 1) for stage in range(50)]

    def post():
        for message in posted:
            rig.driver.post(call, message)

    thread = threading.Thread(target=post)
    thread.start()
    received = [await asyncio.wait_for(call.mailbox.get(), PATIENCE_S) for _ in posted]
    thread.join()
    assert received == posted


async def test_the_machine_is_entered_by_one_thread_at_a_time():
    """Payloads from a pool, stages from the worker, give-ups from the loop, all at once."""
    driver, machine, records = make_driver(max_tasks=1000)
    inside, entered_twice, handle = threading.Lock(), [], machine.handle

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
    executor = StageExecutor(net.stages, net.heads, dict.fromkeys(net.heads, 1.0), driver.handle)
    decoder = PayloadDecoder({"jpeg": lambda payload: LOGITS}, executor.hold, driver.handle)
    driver.attach(decoder, executor)
    calls = {f"t{number}": Call() for number in range(120)}
    driver.calls.update(calls)
    with ThreadPoolExecutor(4) as pool:
        for number, key in enumerate(calls):
            pool.submit(driver.receive, received(key), b"jpeg")
            if number % 3 == 0:
                driver.give_up(key)
            await asyncio.sleep(0)
        ends = [(await messages_of(call))[-1] for call in calls.values()]
    await until(lambda: machine.is_idle)
    decoder.close()
    executor.close()
    assert entered_twice == []
    assert {type(end) for end in ends} == {do.Reply, do.Stop}
    assert executor._activations == {}
    assert [r for r in records if r["level"] == "critical"] == []


# --- defects, load and drain ------------------------------------------------------------------


async def test_a_defect_is_logged_and_does_not_end_the_worker(rig):
    rig.stage_done("never", 0)
    (note,) = rig.critical()
    assert "StageDone" in note["data"]["error"]
    call = rig.arrive("a", accuracy=0.95)
    assert isinstance((await messages_of(call))[-1], do.Refuse)


async def test_the_load_is_the_work_that_waits(rig):
    assert (rig.driver.load().queue_ns, rig.driver.load().tasks) == (0, 0)
    for key in "abc":
        rig.arrive(key)
    load = rig.driver.load()
    assert load.tasks == 3
    assert load.queue_ns >= 2 * 4 * MS  # two whole tasks, and what is left of the running one


async def test_a_drain_refuses_new_tasks_and_waits_for_the_running_ones(rig):
    running = rig.arrive("a", accuracy=0.5)
    drain = asyncio.create_task(rig.driver.drain())
    await asyncio.sleep(0)
    assert rig.driver.draining
    late = rig.arrive("b")
    assert await messages_of(late) == [
        do.Refuse("b", "the agent is shutting down", RefusalCode.DRAINING)
    ]
    rig.driver.hang_up("b")
    rig.stage_done("a", 0)
    rig.head_done("a", "exit1")
    assert isinstance((await messages_of(running))[-1], do.Reply)
    assert not drain.done()
    rig.driver.hang_up("a")
    await asyncio.wait_for(drain, PATIENCE_S)
