"""Traces come in pairs; errors name the file and the line."""

import pytest

from mc_sched.errors import UserError
from mc_sched.experiments.traces import GENERATED, all_traces, trace_pairs


def folder(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text)
    return tmp_path


def test_pairs_by_name(tmp_path):
    found = trace_pairs(folder(tmp_path, b_up="1\n", b_down="1\n", a_up="1\n", a_down="2\n"))
    assert [(pair.name, pair.up.name, pair.down.name) for pair in found] == [
        ("a", "a.up", "a.down"), ("b", "b.up", "b.down"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [("TMobile-UMTS-driving", "3g"), ("ATT-LTE-driving", "4g"), ("home-WiFi", "wifi"), ("x", "4g")],
)
def test_the_name_contains_the_kind_of_the_link(tmp_path, name, kind):
    (pair,) = trace_pairs(folder(tmp_path, **{f"{name}_up": "1\n", f"{name}_down": "1\n"}))
    assert pair.kind == kind


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no file NAME.up"),
        ({"a_up": "1\n"}, "a.down is missing beside a.up"),
        ({"a_up": "1\nfast\n", "a_down": "1\n"}, "a.up, line 2: 'fast' is not an integer"),
        ({"a_up": "1\n", "a_down": "5\n\n3\n"}, "a.down, line 3: time decreases from 5 to 3"),
    ],
)
def test_invalid_traces_are_named(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        trace_pairs(folder(tmp_path, **files))


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match="the folder does not exist"):
        trace_pairs(tmp_path / "missing")


def test_the_generated_trace_always_exists(tmp_path):
    own = folder(tmp_path, a_up="1\n", a_down="1\n")
    assert [pair.name for pair in all_traces(own)] == ["walk", "a"]
    assert [pair.up.parent for pair in all_traces(None)] == [GENERATED]
