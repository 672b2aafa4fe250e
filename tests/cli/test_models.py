import json
import shutil

import pytest
from mc_models.data.synthetic import render
from mc_models.inference import profile_store, profiler
from mc_models.inference.profile import Times

from mc_sched.cli.main import main


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    monkeypatch.setattr(profiler, "BUDGET_S", 0.0)  # as few passes as possible
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def output(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def sentence(capsys, *arguments):
    """Return the error line of a command that must fail without output on stdout."""
    assert main(arguments) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("mc-sched: ")
    return line


def test_profile_stores_the_profiles_that_the_agents_read(
    small_bundle, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(profile_store, "QUIET", 1.0)
    file = tmp_path / "kept.json"
    name = str(small_bundle.path)
    text = output(capsys, "profile", name, "--file", str(file), "--output", "json")
    report = json.loads(text)
    assert report["schema"] == "mc-sched/profile/1"
    assert report["file"] == str(file)
    assert report["kept"] == ["edge", "cloud"]
    for part in ("edge", "cloud"):
        read = profile_store.host_profile(small_bundle, part, 1, "auto", file)
        assert read.precision == report["best"][part]
        shown = [p for p in report["profiles"] if p["part"] == part]
        [same] = [p for p in shown if p["precision"] == read.precision]
        assert same["total_ns"] == read.total_ns
        assert {k: Times(**v) for k, v in same["heads"].items()} == read.heads


def test_profile_reports_a_profile_that_it_did_not_store(
    small_bundle, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(profile_store, "QUIET", -1.0)
    file = tmp_path / "kept.json"
    name = str(small_bundle.path)
    assert main(["profile", name, "--part", "edge", "--file", str(file), "--output", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["kept"] == []
    assert "not stored: other programs used the CPU" in captured.err
    assert not file.exists()


def test_profile_prints_a_row_for_every_piece(small_bundle, capsys):
    text = output(
        capsys, "profile", str(small_bundle.path), "--part", "edge", "--precision", "float32"
    )
    words = [line.strip("│┃ ").split()[0] for line in text.splitlines() if line.strip("│┃ ")]
    for name in ("piece", "decode", "encode", "conv1", "fc8", "complete"):
        assert name in words


def test_models_lists_the_bundles(small_bundle, capsys, monkeypatch):
    monkeypatch.setattr(profile_store, "QUIET", 1.0)
    name = str(small_bundle.path)
    assert "none; the agents measure" in output(capsys, "models", name)
    output(capsys, "profile", name, "--part", "edge", "--precision", "float32")
    [row] = json.loads(output(capsys, "models", name, "--output", "json"))["bundles"]
    assert row["name"] == "small"
    assert (row["local"], row["cloud"], row["classes"]) == ("caffenet", "googlenet", 100)
    assert row["bytes"] == sum(file.stat().st_size for file in small_bundle.path.iterdir())
    assert [*row["top5"]] == ["local", "exit1", "exit2", "exit3", "exit4", "final"]
    assert [(p["part"], p["precision"], p["threads"]) for p in row["profiles"]] == [
        ("edge", "float32", 1)
    ]
    assert "set-a: caffenet and googlenet" in output(capsys, "models")


def test_evaluate_prints_and_writes_its_tables(small_bundle, tmp_path, capsys):
    name, folder = str(small_bundle.path), tmp_path / "tables"
    text = output(capsys, "evaluate", name, "--count", "4", "--write", str(folder))
    assert "ECE before" in text
    assert "not of the column's" in text
    assert json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["images"] == 4
    report = json.loads(output(capsys, "evaluate", name, "--count", "4", "--output", "json"))
    assert [row["name"] for row in report["rows"]] == report["only_right"]["outputs"]


class TestBadInput:
    """Errors are one sentence that names the file or option, without a traceback."""

    @pytest.fixture
    def copied(self, small_bundle, tmp_path):
        return shutil.copytree(small_bundle.path, tmp_path / "copy")

    def edit(self, path, **changes):
        file = path / "bundle.json"
        raw = json.loads(file.read_text(encoding="utf-8"))
        raw.update(changes)
        file.write_text(json.dumps(raw), encoding="utf-8")

    @pytest.mark.parametrize("verb", ["evaluate", "profile", "models"])
    def test_no_bundle(self, capsys, verb):
        assert "nowhere is not a bundle" in sentence(capsys, verb, "nowhere")

    @pytest.mark.parametrize("verb", ["evaluate", "profile", "models"])
    def test_a_bundle_of_another_version(self, copied, capsys, verb):
        self.edit(copied, format=7)
        assert "bundle format 7" in sentence(capsys, verb, str(copied))

    @pytest.mark.parametrize("verb", ["evaluate", "profile", "models"])
    def test_weights_with_a_wrong_hash(self, copied, capsys, verb):
        (copied / "cloud.safetensors").write_bytes(b"something else")
        assert "cloud.safetensors: its SHA-256 differs" in sentence(capsys, verb, str(copied))

    @pytest.mark.parametrize("verb", ["evaluate", "profile"])
    def test_weights_of_a_wrong_shape(self, copied, capsys, verb):
        spec = json.loads((copied / "bundle.json").read_text(encoding="utf-8"))["spec"]
        self.edit(copied, spec={**spec, "local_fc": 64})
        assert "edge.safetensors: weight layers.10" in sentence(capsys, verb, str(copied))

    def test_a_missing_data_folder(self, small_bundle, capsys):
        line = sentence(capsys, "evaluate", str(small_bundle.path), "--data", "nowhere")
        assert "nowhere is not a folder" in line

    def test_a_class_folder_that_is_not_a_label(self, small_bundle, tmp_path, capsys):
        from mc_models.data.preprocess import encode_jpeg

        for name in ("disc-plain", "zebra"):
            (tmp_path / "photos" / name).mkdir(parents=True)
            (tmp_path / "photos" / name / "1.jpg").write_bytes(encode_jpeg(render(0, 0, 64)))
        photos = str(tmp_path / "photos")
        line = sentence(capsys, "evaluate", str(small_bundle.path), "--data", photos)
        assert "class folder 'zebra' is not a label" in line

    def test_a_place_that_cannot_be_written(self, small_bundle, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(profile_store, "QUIET", 1.0)
        (tmp_path / "file").write_text("in the way", encoding="utf-8")
        below = str(tmp_path / "file" / "below")
        name = str(small_bundle.path)
        assert "choose another --file" in sentence(
            capsys, "profile", name, "--file", below, "--part", "edge", "--precision", "float32"
        )
        assert "choose another --write" in sentence(
            capsys, "evaluate", name, "--count", "2", "--write", below
        )

    def test_threads_out_of_range(self, capsys):
        assert "--threads 0" in sentence(capsys, "profile", "set-a", "--threads", "0")

    def test_a_precision_that_no_agent_knows(self, tmp_path, capsys):
        file = tmp_path / "edge.yaml"
        file.write_text("cloud: null\nprecision: half\n", encoding="utf-8")
        line = sentence(capsys, "config", "check", str(file))
        assert "key 'precision', value 'half'" in line
        assert "bfloat16" in line
