"""docs/configuration.md agrees with the configuration models and with what a reload changes."""

import logging
import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import AfterValidator, Field

from cloud_agent.config import LIVE as CLOUD_LIVE
from cloud_agent.config import CloudConfig
from edge_agent.config import LIVE as EDGE_LIVE
from edge_agent.config import EdgeConfig
from mc_sched.config import Config, Duration, DurationRange, load_config
from mc_sched.service.config import AgentConfig, changes
from mc_sched.service.reference import AgentKind, configuration_page, examples, section_of
from mc_sched.service.reload import Reloader

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
EDGE = AgentKind("edge", EdgeConfig, EDGE_LIVE)
CLOUD = AgentKind("cloud", CloudConfig, CLOUD_LIVE)
KINDS = pytest.mark.parametrize("kind", [EDGE, CLOUD], ids=lambda kind: kind.node)
HEADINGS = {"edge": ("both agents", "the edge agent"), "cloud": ("both agents", "the cloud agent")}


def rows(kind):
    """The rows about an agent, by key: description, type, range, default, example, reload."""
    found = {}
    for part in re.split(r"^##+ ", PAGE, flags=re.M)[1:]:
        heading, _, text = part.partition("\n")
        if heading.endswith(HEADINGS[kind.node]):
            for line in re.findall(r"^\| `.*$", text, flags=re.M):
                key, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
                assert key.strip("`") not in found
                found[key.strip("`")] = cells
    return found


def keys(model, prefix=""):
    """All keys of a model by their dotted names, sections included."""
    for key, field in model.model_fields.items():
        yield prefix + key
        section = section_of(field)
        if section is not None:
            yield from keys(section, f"{prefix}{key}.")


def nested(flat):
    """A configuration with these dotted keys."""
    values = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return values


def column(kind, number):
    """The values in a column, read as YAML, of the keys that are not sections."""
    cells = {key: cells[number] for key, cells in rows(kind).items() if "section" not in cells[1]}
    return {key: yaml.safe_load(cell.strip("`")) for key, cell in cells.items()}


def test_the_page_is_the_one_that_its_script_writes():
    assert configuration_page(EDGE, CLOUD) == PAGE, "run scripts/configuration"


@KINDS
def test_every_key_has_one_row_with_a_description(kind):
    assert sorted(rows(kind)) == sorted(keys(kind.model))
    for key, (description, *_) in rows(kind).items():
        assert description.endswith("."), key


@KINDS
def test_the_examples_on_the_page_are_together_a_valid_file(kind, tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(yaml.safe_dump(nested(column(kind, 4))))
    assert load_config(path, kind.model) == kind.model.model_validate(examples(kind.model))


@KINDS
def test_the_defaults_on_the_page_are_those_of_the_agent(kind):
    shown = column(kind, 3)
    plain = {key: value for key, value in shown.items() if value != "generated"}
    assert {key for key, value in shown.items() if value == "generated"} <= {"edge_id"}
    config = kind.model.model_validate(nested({k: v for k, v in plain.items() if "tls." not in k}))
    assert set(changes(kind.model(), config)) <= {"edge_id"}
    assert config.tls is None


@KINDS
def test_the_reload_column_agrees_with_what_a_reload_changes(kind):
    applied = []
    after = kind.model.model_validate(examples(kind.model))
    before = kind.model(tls={})
    Reloader(before, lambda: after, kind.live, applied.append, logging.getLogger()).reload()
    changed, left = changes(before, applied[0]), changes(applied[0], after)
    shown = {key: cells[5] for key, cells in rows(kind).items() if "section" not in cells[1]}
    assert {key for key, text in shown.items() if text == "yes"} == set(changed)
    assert {key for key, text in shown.items() if text == "restart"} == set(left)


def test_links_to_sections_lead_to_a_heading():
    headings = re.findall(r"^### (.*)$", PAGE, flags=re.M)
    anchors = {heading.replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\(#(.*?)\)", PAGE)) == anchors


# --- a model of each kind of key -----------------------------------------------------------------


class Shade(str, Enum):
    """An enumeration."""

    DARK = "dark"
    LIGHT = "light"


class Toy(AgentConfig):
    """Keys of a toy."""

    listen: str = Field(default="here", examples=["there"])
    max_tasks: int = Field(default=1, examples=[2])
    shade: Shade = Field(default=Shade.DARK, examples=["light"])
    """Either | or."""
    wait: Annotated[Duration, AfterValidator(DurationRange(1_000))] = Field(
        default=5_000_000, examples=["6ms"]
    )
    """A duration
    in two lines."""


def test_a_row_holds_what_the_model_knows():
    page = configuration_page(EDGE, AgentKind("toy", Toy, frozenset({"wait"})))
    assert (
        "| `shade` | Either \\| or. | name | `dark`, `light` | `dark` | `light` | restart |" in page
    )
    assert (
        "| `wait` | A duration in two lines. | duration | at least 1us | `5ms` | `6ms` | yes |"
    ) in page


def test_a_key_without_an_example_is_named():
    class Bare(Config):
        """A key that nobody has documented."""

        watts: float = 1.0

    with pytest.raises(ValueError, match="the key watts has no example"):
        examples(Bare)
