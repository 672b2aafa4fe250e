"""Messages on the pipe: they arrive as they were sent, and garbage from a worker is an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_agent.pipe import messages as on_pipe
from cloud_agent.pipe.frames import BadFrame, Frame, FrameReader
from cloud_agent.pipe.messages import Kind
from cloud_agent.pipe.task_end import TaskEnd
from mc_sched.core import events as ev
from mc_sched.core.cloud.routing import WorkerLoad
from mc_sched.core.histogram import LATENCY_BOUNDS_NS, Histogram
from mc_sched.core.scores import Reliability
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule
from tests.cloud_agent.cloud_rig import TABLE
from tests.cloud_agent.pipe.test_frames import fed

RECEIVED = ev.Received(
    5, "robot/a", "robot", 0.75, 80_000_000, 1_000_000, "jpeg", ExitRule.PURSUE, None, 3_000, 2
)
START = on_pipe.Start(
    1, "cpu", "set-a", None, 2, "auto", CloudSettings(max_tasks=8, decoders=2), [{"a": 1}], True
)
REPORT = on_pipe.Report(
    WorkerLoad(10, 2_000_000, 1.5, 3, 40),
    [
        on_pipe.TaskMessage(7, b"accepted"),
        on_pipe.TaskMessage(8, b"", TaskEnd("stopped", "a fault", True)),
    ],
    [("robot", 12)],
)


def sent(data):
    """The one frame in these bytes, read again."""
    (frame,) = fed(FrameReader(), data)
    return frame


def test_the_start_of_a_worker():
    frame = sent(on_pipe.start_frame(START))
    assert (frame.kind, on_pipe.read_start(frame)) == (Kind.START, START)


def test_a_task_and_its_payload():
    frame = sent(on_pipe.task_frame(7, RECEIVED, "trace", 5) + b"bytes")
    assert frame.kind == Kind.TASK
    assert on_pipe.read_task(frame) == (7, "trace", RECEIVED)
    assert frame.body == b"bytes"


@pytest.mark.parametrize(
    "event",
    [
        ev.GiveUpReceived(1, "robot/a"),
        ev.ClientGone(2, "robot/a"),
        ev.EdgeJoined(3, "robot"),
        ev.EdgeLeft(4, "robot"),
        ev.CreditsWanted(5, "robot", 3),
        ev.LinkSampled(6, 2_000_000, edge_id="robot"),
        ev.CloudReconfigured(7, CloudSettings(quantile=0.9)),
        ev.Drain(8),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_of_the_front(event):
    frame = sent(on_pipe.event_frame(event))
    assert (frame.kind, on_pipe.read_event(frame)) == (Kind.EVENT, event)


def test_a_report():
    frame = sent(on_pipe.report_frame(REPORT))
    assert (frame.kind, on_pipe.read_report(frame)) == (Kind.REPORT, REPORT)


def test_a_reason_of_a_worker_is_one_line_of_bounded_length():
    end = TaskEnd("stopped", "first\nsecond " + "x" * 10_000, True)
    report = on_pipe.Report(WorkerLoad(), [on_pipe.TaskMessage(1, b"", end)])
    (message,) = on_pipe.read_report(sent(on_pipe.report_frame(report))).messages
    assert message.end.detail.startswith("first second xxx")
    assert len(message.end.detail) <= on_pipe.LONGEST_TEXT


def test_an_unknown_end_is_an_error():
    report = on_pipe.Report(WorkerLoad(), [on_pipe.TaskMessage(1, b"", TaskEnd("eaten", ""))])
    with pytest.raises(BadFrame, match="unknown kind"):
        on_pipe.read_report(sent(on_pipe.report_frame(report)))


def test_log_lines():
    lines = [b'{"a":1}', b'{"b":2}']
    assert on_pipe.read_lines(sent(on_pipe.lines_frame(lines, 3))) == (lines, 3)
    assert on_pipe.read_lines(sent(on_pipe.lines_frame([], 4))) == ([], 4)


def test_ready_failed_and_pong():
    ready = on_pipe.Ready(TABLE, "set-a", "cpu", {"a": [1]})
    assert on_pipe.read_ready(sent(on_pipe.message_frame(Kind.READY, ready))) == ready
    failed = on_pipe.Failed("no such bundle")
    assert on_pipe.read_failed(sent(on_pipe.message_frame(Kind.FAILED, failed))) == failed
    histogram = Histogram(LATENCY_BOUNDS_NS)
    histogram.add(3_000_000)
    metrics = on_pipe.WorkerMetrics({"stage": Reliability(3, 1.0, 0.1, 0.2)}, {"stage": histogram})
    pong = on_pipe.Pong("decoder 1", metrics)
    assert on_pipe.read_pong(sent(on_pipe.message_frame(Kind.PONG, pong))) == pong


# --- garbage ------------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner),
)
READERS = [
    on_pipe.read_report, on_pipe.read_lines, on_pipe.read_ready, on_pipe.read_failed,
    on_pipe.read_pong,
]  # fmt: skip


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@settings(deadline=None, derandomize=True, database=None)
@given(head=ANY, body=st.binary(max_size=20))
def test_a_head_of_any_shape_is_read_or_is_an_error(read, head, body):
    try:
        read(Frame(0, head, body))
    except BadFrame:
        return


@pytest.mark.parametrize("length", [-1, 4, 2**60, "3", None])
def test_a_message_beyond_the_body_is_an_error(length):
    head = [[1, 2, 1.0, 0, 0], [[1, length, None]], []]
    with pytest.raises(BadFrame):
        on_pipe.read_report(Frame(Kind.REPORT, head, b"abc"))
