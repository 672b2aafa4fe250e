"""Expanded sources behave like the originals."""

import ast
from dataclasses import dataclass, fields, replace

import pytest

from mc_sched.compiled.expand import expand
from mc_sched.compiled.sources import ROOT, compiled_files

SOURCE = '''"""A module."""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT = 2 * 10**9
NAMES = ("a", "b")
FEWEST, MOST = 2, 16
BY_NAME: dict[str, int] = {"a": 1}
shown = 3


@value
class Point:
    """A place."""

    x_ns: int
    y_ns: int = 7
    """Upwards."""

    @property
    def sum_ns(self) -> int:
        return self.x_ns + self.y_ns


@value
class Named(Point):
    name: str = "nobody"


@value
class Listed:
    sizes: dict[str, int] = field(default_factory=dict)


@value
class Empty:
    """Nothing."""


ORIGIN = Point(0, 0)
'''


def run(source):
    names = {
        "value": dataclass(slots=True, unsafe_hash=True),
        "mypyc_attr": lambda **_: lambda cls: cls,
        "__name__": __name__,
    }
    exec(compile(source, "module", "exec"), names)
    return names


@pytest.fixture(scope="module")
def plain():
    return run(SOURCE)


@pytest.fixture(scope="module")
def written_out():
    return run(expand(SOURCE))


VALUES = [
    ("Point", {"x_ns": 1}),
    ("Point", {"x_ns": 1, "y_ns": 2}),
    ("Named", {"x_ns": 1, "name": "somebody"}),
    ("Empty", {}),
]
LISTED = [{}, {"sizes": {"jpeg": 3}}]


@pytest.mark.parametrize(("name", "given"), VALUES)
def test_a_value_has_the_same_repr_and_hash(plain, written_out, name, given):
    before, after = plain[name](**given), written_out[name](**given)
    assert repr(after) == repr(before)
    assert hash(after) == hash(before)
    assert [f.name for f in fields(after)] == [f.name for f in fields(before)]


@pytest.mark.parametrize("given", LISTED)
def test_a_default_factory_makes_a_default_per_value(plain, written_out, given):
    before, after = plain["Listed"](**given), written_out["Listed"](**given)
    assert repr(after) == repr(before)
    assert after.sizes is not written_out["Listed"]().sizes


@pytest.mark.parametrize(("name", "given"), VALUES)
def test_values_are_equal_by_their_class_and_fields(written_out, name, given):
    value = written_out[name](**given)
    assert value == written_out[name](**given)
    assert value != written_out["Named"](8, 9, "other")
    assert value != 5


def test_a_value_keeps_its_methods_and_can_be_replaced(written_out):
    moved = replace(written_out["Named"](1, 2, "n"), y_ns=5)
    assert (moved.sum_ns, moved.name) == (6, "n")


def test_a_value_can_be_pickled(written_out):
    made, given = written_out["Named"](1, 2, "n").__reduce__()
    assert made(*given) == written_out["Named"](1, 2, "n")


@pytest.mark.parametrize("name", ["LIMIT", "FEWEST", "MOST", "BY_NAME", "ORIGIN"])
def test_names_in_capitals_are_final_and_keep_their_value(plain, written_out, name):
    assert f"\n{name}: Final" in expand(SOURCE)
    assert repr(written_out[name]) == repr(plain[name])


@pytest.mark.parametrize("line", ["shown = 3", 'NAMES = ("a", "b")'])
def test_other_names_and_tuples_are_unchanged(line):
    assert f"\n{line}\n" in expand(SOURCE)


@pytest.mark.parametrize("name", compiled_files())
def test_every_compiled_file_can_be_expanded(name):
    text = expand((ROOT / name).read_text(encoding="utf-8"))
    assert "@value" not in [line.strip() for line in text.split("\n")]
    ast.parse(text)
