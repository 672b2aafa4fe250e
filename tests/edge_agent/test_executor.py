"""The local net on its worker: the order of its reports, and aborts."""

import contextlib
import queue
import threading

import pytest
import torch

from edge_agent.executor import LocalExecutor
from mc_sched.core import events as ev
from tests.edge_agent.edge_rig import PATIENCE_S

LOGITS = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0]])


def keep(x):
    return x


class Reports:
    """The executor's events in order, each with its channel."""

    def __init__(self):
        self.seen = []
        self._ends = queue.Queue()

    def report(self, event):
        self.seen.append(("report", event))
        self._ends.put(event)

    def note(self, event):
        self.seen.append(("note", event))

    def end(self):
        """Return the next end of a run."""
        return self._ends.get(timeout=PATIENCE_S)

    def steps(self, task_id):
        """Return channel, kind and layer of a task's events."""
        return [
            (channel, type(event).__name__, getattr(event, "layer", None))
            for channel, event in self.seen
            if event.task_id == task_id
        ]


class Gate:
    """A layer that waits until the test opens it."""

    def __init__(self):
        self.reached, self._open = threading.Event(), threading.Event()

    def __call__(self, x):
        self.reached.set()
        assert self._open.wait(PATIENCE_S)
        return x

    def wait(self):
        assert self.reached.wait(PATIENCE_S)

    def open(self):
        self._open.set()


@pytest.fixture
def reports():
    return Reports()


@contextlib.contextmanager
def running(reports, *layers, ops=None, temperature=1.0):
    """Return an executor of these layers."""
    ops = [1] * len(layers) if ops is None else ops
    executor = LocalExecutor(layers, ops, temperature, reports.report, reports.note)
    try:
        yield executor
    finally:
        executor.close()


def logits():
    return LOGITS


# --- a complete run ---------------------------------------------------------------------------


def test_layers_are_noted_and_the_end_is_reported(reports):
    with running(reports, keep, keep, keep) as executor:
        executor.start("a", logits)
        reports.end()
    assert reports.steps("a") == [
        ("note", "LocalStarted", None),
        ("note", "LocalLayerDone", 0),
        ("note", "LocalLayerDone", 1),
        ("note", "LocalLayerDone", 2),
        ("report", "LocalDone", None),
    ]
    times = [event.now_ns for _, event in reports.seen]
    assert times == sorted(times)


def test_a_layer_without_operations_is_not_reported_as_progress(reports):
    with running(reports, keep, keep, keep, ops=[5, 0, 5]) as executor:
        executor.start("a", logits)
        reports.end()
    assert [layer for _, name, layer in reports.steps("a") if name == "LocalLayerDone"] == [
        0,
        2,
    ]


def test_the_answer_is_the_layers_output_in_order(reports):
    with running(
        reports, lambda x: x + 1, lambda x: x * torch.tensor([1, 1, 9, 1, 1, 1])
    ) as executor:
        executor.start("a", logits)
        top = reports.end().prediction.top
    expected = (LOGITS + 1) * torch.tensor([1, 1, 9, 1, 1, 1])
    assert [index for index, _ in top] == expected[0].topk(5).indices.tolist()
    assert top[0][1] == pytest.approx(expected.softmax(1)[0, 2].item())


def test_the_temperature_flattens_the_answer(reports):
    with running(reports, keep, temperature=3.0) as executor:
        executor.start("a", logits)
        top = reports.end().prediction.top
    assert top[0] == (1, pytest.approx((LOGITS / 3).softmax(1)[0, 1].item()))


def test_no_gradients_are_kept(reports):
    seen = []

    def layer(x):
        seen.append(torch.is_inference_mode_enabled())
        return x

    with running(reports, layer) as executor:
        executor.start("a", logits)
        reports.end()
    assert seen == [True]


def test_one_task_runs_after_the_other(reports):
    with running(reports, keep, keep) as executor:
        for task_id in "abc":
            executor.start(task_id, logits)
            assert reports.end().task_id == task_id
    assert [event.task_id for _, event in reports.seen] == ["a"] * 4 + ["b"] * 4 + ["c"] * 4


def test_the_input_is_prepared_on_the_worker(reports):
    threads = []

    def prepare():
        threads.append(threading.current_thread().name)
        return LOGITS

    with running(reports, keep) as executor:
        executor.start("a", prepare)
        reports.end()
    assert threads == ["local-net"]


# --- abort ------------------------------------------------------------------------------------


def test_an_abort_stops_before_the_next_layer(reports):
    gate, ran = Gate(), []
    with running(reports, gate, lambda x: ran.append(x) or x) as executor:
        executor.start("a", logits)
        gate.wait()
        executor.abort("a")
        gate.open()
        assert isinstance(reports.end(), ev.LocalAborted)
    assert ran == []
    assert reports.steps("a") == [
        ("note", "LocalStarted", None),
        ("note", "LocalLayerDone", 0),
        ("report", "LocalAborted", None),
    ]


def test_an_abort_within_the_last_layer_comes_too_late(reports):
    gate = Gate()
    with running(reports, keep, gate) as executor:
        executor.start("a", logits)
        gate.wait()
        executor.abort("a")
        gate.open()
        assert isinstance(reports.end(), ev.LocalDone)


def test_a_task_aborted_before_its_first_layer_runs_none(reports):
    preparing = Gate()
    with running(reports, keep) as executor:
        executor.start("a", lambda: preparing(LOGITS))
        preparing.wait()
        executor.abort("a")
        preparing.open()
        assert isinstance(reports.end(), ev.LocalAborted)
    assert reports.steps("a") == [
        ("note", "LocalStarted", None),
        ("report", "LocalAborted", None),
    ]


def test_an_abort_of_one_task_leaves_another_alone(reports):
    gate = Gate()
    with running(reports, gate, keep) as executor:
        executor.start("a", logits)
        gate.wait()
        executor.abort("b")
        gate.open()
        assert isinstance(reports.end(), ev.LocalDone)


def test_an_abort_after_the_end_does_not_affect_a_later_task_of_the_same_id(reports):
    with running(reports, keep, keep) as executor:
        executor.start("a", logits)
        reports.end()
        executor.abort("a")
        executor.start("a", logits)
        assert isinstance(reports.end(), ev.LocalDone)


# --- failures ---------------------------------------------------------------------------------


def broken(error):
    """Return a layer that raises."""

    def layer(x):
        raise error

    return layer


def test_a_failing_layer_is_one_sentence_and_the_worker_continues(reports):
    layers = [broken(RuntimeError("out of memory\nat line 3\nof a long story"))]
    with running(reports, *layers) as executor:
        for task_id in "ab":
            executor.start(task_id, logits)
            end = reports.end()
            assert (type(end), end.task_id) == (ev.LocalFailed, task_id)
            assert end.reason == "RuntimeError: out of memory"


def test_a_failing_preparation_is_a_failure_of_its_task_alone(reports):
    def prepare():
        raise ValueError("a strange picture")

    with running(reports, keep) as executor:
        executor.start("a", prepare)
        executor.start("b", logits)
        assert reports.end().reason == "ValueError: a strange picture"
        assert isinstance(reports.end(), ev.LocalDone)


def test_a_long_message_is_cut(reports):
    with running(reports, broken(RuntimeError("x" * 5000))) as executor:
        executor.start("a", logits)
        assert len(reports.end().reason) < 300


@pytest.mark.parametrize("error", [MemoryError(), AssertionError()], ids=repr)
def test_an_error_without_a_message_is_a_failure_too(reports, error):
    with running(reports, broken(error)) as executor:
        executor.start("a", logits)
        assert reports.end().reason == type(error).__name__


# --- the end ----------------------------------------------------------------------------------


def test_close_waits_for_the_current_task(reports):
    gate = Gate()
    with running(reports, gate) as executor:
        executor.start("a", logits)
        gate.wait()
        gate.open()
    assert isinstance(reports.end(), ev.LocalDone)
    assert not executor._worker.is_alive()
