"""Files and errors of `mc-sched images`."""

import csv
import io
import json

import pytest
from PIL import Image

SMALL = ("--count", "3", "--px", "32")


def test_the_files_and_their_labels(run, tmp_path):
    out = tmp_path / "a" / "frames"
    ran = run("images", "--out", out, *SMALL)
    assert ran.code == 0
    names = sorted(path.name for path in out.glob("*.jpg"))
    assert len(names) == 3
    rows = list(csv.reader((out / "labels.csv").read_text().splitlines()))
    assert rows[0] == ["file", "label index", "label name"]
    assert [row[0] for row in rows[1:]] == names
    for name, index, label in rows[1:]:
        assert name == f"{names.index(name):05d}_{label}.jpg"
        assert 0 <= int(index) < 100
        with Image.open(out / name) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (32, 32), "RGB")


def test_as_json_the_figures_are_those_of_the_folder(run, tmp_path):
    ran = run("images", "--out", tmp_path, *SMALL, "--output", "json")
    written = sum(path.stat().st_size for path in tmp_path.glob("*.jpg"))
    assert json.loads(ran.out) == {"folder": str(tmp_path), "images": 3, "bytes": written}


def test_progress_is_on_stderr_and_the_figures_on_stdout(run, tmp_path):
    ran = run("images", "--out", tmp_path, *SMALL)
    assert ran.out.startswith("3 images, ")
    assert ran.out.endswith(f" MB in {tmp_path}\n")
    assert "write images: 3 of 3" in ran.err


def test_the_same_split_and_seed_are_the_same_pictures(run, tmp_path):
    def written(name, *options):
        run("images", "--out", tmp_path / name, *SMALL, *options)
        return [path.read_bytes() for path in sorted((tmp_path / name).glob("*.jpg"))]

    first = written("first")
    assert first == written("again", "--split", "test", "--seed", "0")
    assert first != written("seed", "--seed", "1")
    assert first != written("split", "--split", "train")


def test_what_was_written_can_be_submitted_with_its_labels(run, tmp_path):
    from mc_sched.cli.streaming.frames import load_frames

    run("images", "--out", tmp_path, *SMALL)
    frames = load_frames(str(tmp_path), None, None)
    assert [frame.name.partition("_")[2] for frame in frames] == [
        f"{frame.label}.jpg" for frame in frames
    ]
    Image.open(io.BytesIO(frames[0].data)).verify()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--count", "0"), "--count 0 is out of range; choose 1 or more"),
        (("--px", "31"), "--px 31 is out of range; choose 32 to 2048"),
        (("--px", "2049"), "--px 2049 is out of range"),
        (("--seed", "-1"), "--seed -1 is out of range; choose 0 or more"),
        (("--split", "dev"), "invalid choice: 'dev'"),
    ],
)
def test_a_number_out_of_range_is_usage_and_writes_nothing(run, tmp_path, options, message):
    ran = run("images", "--out", tmp_path / "frames", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert not (tmp_path / "frames").exists()


def test_a_place_that_cannot_be_written_is_a_sentence(run, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "frames"):
        ran = run("images", "--out", out, *SMALL)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert f"cannot write to {out}" in ran.err
