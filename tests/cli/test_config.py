"""`mc-sched config check` reports the errors that the agent would report at its start."""

from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"


def check(run, path, text=None, *options):
    if text is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return run("config", "check", path, *options)


@pytest.mark.parametrize("kind", ["edge", "cloud"])
def test_the_examples_are_valid(run, kind):
    ran = check(run, CONFIGS / f"{kind}.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{CONFIGS / kind}.yaml: valid configuration of the {kind} agent\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("edge.yaml", "moed: energy\n", "unknown key 'moed'; did you mean 'mode'?"),
        ("edge.yaml", "mode: fast\n", "key 'mode', value 'fast'"),
        ("edge.yaml", "energy:\n  raido: 4g\n", "'energy.raido'; did you mean 'radio'?"),
        ("cloud.yaml", "threads: 0\n", "key 'threads', value 0"),
        ("cloud.yaml", "policy: mc\n", "unknown key 'policy'"),
        ("edge.yaml", "mode: [\n", "is not valid YAML"),
        ("edge.yaml", "- mode\n", "must hold keys and values"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_key(run, tmp_path, name, text, message):
    ran = check(run, tmp_path / name, text)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith(f"mc-sched: {tmp_path / name}: ")
    assert message in ran.err


def test_a_missing_file(run, tmp_path):
    ran = check(run, tmp_path / "edge.yaml")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "edge.yaml: cannot be read" in ran.err


def test_the_kind_can_be_an_option(run, tmp_path):
    path = tmp_path / "agent.yaml"
    assert check(run, path, "max_payload_bytes: 2048\n", "--kind", "cloud").code == 0
    ran = check(run, path, None, "--kind", "edge")
    assert ran.code == 1
    assert "unknown key 'max_payload_bytes'" in ran.err


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("robot.yaml", "mode: energy\n", "edge"),
        ("robot.yaml", "cloud: server:7071\n", "edge"),
        ("server.yaml", "max_payload_bytes: 2048\n", "cloud"),
        ("my-cloud.yaml", "", "cloud"),
        ("robot.yaml", "", "edge"),
    ],
)
def test_the_kind_is_found_by_name_and_keys(run, tmp_path, name, text, kind):
    ran = check(run, tmp_path / name, text)
    assert ran.code == 0
    assert f"of the {kind} agent" in ran.out


def test_a_folder_called_cloud_does_not_make_an_edge_a_cloud(run, tmp_path):
    assert check(run, tmp_path / "cloud-robots" / "edge.yaml", "mode: energy\n").code == 0


def test_an_edge_file_with_shared_keys_is_an_edges(run, tmp_path):
    ran = check(run, tmp_path / "edge.yaml", "threads: 2\nlisten: 127.0.0.1:7070\n")
    assert "of the edge agent" in ran.out
