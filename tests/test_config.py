"""The configuration loader, both agents' configurations, and their examples in configs/."""

import platform
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, Field

from cloud_agent.config import CloudConfig
from edge_agent.config import EdgeConfig
from mc_sched.config import Address, Config, Duration, load_config, parse_config, read_yaml
from mc_sched.core.energy.radio import RADIOS
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"
AGENTS = [("edge.yaml", EdgeConfig), ("cloud.yaml", CloudConfig)]


class Inner(Config):
    """A section."""

    watts: float = 1.0
    radio: str = "wifi"


class Example(Config):
    """One key of each kind."""

    threads: int = Field(default=1, ge=1, le=8)
    wait: Duration = 5_000_000
    listen: Address = "127.0.0.1:7070"
    inner: Inner = Inner()


def loaded(tmp_path, text, model=Example):
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, model)


def complaint(tmp_path, text, model=Example):
    """Return the error of a bad file, which must be one line that starts with the file."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, model)
    sentence = str(caught.value)
    assert sentence.startswith(str(tmp_path / "some.yaml"))
    assert "\n" not in sentence
    assert caught.value.exit_code == 1
    return sentence.removeprefix(str(tmp_path / "some.yaml"))


# --- the loader -------------------------------------------------------------------------------


def test_a_file_is_read_as_written(tmp_path):
    text = "threads: 3\nwait: 1.5s\nlisten: '[::1]:99'\ninner:\n  watts: 2\n"
    config = loaded(tmp_path, text)
    assert (config.threads, config.wait, config.listen) == (3, 1_500_000_000, "[::1]:99")
    assert config.inner == Inner(watts=2.0)


@pytest.mark.parametrize("text", ["", "\n", "# nothing but a comment\n", "---\n", "{}\n"])
def test_an_empty_file_is_all_defaults(tmp_path, text):
    assert loaded(tmp_path, text) == Example()


def test_a_configuration_does_not_change_later():
    config = Example()
    with pytest.raises(ValueError, match="frozen"):
        config.threads = 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thraeds: 2\n", "unknown key 'thraeds'; did you mean 'threads'?"),
        ("inner:\n  wats: 2\n", "unknown key 'inner.wats'; did you mean 'watts'?"),
        ("zzz: 2\n", "unknown key 'zzz'; known keys: threads, wait, listen, inner"),
        ("inner:\n  zzz: 2\n", "unknown key 'inner.zzz'; known keys: watts, radio"),
        ("7: 2\n", "key '7', value 7: keys should be strings"),
        ("on: 2\n", "keys should be strings"),
        ("threads: two\n", "key 'threads', value 'two': input should be a valid integer"),
        ("threads: 1.5\n", "key 'threads', value 1.5: input should be a valid integer"),
        ("threads: [1]\n", "key 'threads', value [1]: input should be a valid integer"),
        ("threads:\n", "key 'threads', value None: input should be a valid integer"),
        ("threads: 0\n", "key 'threads', value 0: input should be greater than or equal to 1"),
        ("threads: 9\n", "key 'threads', value 9: input should be less than or equal to 8"),
        (
            "inner:\n  watts: hot\n",
            "key 'inner.watts', value 'hot': input should be a valid number",
        ),
        ("inner: 5\n", "key 'inner', value 5: input should be a valid dictionary"),
        ("wait: 84\n", "key 'wait', value 84: '84' has no unit; write 84ms or 84s"),
        ("wait: 8 parsecs\n", "unknown unit 'parsecs'; use ns, us, ms, s, m, h or d"),
        ("wait: -5ms\n", "'-5ms' is not a valid duration; write a number and a unit"),
        ("wait: soon\n", "'soon' is not a valid duration"),
        ("wait: [1]\n", "'[1]' is not a valid duration"),
        ("wait: yes\n", "'True' is not a valid duration"),
        ("listen: 7070\n", "key 'listen', value 7070: input should be a valid string"),
        ("listen: host\n", "'host' is not a valid address; write host:port, like 127.0.0.1:7070"),
        ("listen: host:99999\n", "has no valid port; the port is a number from 0 to 65535"),
    ],
)
def test_a_mistake_names_the_key_and_what_is_allowed(tmp_path, text, message):
    assert message in complaint(tmp_path, text)


def test_zero_needs_no_unit(tmp_path):
    assert loaded(tmp_path, "wait: 0\n").wait == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads: [1\n", "line 2 is not valid YAML"),
        ("a: 1\nb: c: d\n", "line 2 is not valid YAML: mapping values are not allowed"),
        ("threads: 1\n\twait: 5ms\n", "line 2 is not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1 is not valid YAML: could not"),
        ("{[1]: 2}\n", "line 1 is not valid YAML"),
        ("a: \x00\n", "is not valid YAML"),
        ("- threads\n- wait\n", "must hold keys and values, such as 'threads: 2'"),
        ("threads\n", "must hold keys and values"),
        ("5\n", "must hold keys and values"),
    ],
)
def test_invalid_yaml_is_an_error_with_its_line(tmp_path, text, message):
    assert message in complaint(tmp_path, text)


def test_files_that_cannot_be_read_are_named(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match=f"^{path}: cannot be read"):
            read_yaml(path)
    (tmp_path / "latin.yaml").write_bytes(b"edge_id: M\xfcnchen\n")
    with pytest.raises(ConfigError, match=r"latin.yaml: cannot be read: 'utf-8' codec"):
        read_yaml(tmp_path / "latin.yaml")


def test_the_source_of_values_is_named():
    with pytest.raises(ConfigError, match=r"^command line: key 'threads', value 0"):
        parse_config({"threads": 0}, Example, "command line")


@pytest.mark.parametrize("value", ["2024-13-45", "0b_"])
def test_an_invalid_date_or_number_is_a_sentence(tmp_path, value):
    with pytest.raises(ConfigError):
        loaded(tmp_path, f"threads: {value}\n")


def test_a_duration_of_too_many_digits_is_a_sentence(tmp_path):
    complaint(tmp_path, f"wait: {'9' * 400}s\n")


@pytest.mark.parametrize("text", ["threads: yes\n", "inner:\n  watts: on\n"])
def test_yes_is_not_a_number(tmp_path, text):
    assert "value True" in complaint(tmp_path, text)


# --- the agents' configurations ---------------------------------------------------------------


def plain(model):
    """Return a configuration as plain values; durations stay nanoseconds."""
    return {k: plain(v) if isinstance(v, BaseModel) else v for k, v in model}


@pytest.mark.parametrize(("name", "model"), AGENTS)
def test_the_example_equals_the_defaults_key_by_key(name, model):
    example, defaults = plain(load_config(CONFIGS / name, model)), plain(model())
    for key in defaults.keys() - {"edge_id"}:
        assert example[key] == defaults[key], key


def test_two_devices_made_from_one_image_have_names_of_their_own():
    one, two = EdgeConfig().edge_id, EdgeConfig().edge_id
    assert one != two
    assert one.startswith(f"{platform.node()}-")


@pytest.mark.parametrize(("name", "model"), AGENTS)
def test_the_example_explains_every_key(name, model):
    """Each key has a line and a comment, even if it is commented out."""
    text = (CONFIGS / name).read_text()
    for key in model.model_fields:
        line = re.search(rf"^(# )?{key}:.*$", text, re.MULTILINE)
        assert line, f"{key} is missing in {name}"
        assert "#" in line[0] or key == "energy", f"{key} is not explained in {name}"


@pytest.mark.parametrize(("name", "model"), AGENTS)
def test_the_example_can_be_edited_key_by_key(name, model):
    """Each line alone is a valid file."""
    for key, value in yaml.safe_load((CONFIGS / name).read_text()).items():
        changed = parse_config({key: value}, model, name)
        assert getattr(changed, key) == getattr(model(), key)


def test_defaults_of_both_agents_are_the_cores():
    assert EdgeConfig().settings() == EdgeSettings()
    assert CloudConfig().settings() == CloudSettings()


def test_an_edge_configuration_reaches_the_core():
    config = parse_config(
        {
            "basic_accuracy": 0.5, "accuracy_step": 0.1, "mode": "performance", "policy": "server",
            "exit_rule": "pursue", "quantile": 0.9, "margin": "1ms", "max_tasks": 7,
            "max_uploads": 3, "energy": {"compute_w": 5, "idle_w": 2, "radio": "3g"},
        },
        EdgeConfig, "test",
    )  # fmt: skip
    settings = config.settings()
    assert (settings.basic_accuracy, settings.accuracy_step, settings.quantile) == (0.5, 0.1, 0.9)
    assert (settings.mode.value, settings.policy) == ("performance", "server")
    assert (settings.exit_rule.value, settings.margin_ns) == ("pursue", 1_000_000)
    assert (settings.max_tasks, settings.max_uploads) == (7, 3)
    assert (settings.energy.compute_w, settings.energy.idle_w) == (5.0, 2.0)
    assert settings.energy.radio is RADIOS["3g"]


def test_a_cloud_configuration_reaches_the_core():
    config = parse_config({"quantile": 0.5, "max_tasks": 7}, CloudConfig, "test")
    assert config.settings() == CloudSettings(quantile=0.5, max_tasks=7)


def test_an_edge_may_work_alone():
    assert parse_config({"cloud": None}, EdgeConfig, "test").cloud is None


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (EdgeConfig, {"mode": "fast"}, "'performance' or 'energy'"),
        (
            EdgeConfig,
            {"policy": "best"},
            "must be one of mc, mc-paper, ddnn, server, jointdnn, edge-only, neurosurgeon, edgent",
        ),
        (EdgeConfig, {"exit_rule": "last"}, "'earliest', 'pursue' or 'adaptive'"),
        (EdgeConfig, {"energy": {"radio": "5g"}}, "'wifi', '4g' or '3g'"),
        (EdgeConfig, {"energy": {"raido": "4g"}}, "'energy.raido'; did you mean 'radio'?"),
        (EdgeConfig, {"basic_accuracy": 1.5}, "less than or equal to 1"),
        (EdgeConfig, {"basic_accuracy": float("nan")}, "key 'basic_accuracy', value nan"),
        (EdgeConfig, {"accuracy_step": 0}, "greater than 0"),
        (EdgeConfig, {"quantile": 1.0}, "less than 1"),
        (EdgeConfig, {"quantile": 0.4}, "greater than or equal to 0.5"),
        (EdgeConfig, {"edge_id": ""}, "at least 1 character"),
        (EdgeConfig, {"edge_id": "x" * 129}, "at most 128 character"),
        (EdgeConfig, {"max_uploads": 0}, "greater than or equal to 1"),
        (EdgeConfig, {"margin": "4"}, "has no unit"),
        (EdgeConfig, {"cloud": "server"}, "write host:port"),
        (EdgeConfig, {"exit_rlue": "pursue"}, "did you mean 'exit_rule'?"),
        (CloudConfig, {"max_payload_bytes": 1}, "greater than or equal to 1024"),
        (CloudConfig, {"max_payload_bytes": 2**24}, "less than or equal to 8388608"),
        (CloudConfig, {"cloud": "server:1"}, "unknown key 'cloud'"),
        (CloudConfig, {"threads": 257}, "less than or equal to 256"),
        (CloudConfig, {"exit_rule": None}, "'earliest', 'pursue' or 'adaptive'"),
    ],
)
def test_a_value_out_of_range_is_a_sentence_with_the_range(model, values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config(values, model, "agent.yaml")


@pytest.mark.parametrize(("_", "model"), AGENTS)
def test_numbers_have_the_ranges_that_the_examples_name(_, model):
    """'1 to 256' in a comment is the range that the model checks."""
    text = (CONFIGS / ("edge.yaml" if model is EdgeConfig else "cloud.yaml")).read_text()
    found = re.findall(r"^(\w+):.*?([\d.]+) to (below )?([\d.]+)", text, re.MULTILINE)
    assert len(found) >= 2
    for key, low, below, high in found:
        kind = type(getattr(model(), key))
        parse_config({key: kind(float(low))}, model, "low")
        too_much = float(high) if below else float(high) + 1
        if not below:
            parse_config({key: kind(float(high))}, model, "high")
        for value in (float(low) - 1, too_much):
            with pytest.raises(ConfigError, match=f"key '{key}'"):
                parse_config({key: kind(value)}, model, "out of range")


@pytest.mark.parametrize("model", [EdgeConfig, CloudConfig])
@pytest.mark.parametrize("listen", ["0.0.0.0:7071", "[::]:7071", "10.0.0.1:7071", "robot:7071"])
def test_beyond_loopback_an_agent_needs_certificates_or_an_explicit_permission(model, listen):
    with pytest.raises(ConfigError, match=r"'listen', .*set tls: .*listen_without_tls: true"):
        parse_config({"listen": listen}, model, "agent.yaml")
    parse_config({"listen": listen, "tls": {}}, model, "agent.yaml")
    parse_config({"listen": listen, "listen_without_tls": True}, model, "agent.yaml")


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "localhost:1"])
def test_on_loopback_nothing_is_encrypted(listen):
    config = parse_config({"listen": listen, "tls": {"directory": "/d"}}, EdgeConfig, "edge.yaml")
    assert config.tls_for(config.listen) is None
    assert str(config.tls_for("10.0.0.1:7071")) == "/d"


def test_the_upload_limit_is_a_time_that_a_task_can_have():
    for too_much in ("99ms", "61s"):
        with pytest.raises(ConfigError, match=r"'limits.upload', .*must be from 100.0 ms"):
            parse_config({"limits": {"upload": too_much}}, CloudConfig, "cloud.yaml")


def test_an_edge_id_that_the_wire_refuses_is_an_error():
    with pytest.raises(ConfigError, match="edge_id"):
        parse_config({"edge_id": "robot\n7"}, EdgeConfig, "edge.yaml")


def test_probes_have_a_shortest_interval():
    assert parse_config({"probe_interval": "10ms"}, EdgeConfig, "edge.yaml")
    for too_short in (0, "9ms"):
        with pytest.raises(ConfigError, match=r"'probe_interval', .*must be at least 10.0 ms"):
            parse_config({"probe_interval": too_short}, EdgeConfig, "edge.yaml")
