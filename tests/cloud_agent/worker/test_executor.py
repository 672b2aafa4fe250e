"""The executor's worker: its reports, its activations, its failures."""

import contextlib
import queue
import threading

import pytest
import torch

from cloud_agent.worker.executor import StageExecutor
from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import LOGITS, PATIENCE_S


class Told(queue.Queue):
    """Reports of the executor."""

    def next(self):
        return self.get(timeout=PATIENCE_S)


@pytest.fixture
def reports():
    return Told()


@contextlib.contextmanager
def running(reports, *stages, heads=None, temperatures=None):
    """An executor of these stages and heads."""
    heads = heads or {"final": lambda x: x}
    temperatures = temperatures or dict.fromkeys(heads, 1.0)
    executor = StageExecutor(stages, heads, temperatures, reports.put)
    try:
        yield executor
    finally:
        executor.close()


def plus_one(x):
    return x + 1


def broken(error):
    """A stage or head that raises."""

    def run(x):
        raise error

    return run


def test_stages_continue_from_the_tasks_position_and_the_head_answers(reports):
    with running(reports, plus_one, lambda x: x * 2) as executor:
        executor.hold("a", LOGITS)
        for stage in (0, 1):
            executor.run_stage(("a",), stage)
            done = reports.next()
            assert (type(done), done.task_ids, done.stage) == (ev.StageDone, ("a",), stage)
            assert done.took_ns >= 0
        executor.run_head(("a",), "final")
        done = reports.next()
    expected = ((LOGITS + 1) * 2).softmax(1)[0]
    assert (type(done), done.task_ids, done.exit) == (ev.HeadDone, ("a",), "final")
    assert done.predictions[0].top[0] == (1, pytest.approx(expected[1].item()))
    assert len(done.predictions[0].top) == 5


def test_a_head_does_not_move_the_task(reports):
    """The next stage continues from the stage before, not from the head."""
    with running(reports, plus_one, heads={"e": lambda x: x * 0}) as executor:
        executor.hold("a", LOGITS)
        executor.run_head(("a",), "e")
        executor.run_stage(("a",), 0)
        reports.next()
        reports.next()
        assert torch.equal(executor._activations["a"].activation, LOGITS + 1)


def test_each_exit_has_its_own_temperature(reports):
    heads = {"warm": lambda x: x, "cool": lambda x: x}
    with running(reports, heads=heads, temperatures={"warm": 4.0, "cool": 1.0}) as executor:
        executor.hold("a", LOGITS)
        for name in heads:
            executor.run_head(("a",), name)
        warm, cool = reports.next(), reports.next()
    assert warm.predictions[0].top[0] == (1, pytest.approx((LOGITS / 4).softmax(1)[0, 1].item()))
    assert cool.predictions[0].top[0] == (1, pytest.approx(LOGITS.softmax(1)[0, 1].item()))


def test_jobs_run_one_at_a_time_in_the_order_asked(reports):
    with running(reports, plus_one, plus_one) as executor:
        for task_id in "abc":
            executor.hold(task_id, LOGITS)
            executor.run_stage((task_id,), 0)
        executor.run_head(("b",), "final")
        ends = [reports.next() for _ in range(4)]
    assert [e.task_ids for e in ends] == [("a",), ("b",), ("c",), ("b",)]
    times = [event.now_ns for event in ends]
    assert times == sorted(times)


def recording(calls, run):
    """A piece that notes the first value of every row that it gets."""

    def piece(x):
        calls.append(x[:, 0].tolist())
        return run(x)

    return piece


def inputs(executor, **first):
    """Hold one task per name whose first value is the given one."""
    for task_id, value in first.items():
        executor.hold(task_id, torch.full((1, 6), float(value)))


def test_a_stage_runs_once_for_all_tasks_of_a_batch(reports):
    calls = []
    with running(reports, recording(calls, plus_one)) as executor:
        inputs(executor, a=1, b=2, c=3)
        executor.run_stage(("c", "a"), 0)
        done = reports.next()
        assert (done.task_ids, calls) == (("c", "a"), [[3, 1]])
        found = {i: executor._activations[i].activation[0, 0].item() for i in "abc"}
    assert found == {"a": 2, "b": 2, "c": 4}


def test_batches_form_anew_at_each_stage(reports):
    calls = []
    with running(reports, *[recording(calls, plus_one)] * 3) as executor:
        inputs(executor, a=10, b=20, c=30)
        batches = [("a", "b"), ("c",), ("b", "c"), ("c", "b"), ("a", "b", "c")]
        for number, task_ids in enumerate(batches):
            executor.run_stage(task_ids, number % 3)
            assert reports.next().task_ids == task_ids
    assert calls == [[10, 20], [30], [21, 31], [32, 22], [11, 23, 33]]


def test_a_batch_that_stays_together_is_not_copied(reports):
    seen = []

    def stage(x):
        seen.append(x.data_ptr())
        return x

    with running(reports, stage, stage, stage) as executor:
        inputs(executor, a=1, b=2)
        for stage_number, task_ids in enumerate([("a", "b"), ("a", "b"), ("b", "a")]):
            executor.run_stage(task_ids, stage_number)
            reports.next()
    assert seen[0] == seen[1] != seen[2]


def test_a_head_answers_every_task_of_a_batch_in_its_order(reports):
    calls = []
    with running(reports, heads={"final": recording(calls, lambda x: x)}) as executor:
        executor.hold("a", LOGITS)
        executor.hold("b", LOGITS.flip(1))
        executor.run_head(("b", "a"), "final")
        done = reports.next()
        executor.run_head(("a",), "final")
        alone = reports.next()
    assert (type(done), done.task_ids, len(calls)) == (ev.HeadDone, ("b", "a"), 2)
    assert [p.top[0][0] for p in done.predictions] == [LOGITS.shape[1] - 2, 1]
    assert done.predictions[1] == alone.predictions[0]


def test_a_payload_of_another_precision_joins_a_batch(reports):
    with running(reports, plus_one) as executor:
        executor.hold("a", LOGITS.to(torch.bfloat16))
        executor.hold("b", LOGITS)
        executor.run_stage(("a", "b"), 0)
        assert isinstance(reports.next(), ev.StageDone)


def test_work_is_reported_from_the_worker_without_gradients(reports):
    seen = []

    def stage(x):
        seen.append((threading.current_thread().name, torch.is_inference_mode_enabled()))
        return x

    reports = []
    executor = StageExecutor(
        [stage], {}, {}, lambda event: reports.append(threading.current_thread().name)
    )
    executor.hold("a", LOGITS)
    executor.run_stage(("a",), 0)
    executor.close()
    assert (seen, reports) == ([("executor", True)], ["executor"])


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["stage", "head"])
def test_a_failure_is_one_sentence_and_the_worker_continues(reports, where):
    fails = broken(RuntimeError("out of memory\nat line 3\nof a long story"))
    with running(reports, fails, plus_one, heads={"bad": fails, "final": plus_one}) as executor:
        for task_id in "ab":
            executor.hold(task_id, LOGITS)
        if where == "stage":
            executor.run_stage(("a",), 0)
        else:
            executor.run_head(("a",), "bad")
        failed = reports.next()
        assert (type(failed), failed.task_ids) == (ev.ExecutorFailed, ("a",))
        assert failed.reason == "the network failed: RuntimeError: out of memory"
        executor.run_stage(("b",), 1)
        assert isinstance(reports.next(), ev.StageDone)


@pytest.mark.parametrize("where", ["stage", "head"])
def test_a_batch_that_fails_is_one_failure_of_all_its_tasks(reports, where):
    fails = broken(RuntimeError("out of memory"))
    with running(reports, fails, heads={"bad": fails}) as executor:
        inputs(executor, a=1, b=2)
        if where == "stage":
            executor.run_stage(("a", "b"), 0)
        else:
            executor.run_head(("a", "b"), "bad")
        failed = reports.next()
        assert (type(failed), failed.task_ids) == (ev.ExecutorFailed, ("a", "b"))
        assert reports.empty()


def test_a_task_that_was_dropped_fails_instead_of_being_made_up(reports):
    with running(reports, plus_one) as executor:
        executor.hold("a", LOGITS)
        executor.drop("a")
        executor.run_stage(("a",), 0)
        assert isinstance(reports.next(), ev.ExecutorFailed)
        assert executor._activations == {}


@pytest.mark.parametrize("error", [MemoryError(), AssertionError()], ids=repr)
def test_an_error_without_a_message_is_a_failure_too(reports, error):
    with running(reports, broken(error)) as executor:
        executor.hold("a", LOGITS)
        executor.run_stage(("a",), 0)
        assert reports.next().reason == f"the network failed: {type(error).__name__}"


# --- what is held -----------------------------------------------------------------------------


def test_nothing_is_held_of_dropped_tasks(reports):
    with running(reports, plus_one) as executor:
        for number in range(100):
            executor.hold(f"t{number}", LOGITS)
            executor.run_stage((f"t{number}",), 0)
            reports.next()
            executor.drop(f"t{number}")
            executor.drop(f"t{number}")  # a second time does no harm
        assert executor._activations == {}


def test_close_waits_for_the_job_at_hand(reports):
    with running(reports, plus_one) as executor:
        executor.hold("a", LOGITS)
        executor.run_stage(("a",), 0)
    assert isinstance(reports.next(), ev.StageDone)
    assert not executor._thread.is_alive()
