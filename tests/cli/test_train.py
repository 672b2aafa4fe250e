"""Output and errors of `mc-sched train`."""

import json

import pytest
import torch
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from mc_models.training.fit import Budget

from mc_sched.cli.main import main
from mc_sched.cli.output import progress


def folder(root, **counts):
    """Create a folder with this many images of each class."""
    for label, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i}.jpg").write_bytes(encode_jpeg(render(11 * label, i, 64)))
    return root


def train(data, out, *options):
    return main(["train", "--data", str(data), "--out", str(out), "--threads", "1", *options])


QUICK = ("--local-epochs", "0", "--cloud-epochs", "0", "--full-epochs", "0.1", "--output", "json",
         "--cloud-width", "0.1")  # fmt: skip


@pytest.fixture(autouse=True)
def _short_codec(monkeypatch):
    short = Budget(steps=2, crop_px=64, batch=4)
    monkeypatch.setattr("mc_models.training.codec._FOLDER_BUDGET", short)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "mine"


def test_a_folder_with_a_broken_file_becomes_a_bundle_and_the_file_is_reported(
    tmp_path, out, capsys
):
    root = folder(tmp_path / "photos", cat=4, dog=4)
    (root / "dog" / "broken.png").write_bytes(b"no image")
    assert train(root, out, *QUICK, "--exits", "3", "--set", "b") == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert list(answer["top5"]) == ["local", "exit1", "exit2", "final"]
    assert [name.endswith("broken.png") for name in answer["unreadable"]] == [True]
    assert "1 unreadable file(s) left out, first" in printed.err
    raw = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    assert raw["labels"] == ["cat", "dog"]
    assert raw["spec"]["exits"] == 3
    assert [row["name"] for row in raw["codecs"]] == ["features"]
    assert (out / "report.png").is_file()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "is not a folder"),
        ({"cat": 3}, "at least two"),
        ({"cat": 3, "eel": 1}, "class 'eel' has 1 readable image"),
    ],
)
def test_data_that_cannot_be_trained_on_is_one_sentence(tmp_path, out, capsys, classes, message):
    assert train(folder(tmp_path / "photos", **classes), out) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


def test_weights_of_another_shape_name_the_tensor(tmp_path, out, capsys):
    root = folder(tmp_path / "photos", cat=3, dog=3)
    torch.save({"conv1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "w.pth")
    options = ("--set", "b", "--backbone-weights", str(tmp_path / "w.pth"))
    assert train(root, out, "--part", "cloud", *options) == 1
    assert "conv1.weight has shape (64, 3, 3, 3)" in capsys.readouterr().err


def test_a_cloud_net_that_is_no_chain_is_named(tmp_path, out, capsys):
    root = folder(tmp_path / "photos", cat=3, dog=3)
    assert train(root, out, "--part", "cloud", "--cloud", "densenet121") == 1
    assert "DenseNet" in capsys.readouterr().err


def test_a_net_without_any_epoch_is_an_error(tmp_path, out, capsys):
    root = folder(tmp_path / "photos", cat=3, dog=3)
    assert train(root, out, "--local-epochs", "0", "--full-epochs", "0") == 1
    assert "0 epochs in all for the edge net" in capsys.readouterr().err


def test_progress_in_a_log_tells_the_time_left(monkeypatch, capsys):
    now_s = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now_s)
    with progress.StageBars() as bars:
        bars("train", 10, 100)
        now_s = 30.0
        bars("train", 20, 100, 0.5)  # 10 in 30 s, 80 to go
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["train: 10 of 100", "train: 20 of 100 loss 0.500, 4 min left"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--train-count", "0"),
        ("--cloud-epochs", "-1"),
        ("--cloud-width", "9"),
        ("--exits", "0"),
        ("--threads", "0"),
    ],
)
def test_options_out_of_range_are_named(out, capsys, option, value):
    assert train("generated", out, option, value) == 2
    assert f"{option} {value}" in capsys.readouterr().err.replace(".0", "")
