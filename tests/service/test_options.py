"""The options of a daemon on top of its configuration file."""

import argparse

import pytest

from edge_agent.config import EdgeConfig
from mc_sched.errors import ConfigError
from mc_sched.service.options import agent_parser, configure


def configured(tmp_path, text, **options):
    """An edge agent's configuration from a file of this text and these options."""
    path = tmp_path / "edge.yaml"
    path.write_text(text)
    return configure(argparse.Namespace(config=str(path), **options), EdgeConfig)


def test_options_override_the_file(tmp_path):
    config = configured(tmp_path, "threads: 2\nmax_tasks: 9\n", threads=3, bundle=None)
    assert (config.threads, config.max_tasks, config.bundle) == (3, 9, "set-a")


def test_without_a_file_there_are_the_options_and_the_defaults():
    args = argparse.Namespace(config=None, listen="127.0.0.1:1", mode=None, edge_id="robot")
    assert configure(args, EdgeConfig) == EdgeConfig(listen="127.0.0.1:1", edge_id="robot")


def test_a_bad_option_names_the_command_line():
    with pytest.raises(ConfigError, match=r"^command line: key 'mode', value 'fast'"):
        configure(argparse.Namespace(config=None, mode="fast"), EdgeConfig)


def test_a_bad_file_names_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"edge.yaml: unknown key 'moed'; did you mean 'mode'"):
        configured(tmp_path, "moed: energy\n")


def test_an_option_overrides_a_nested_key(tmp_path):
    parser = agent_parser("edge", "", "", "127.0.0.1:7070")
    args = parser.parse_args(["--log-store", "s.db", "--http", "none"])
    config = configure(args, EdgeConfig)
    assert (config.log_store.file, config.http.listen) == ("s.db", "none")
    assert config.log_store.max_age == EdgeConfig().log_store.max_age


def test_an_option_that_is_not_given_overrides_nothing(tmp_path):
    path = tmp_path / "edge.yaml"
    path.write_text("log_store: {file: none}\nhttp: {listen: none}\n")
    parser = agent_parser("edge", "", "", "127.0.0.1:7070")
    config = configure(parser.parse_args(["--config", str(path)]), EdgeConfig)
    assert (config.log_store.file, config.http.listen) == ("none", "none")


def test_an_option_changes_only_its_own_part_of_a_nested_key(tmp_path):
    """`--radio 4g` beside a file that declares the device's power."""
    text = "energy:\n  compute_w: 5.5\n  radio: wifi\n"
    config = configured(tmp_path, text, **{"energy.radio": "4g"})
    assert (config.energy.radio, config.energy.compute_w) == ("4g", 5.5)


def test_a_bad_option_beside_a_good_file_does_not_blame_the_file(tmp_path):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, "threads: 2\n", threads=0)
    assert "edge.yaml" not in str(caught.value)
