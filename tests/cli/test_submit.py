"""`mc-sched submit` with an agent that answers, one that is missing and one that dies."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mc_sched.cli.streaming import view
from tests.cli.fake_edge import LABELS, NO_IMAGE, FakeEdge
from tests.signals import children_can_be_interrupted

FAST = ("--fps", "500")
PATIENCE_S = 20


@pytest.fixture
def submit(run, agent):
    """Runs `mc-sched submit` with the fake agent's address."""
    return lambda *arguments: run("submit", "--edge", agent.address, *FAST, *arguments)


def label(folder, *names):
    """Write labels.csv as `mc-sched images` does, with one name per frame."""
    rows = [f"{number}.jpg,{number},{name}" for number, name in enumerate(names)]
    (folder / "labels.csv").write_text("file,label index,label name\n" + "\n".join(rows) + "\n")


# --- all well ---------------------------------------------------------------------------------


def test_a_folder_is_streamed_and_summed_up(submit, agent, frames):
    ran = submit(frames)
    assert (ran.code, ran.err) == (0, "")
    assert "5: 5 succeeded" in ran.out
    assert "100.0%" in ran.out
    assert [task.image for task in agent.seen] == [b"jpeg %d" % number for number in range(5)]


def test_as_json_there_is_one_object_and_nothing_else_on_stdout(submit, frames):
    ran = submit(frames, "--output", "json")
    summary = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert (summary["schema"], summary["link"]) == ("mc-sched/summary/2", "live")
    assert (summary["tasks"], summary["outcomes"]["succeeded"]) == (5, 5)
    assert (summary["deadline_met"], summary["sites"]) == (1.0, {"edge": 5, "cloud": 0})
    assert summary["energy_j"]["total"] == pytest.approx(1.25)
    assert summary["e3_per_j"] == pytest.approx(4.0)
    assert summary["energy_j"]["idle"] > 0
    assert (summary["policy"], summary["mode"]) == ("mc", "energy")  # of the agent's status


def test_progress_goes_to_stderr(submit, frames, monkeypatch):
    monkeypatch.setattr(view, "LINE_EVERY_S", 0.0)
    ran = submit(frames, "--output", "json")
    json.loads(ran.out)
    assert "5/5, 5 in time" in ran.err.splitlines()[-1]


def test_every_demand_reaches_the_agent(submit, agent, frames):
    submit(
        frames, "--count", "1", "--deadline", "1.5s", "--accuracy", "0.5", "--mode", "performance",
        "--policy", "server", "--privacy", "features", "--stream-id", "door",
    )  # fmt: skip
    (task,) = agent.seen
    assert (task.deadline_ns, task.accuracy, task.mode) == (1_500_000_000, 0.5, "performance")
    assert (task.policy, task.privacy, task.stream_id) == ("server", "features", "door")


def test_without_demands_there_are_the_papers_deadline_and_the_agents_settings(
    submit, agent, frames
):
    ran = submit(frames, "--count", "1", "--output", "json")
    (task,) = agent.seen
    assert (task.deadline_ns, task.HasField("accuracy")) == (84_000_000, False)
    assert (task.mode, task.policy, task.privacy) == ("", "", "any")
    assert json.loads(ran.out)["policy"] == "mc"


def test_the_policy_and_mode_that_were_asked_for_are_in_the_summary(submit, frames):
    ran = submit(frames, "--policy", "server", "--mode", "performance", "--output", "json")
    summary = json.loads(ran.out)
    assert (summary["policy"], summary["mode"]) == ("server", "performance")


@pytest.mark.parametrize(("count", "sent"), [(2, [0, 1]), (7, [0, 1, 2, 3, 4, 0, 1])])
def test_images_are_repeated_up_to_the_count(submit, agent, frames, count, sent):
    submit(frames, "--count", count)
    assert [task.image for task in agent.seen] == [b"jpeg %d" % number for number in sent]
    assert len({task.task_id for task in agent.seen}) == count


def test_a_glob_and_a_single_file(submit, agent, frames):
    submit(str(frames / "[12].jpg"))
    submit(frames / "4.jpg")
    assert [task.image for task in agent.seen] == [b"jpeg 1", b"jpeg 2", b"jpeg 4"]


def test_poisson_arrivals_are_answered_as_well(submit, agent, frames):
    assert submit(frames, "--arrivals", "poisson", "--seed", "3").code == 0
    assert len(agent.seen) == 5


# --- truth and results ------------------------------------------------------------------------


def test_labels_beside_the_frames_make_the_accuracy(submit, frames):
    label(frames, LABELS[0], LABELS[4], "unseen", LABELS[1])  # 4.jpg has none
    summary = json.loads(submit(frames, "--output", "json").out)
    assert summary["accuracy"] == pytest.approx(3 / 4)
    assert (summary["e3_counts"], summary["e3_per_j"]) == ("correct", pytest.approx(3 / 1.25))


def test_without_labels_the_expected_accuracy_is_what_counts(submit, frames):
    summary = json.loads(submit(frames, "--output", "json").out)
    assert (summary["e3_counts"], summary["accuracy"]) == ("expected", 0.0)
    assert summary["expected_accuracy"] == pytest.approx(0.8)


def test_results_are_a_json_line_per_frame(submit, frames, tmp_path):
    label(frames, LABELS[0], "unseen", LABELS[2])
    (frames / "3.jpg").write_bytes(NO_IMAGE)
    out = tmp_path / "results.jsonl"
    submit(frames, "--results", out, "--stream-id", "door")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == len({row["task_id"] for row in rows}) == 5
    rows.sort(key=lambda row: row["task_id"])
    assert [row["correct"] for row in rows] == [True, False, True, None, None]
    assert [row["kind"] for row in rows] == ["succeeded"] * 3 + ["refused", "succeeded"]
    assert [row["error"].partition(":")[0] for row in rows] == ["", "", "", "image", ""]
    assert {row["stream_id"] for row in rows} == {"door"}
    first = rows[0]
    assert (first["site"], first["exit"]) == ("edge", "local")
    assert first["claimed"] == {"kind": "succeeded", "latency_ns": 20_000_000}
    assert 0 < first["latency_ns"] != 20_000_000
    assert first["energy"]["total_j"] == first["energy"]["compute_j"] == 0.25


# --- thresholds -------------------------------------------------------------------------------


def test_thresholds_that_hold_are_fine(submit, frames):
    ran = submit(frames, "--threshold", "deadline_met>0.99", "--threshold", "latency_ms.p95<=84")
    assert (ran.code, ran.err) == (0, "")


def test_a_threshold_that_fails_is_99_behind_the_summary(submit, frames):
    ran = submit(
        frames, "--threshold", "agent_latency_ms.p95<5", "--threshold", "tasks>2", "--threshold",
        "sites.cloud>=1", "--output", "json",
    )  # fmt: skip
    assert ran.code == 99
    assert json.loads(ran.out)["tasks"] == 5
    assert ran.err.splitlines() == [
        "mc-sched: threshold failed: agent_latency_ms.p95 is 20, not < 5",
        "mc-sched: threshold failed: sites.cloud is 0, not >= 1",
    ]


def test_a_threshold_that_cannot_be_read_is_usage_and_nothing_is_sent(submit, agent, frames):
    ran = submit(frames, "--threshold", "deadline_met is high")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "'deadline_met is high' must look like" in ran.err
    assert agent.seen == []


def test_a_threshold_on_an_unknown_figure_is_usage(submit, frames):
    ran = submit(frames, "--threshold", "deadline_mte>0.9", "--output", "json")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "the summary has no figure 'deadline_mte'" in ran.err
    assert json.loads(ran.out)["tasks"] == 5  # the summary was printed first


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("empty", "empty: contains no .jpg, .jpeg or .png file"),
        ("nowhere", "nowhere: matches no file"),
        ("*.jpg", "*.jpg: matches no file"),
        ("film.mp4", "film.mp4: video is not supported"),
        ("/dev/video0", "/dev/video0: video is not supported"),
    ],
)
def test_a_source_without_images_is_a_sentence(submit, tmp_path, monkeypatch, source, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    ran = submit(source)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith(f"mc-sched: {message}")


@pytest.mark.parametrize("fps", ["0", "-3", "nan", "inf"])
def test_no_frames_a_second_is_usage(run, frames, fps):
    ran = run("submit", frames, "--fps", fps)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "mc-sched: --fps must be a number above 0\n"


def test_missing_labels_are_named(submit, frames, tmp_path):
    ran = submit(frames, "--labels", tmp_path / "truth.csv")
    assert (ran.code, ran.err) == (
        1,
        f"mc-sched: {tmp_path}/truth.csv: there is no such labels file\n",
    )


def test_a_frame_that_cannot_be_read_is_named(submit, frames):
    os.symlink(frames / "gone", frames / "9.jpg")
    ran = submit(frames)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"{frames}/9.jpg: cannot be read: No such file" in ran.err


def test_a_file_that_is_not_an_image_is_refused_and_the_rest_continues(submit, frames):
    (frames / "2.jpg").write_bytes(NO_IMAGE)
    summary = json.loads(submit(frames, "--output", "json").out)
    assert summary["outcomes"] == {"succeeded": 4, "late": 0, "refused": 1, "failed": 0}
    assert summary["deadline_met"] == pytest.approx(4 / 5)


def test_a_file_that_is_no_image_is_named_on_stderr_once(submit, frames):
    (frames / "2.jpg").write_bytes(NO_IMAGE)
    ran = submit(frames, "--count", "10")
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("2.jpg: image: is no JPEG or PNG")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--accuracy", "1.5"),
        ("--accuracy", "nan"),
        ("--deadline", "0s"),
        ("--deadline", "61s"),
        ("--policy", "best"),
        ("--stream-id", "x" * 101),
        ("--stream-id", "front\ndoor"),
    ],
)
def test_a_demand_out_of_range_is_usage_and_nothing_is_sent(submit, agent, frames, option, value):
    ran = submit(frames, option, value)
    assert (ran.code, ran.out, agent.seen) == (2, "", [])
    assert option in ran.err.splitlines()[-1]


def test_the_longest_stream_id_makes_task_ids_that_the_wire_takes(submit, frames):
    summary = json.loads(submit(frames, "--stream-id", "x" * 100, "--output", "json").out)
    assert summary["outcomes"]["succeeded"] == 5


@pytest.mark.parametrize("count", ["0", "-1"])
def test_no_frames_at_all_is_usage(submit, agent, frames, count):
    ran = submit(frames, "--count", count)
    assert (ran.code, ran.err) == (
        2,
        f"mc-sched: --count {count} is out of range; choose 1 or more\n",
    )
    assert agent.seen == []


def test_labels_that_are_no_text_are_a_sentence(submit, frames):
    (frames / "labels.csv").write_bytes(b"\xff\xfe\x00")
    ran = submit(frames)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "labels.csv: cannot be read as CSV text in UTF-8" in ran.err


def test_a_results_file_that_cannot_be_written_is_a_sentence_before_the_run(
    submit, agent, frames, tmp_path
):
    ran = submit(frames, "--results", tmp_path / "no" / "folder" / "results.jsonl")
    assert (ran.code, ran.out, ran.err.count("\n"), agent.seen) == (1, "", 1, [])
    assert "results.jsonl: cannot be written: No such file" in ran.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_costs_the_results_and_not_the_summary(submit, frames):
    ran = submit(frames, "--results", "/dev/full", "--output", "json")
    assert (ran.code, json.loads(ran.out)["tasks"], ran.err.count("\n")) == (1, 5, 1)
    assert "--results /dev/full: cannot be written: No space left" in ran.err


# --- an agent that is not there, or dies ------------------------------------------------------


def test_without_an_agent_it_is_3_and_one_sentence(run, frames):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        ran = run("submit", frames, "--edge", address)
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert f"no edge agent answers at {address}" in ran.err


@pytest.mark.parametrize("end", ["die", "leave", "abort", "mute"])
def test_when_the_agent_dies_every_frame_still_ends_exactly_once(run, frames, tmp_path, end):
    out = tmp_path / "results.jsonl"
    with FakeEdge(end, after=6).in_a_thread() as agent:
        ran = run(
            "submit", frames, "--edge", agent.address, *FAST, "--count", "20", "--results", out,
            "--output", "json",
        )  # fmt: skip
    summary = json.loads(ran.out)
    assert summary["tasks"] == 20
    assert sum(summary["outcomes"].values()) == 20
    assert summary["outcomes"]["failed"] >= 14
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({row["task_id"] for row in rows}) == len(rows) == 20
    lost = [row for row in rows if row["kind"] == "failed"]
    assert all(row["reason"].startswith("the edge agent ") for row in lost)
    assert {(row["correct"], row["error"]) for row in lost} == {(None, "")}
    assert ran.code == 3
    assert f"{agent.address}: the edge agent " in ran.err


def test_interrupted_it_is_130_with_the_summary_so_far(agent, frames):
    command = [
        sys.executable, "-m", "mc_sched.cli", "submit", str(frames), "--edge", agent.address,
        "--count", "100", "--fps", "10", "--output", "json",
    ]  # fmt: skip
    with children_can_be_interrupted():
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
    due = time.monotonic() + PATIENCE_S
    while len(agent.seen) < 4 and time.monotonic() < due:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "")
    assert 1 <= json.loads(out)["tasks"] < 100
