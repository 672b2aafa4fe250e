"""The core is pure: it imports only itself and the standard library, without clocks and I/O."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mc_sched.core

ROOT = Path(mc_sched.core.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
WORLDLY = {"time", "asyncio", "random", "socket", "logging", "os"}
ASKING_THE_WORLD = {"open", "print", "input", "exec", "eval", "__import__"}


def impurities(source: str) -> list[str]:
    """Names of modules and built-ins in `source` that the core must not use."""
    return [name for node in _executed(ast.parse(source)) for name in _named(node) if _bad(name)]


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those that only the type checker reads."""
    yield node
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in node.orelse if is_for_types else ast.iter_child_nodes(node):
        yield from _executed(child)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [node.func.id + "()"] if node.func.id in ASKING_THE_WORLD else []
    return []


def _bad(name: str) -> bool:
    if name == "mc_sched.core" or name.startswith("mc_sched.core."):
        return False
    top = name.partition(".")[0]
    return top in WORLDLY or top not in sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_the_core_is_pure(path):
    assert impurities(path.read_text(encoding="utf-8")) == []


def test_every_file_of_the_core_is_checked():
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    assert {"edge/machine.py", "cloud/machine.py", "policies/mc.py", "energy/radio.py"} <= names


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", ["time"]),
        ("from os import path", ["os"]),
        ("import os.path as p", ["os.path"]),
        ("def f():\n    import random", ["random"]),
        ("import torch", ["torch"]),
        ("from mc_sched.obs import summary", ["mc_sched.obs"]),
        ("from .. import units", [".."]),
        ("print(open('x'))", ["print()", "open()"]),
        ("import heapq\nfrom mc_sched.core.task import Task", []),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import time", ["time"]),
    ],
)
def test_the_check_finds_impurities(source, found):
    assert impurities(source) == found
