"""Expands a source file for the compiler: writes out `@value` classes and marks constants.

    @value                       class Forecast:
    class Forecast:                  mean_ns: int
        mean_ns: int        ->       upper_ns: int = 0
        upper_ns: int = 0            def __init__(self, mean_ns: int, upper_ns: int = 0) -> None: ..

The compiled class then has its fields in a struct, and the functions of `dataclasses` work on it. A
name in capitals is a constant; it becomes `Final`, so that C code reads it without a lookup. Tuples
stay as they are, since mypyc would make structs of them: it mistakes one of floats for unset, and
makes a new tuple on every use.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    default: str | None
    factory: str
    """Expression that makes a new default for each value; empty if all share one."""
    line: ast.AnnAssign

    @property
    def parameter(self) -> str:
        if self.factory:
            return f"{self.name}: {self.type} | None = None"
        return f"{self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")

    @property
    def assignment(self) -> str:
        made = f"{self.factory}() if {self.name} is None else " if self.factory else ""
        return f"self.{self.name} = {made}{self.name}"


@dataclass(frozen=True)
class _Edit:
    """Replaces the lines from `first` up to but not including `behind`, from 0, by `new`."""

    first: int
    behind: int
    new: list[str]


def expand(source: str) -> str:
    """Return the source with every value class written out and constants marked."""
    lines, body = source.split("\n"), ast.parse(source).body
    edits = [_Edit(_head(body), _head(body), _IMPORTS.split("\n"))]
    known: dict[str, list[_Field]] = {}
    for node in body:
        edits += _constant(node)
        if isinstance(node, ast.ClassDef) and any(_is_value(d) for d in node.decorator_list):
            edits += _written_out(node, known)
    for edit in sorted(edits, key=lambda edit: -edit.first):
        lines[edit.first : edit.behind] = edit.new
    return "\n".join([*lines, *(_known_to_dataclasses(name, known[name]) for name in known), ""])


def _known_to_dataclasses(name: str, fields: list[_Field]) -> str:
    return f"let_dataclasses_know({name}, { ({f.name: f.type for f in fields}) })"


_IMPORTS = """from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Final
from mc_sched.core.value import let_dataclasses_know
if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr"""


def _head(body: list[ast.stmt]) -> int:
    """Return the number of lines of the docstring and of `__future__` imports."""
    future = [n for n in body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    return [*body[:1], *future][-1].end_lineno or 0


def _constant(node: ast.stmt) -> list[_Edit]:
    """Return the edit of an assignment to constants, whose names are in capitals."""
    finals = list(_finals(node))
    return [_Edit(node.lineno - 1, node.end_lineno or 0, finals)] if finals else []


def _finals(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        if _is_constant(node.target):
            type_ = ast.unparse(node.annotation)
            yield f"{ast.unparse(node.target)}: Final[{type_}] = {ast.unparse(node.value)}"
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=True))
        if all(_is_constant(name) and not isinstance(part, ast.Tuple) for name, part in pairs):
            yield from (f"{ast.unparse(name)}: Final = {ast.unparse(part)}" for name, part in pairs)


def _is_constant(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id.isupper()


def _written_out(node: ast.ClassDef, known: dict[str, list[_Field]]) -> list[_Edit]:
    """Return the edits that remove the decorator and the defaults and add the methods."""
    own = [_field(line) for line in node.body if isinstance(line, ast.AnnAssign)]
    inherited = [field for base in node.bases for field in known[ast.unparse(base)]]
    known[node.name] = inherited + own
    end = node.end_lineno or 0
    return [
        # a value holds only objects that existed before it, so it is not part of a cycle
        *(
            _Edit(d.lineno - 1, d.lineno, ["@mypyc_attr(acyclic=True)"])
            for d in node.decorator_list
        ),
        *(_Edit(f.line.lineno - 1, f.line.end_lineno or 0, _bare(f)) for f in own),
        _Edit(end, end, _methods(node.name, known[node.name])),
    ]


def _is_value(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "value"


def _field(line: ast.AnnAssign) -> _Field:
    default = None if line.value is None else ast.unparse(line.value)
    factory = _factory(line.value) if isinstance(line.value, ast.Call) else ""
    return _Field(ast.unparse(line.target), ast.unparse(line.annotation), default, factory, line)


def _factory(call: ast.Call) -> str:
    """Return the factory of `field(default_factory=..)`; empty for another call."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return given.get("default_factory", "") if ast.unparse(call.func) == "field" else ""


def _bare(field: _Field) -> list[str]:
    """Return the field without its default, which would become one of the class."""
    return [f"    {field.name}: {field.type}"]


def _methods(name: str, fields: list[_Field]) -> list[str]:
    parameters = ", ".join(["self", *(f.parameter for f in fields)])
    shown = ", ".join(f"{f.name}={{self.{f.name}!r}}" for f in fields)
    values = "".join(f"self.{f.name}, " for f in fields)
    equal = " and ".join(f"self.{f.name} == other.{f.name}" for f in fields) or "True"
    return f"""
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init__({parameters}) -> None:
        {"; ".join(f.assignment for f in fields) or "pass"}

    def __repr__(self) -> str:
        return f"{name}({shown})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, {name}) or type(other) is not type(self):
            return NotImplemented
        return {equal}

    def __hash__(self) -> int:
        return hash(({values}))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return {name}, ({values})
""".split("\n")
