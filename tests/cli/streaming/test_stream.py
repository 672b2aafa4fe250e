"""Arrival times of frames, and the display during a stream and at its end."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mc_sched.cli.output.summary import print_summary
from mc_sched.cli.streaming import view as stream_view
from mc_sched.cli.streaming.frames import Frame
from mc_sched.cli.streaming.stream import arrival_times_s, result_of
from mc_sched.cli.streaming.view import StreamView
from mc_sched.client import Answer
from mc_sched.core.task import Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo

COLOUR = re.compile(r"\x1b\[(\d+;)*(3[0-8]|4[0-8]|9[0-7]|10[0-7])(;\d+)*m")
TOP = Prediction(((0, 0.9),))


def answer(kind="succeeded", site=Site.EDGE, gave_up=False, reason="", labels=("star",)):
    outcome = Outcome(
        "t", "s", OutcomeKind(kind), 20_000_000, site, "local" if site else None,
        TOP if site else None, 0.8, gave_up=gave_up, reason=reason,
    )  # fmt: skip
    return Answer(outcome, labels if site else ())


# --- arrivals ---------------------------------------------------------------------------------


def test_constant_arrivals_are_evenly_spaced():
    assert arrival_times_s(4, 12.5, "constant", 0) == pytest.approx([0.0, 0.08, 0.16, 0.24])


def test_poisson_arrivals_follow_from_the_seed():
    first = arrival_times_s(50, 12.0, "poisson", 7)
    assert first == arrival_times_s(50, 12.0, "poisson", 7)
    assert first != arrival_times_s(50, 12.0, "poisson", 8)
    assert first[:20] == arrival_times_s(20, 12.0, "poisson", 7)


def test_poisson_gaps_are_exponential_with_the_wanted_mean():
    fps, count = 12.0, 20_000
    times = arrival_times_s(count, fps, "poisson", 1)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / fps, rel=0.03)
    assert deviation == pytest.approx(1 / fps, rel=0.05)  # constant arrivals have none


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 40), st.floats(0.1, 1000), st.sampled_from(("constant", "poisson")))
def test_arrivals_start_at_once_and_never_go_back(count, fps, arrivals):
    times = arrival_times_s(count, fps, arrivals, 3)
    assert len(times) == count
    assert times == sorted(times)
    assert times[:1] == [0.0][:count]


# --- truth ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_answer", "label", "correct"),
    [
        (answer(labels=("a", "b")), "b", True),
        (answer(labels=("a", "b")), "c", False),
        (answer(), None, None),
        (answer("refused", site=None), "a", None),
    ],
)
def test_an_answer_is_right_if_its_top_five_hold_the_label(given_answer, label, correct):
    assert result_of(given_answer, label).correct is correct


def test_the_error_of_bad_input_stays_with_the_result():
    bad = Answer(Outcome("t", "s", OutcomeKind.REFUSED, 0), error="image: is empty")
    assert result_of(bad, "a").error == "image: is empty"


# --- while it runs ----------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch):
    """Print a line after every frame."""
    monkeypatch.setattr(stream_view, "LINE_EVERY_S", 0.0)


def test_without_a_terminal_a_plain_line_goes_to_stderr(eager, capsys):
    with StreamView(4, "camera") as view:
        view.show(answer(), Frame("a", b""))
        view.show(answer("late", Site.CLOUD), Frame("b", b""))
        view.show(answer("refused", None), Frame("c", b""))
        view.show(answer("failed", None, gave_up=True), Frame("d", b""))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == (
        "camera: 1/4, 1 in time, 0 late, 0 refused, 0 failed; edge 1, cloud 0, given up 0"
    )
    assert err.splitlines()[-1] == (
        "camera: 4/4, 1 in time, 1 late, 1 refused, 1 failed; edge 1, cloud 1, given up 1"
    )


def test_plain_lines_come_seldom(capsys):
    with StreamView(100, "camera") as view:
        for _ in range(100):
            view.show(answer(), Frame("a", b""))
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_a_table_of_the_last_frames(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with StreamView(20, "camera") as view:
        for number in range(20):
            view.show(answer("late", Site.CLOUD), Frame(f"frame-{number:02d}", b""))
    out, err = capsys.readouterr()
    assert out == ""
    last = err[err.rindex("camera: 20/20") :]
    shown = re.findall(r"frame-\d\d", last)
    assert shown == [f"frame-{number:02d}" for number in range(12, 20)]
    assert "cloud" in last
    assert "20.0 ms" in last


@pytest.mark.parametrize("terminal", [False, True])
def test_a_frame_that_was_no_good_is_named_once(monkeypatch, capsys, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    bad = Answer(Outcome("t", "s", OutcomeKind.REFUSED, 0), error="image: [red] is no JPEG")
    with StreamView(2, "camera") as view:
        view.show(bad, Frame("cam[1].jpg", b""))
        view.show(bad, Frame("cam[1].jpg", b""))
    assert capsys.readouterr().err.count("cam[1].jpg: image: [red] is no JPEG") == 1


def rendered(view):
    """Return the table as text."""
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(view.table())
    return capture.get()


def row_of(given_answer, name="frame"):
    view = StreamView(1, "camera")
    view.show(given_answer, Frame(name, b""))
    return next(line for line in rendered(view).splitlines() if "20.0 ms" in line)


def test_a_row_has_site_latency_and_label():
    row = row_of(answer(site=Site.EDGE, gave_up=True, labels=("star-dots", "x")))
    for part in ("frame", "succeeded", "edge", "local", "20.0 ms", "star-dots", "fallback"):
        assert part in row
    assert "fallback" not in row_of(answer(site=Site.EDGE))
    assert "fallback" not in row_of(answer("late", None, gave_up=True))


def test_a_frame_without_an_answer_shows_why():
    assert "no site can" in row_of(answer("refused", None, reason="no site can serve it"))


def test_a_name_with_brackets_is_shown_whole():
    assert "cam[front]_01.jpg" in row_of(answer(), "cam[front]_01.jpg")


def test_a_reason_with_brackets_does_not_end_the_stream():
    assert "[/x]" in row_of(answer("refused", None, reason="mode: '[/x]' is not one of"))


# --- at the end -------------------------------------------------------------------------------

SUMMARY = summarise(
    [result_of(answer(), "star")], RunInfo("mc", "energy", "wifi", duration_s=1.0, idle_w=3.0)
)


def test_the_summary_is_a_table_on_stdout(capsys):
    print_summary(SUMMARY, "the run")
    out, err = capsys.readouterr()
    assert err == ""
    assert "the run" in out
    assert re.search(r"in time\W+100\.0%", out)
    assert re.search(r"top-5 correct\W+100\.0%", out)
    assert "\x1b" not in out


def show_everything(capsys):
    """Return the output of both the live table and the summary on a terminal."""
    with StreamView(1, "camera") as view:
        view.show(answer(), Frame("a", b""))
    print_summary(SUMMARY, "the run")
    return "".join(capsys.readouterr())


def test_a_terminal_gets_colours(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert COLOUR.search(show_everything(capsys))


def test_no_color_is_honoured(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = show_everything(capsys)
    assert "succeeded" in shown
    assert not COLOUR.search(shown)
