"""Figure of a stream: the site and latency of each frame."""

import pytest
from PIL import Image

from mc_sched.core.task import Outcome, OutcomeKind, Prediction, Site
from mc_sched.obs.report.figure import draw_streams
from mc_sched.obs.report.summary import TaskResult

TOP = Prediction(((0, 0.9),))


def frame(at_s, kind="succeeded", site=None, gave_up=False):
    outcome = Outcome(
        "t", "s", OutcomeKind(kind), 30_000_000, site, prediction=TOP if site else None,
        gave_up=gave_up,
    )  # fmt: skip
    return TaskResult(outcome, submitted_s=at_s)


ALL = [
    frame(0.0, site=Site.EDGE),
    frame(1.0, site=Site.CLOUD),
    frame(2.0, site=Site.EDGE, gave_up=True),
    frame(3.0, "refused"),
]
GROUPS = ["answered on the edge", "answered by the cloud", "fell back to the edge",
          "late, refused or failed"]  # fmt: skip


def drawn(path, results, outages=()):
    draw_streams({"energy mode": results}, 84.0, outages, path)
    return path.read_text()


def test_each_kind_of_answer_is_in_the_legend(tmp_path):
    text = drawn(tmp_path / "all.svg", ALL, [(1.0, 0.5)])
    for label in (*GROUPS, "deadline", "link cut", "energy mode"):
        assert label in text


def test_the_legend_leaves_out_what_did_not_happen(tmp_path):
    text = drawn(tmp_path / "one.svg", ALL[:1])
    assert GROUPS[0] in text
    for label in (*GROUPS[1:], "link cut"):
        assert label not in text


def test_an_empty_stream_can_be_drawn(tmp_path):
    assert "deadline" in drawn(tmp_path / "none.svg", [])


def test_a_png_is_an_image(tmp_path):
    draw_streams({"a": ALL, "b": ALL}, 84.0, [], tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as image:
        assert (image.format, image.width > 300) == ("PNG", True)


@pytest.mark.parametrize("name", ["figure.exe", "figure.jsonl"])
def test_a_suffix_that_cannot_be_drawn_is_a_value_error(tmp_path, name):
    with pytest.raises(ValueError, match="supported"):
        draw_streams({"a": ALL}, 84.0, [], tmp_path / name)


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        draw_streams({"a": ALL}, 84.0, [], tmp_path / "nowhere" / "figure.svg")


def test_no_figure_is_left_open(tmp_path):
    from matplotlib import pyplot

    drawn(tmp_path / "all.svg", ALL)
    with pytest.raises(ValueError, match="supported"):
        draw_streams({"a": ALL}, 84.0, [], tmp_path / "figure.exe")
    assert pyplot.get_fignums() == []
