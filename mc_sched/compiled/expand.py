"""Writes out what a compiler does not see: what `@value` means, and which names are constants.

    @value                       class Forecast:
    class Forecast:                  mean_ns: int
        mean_ns: int        ->       upper_ns: int = 0
        upper_ns: int = 0            def __init__(self, mean_ns: int, upper_ns: int = 0) -> None: ..

So the compiled class has its fields in a struct, and the functions of `dataclasses` work on it. A
name in capitals is a constant: it becomes `Final`, and C code reads it without looking it up. Not
so a tuple, which would be a struct then: mypyc takes one of floats for unset, and makes a new tuple
of it wherever one is asked for.
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
    """What makes the default anew for each value; empty where one serves all."""
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
    """Lines from `first` to before `behind`, counted from 0, become `new`."""

    first: int
    behind: int
    new: list[str]


def expanded(source: str) -> str:
    """The source with every value written out, and constants that are said to be such."""
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
    """The number of lines of the docstring and of imports from the future."""
    future = [n for n in body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    return [*body[:1], *future][-1].end_lineno or 0


def _constant(node: ast.stmt) -> list[_Edit]:
    """An assignment to names in capitals, each of which is a constant."""
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
    """A class without its decorator and its fields' defaults, and with its methods."""
    own = [_field(line) for line in node.body if isinstance(line, ast.AnnAssign)]
    inherited = [field for base in node.bases for field in known[ast.unparse(base)]]
    known[node.name] = inherited + own
    end = node.end_lineno or 0
    return [
        # a value is made of what was there before it: no cycle leads back to it
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
    """Of `field(default_factory=..)`; empty for another call."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return given.get("default_factory", "") if ast.unparse(call.func) == "field" else ""


def _bare(field: _Field) -> list[str]:
    """Without its default, which would be one for the class."""
    return [f"    {field.name}: {field.type}"]


def _methods(name: str, fields: list[_Field]) -> list[str]:
    parameters = ", ".join(["self", *(f.parameter for f in fields)])
    told = ", ".join(f"{f.name}={{self.{f.name}!r}}" for f in fields)
    mine = "".join(f"self.{f.name}, " for f in fields)
    alike = " and ".join(f"self.{f.name} == other.{f.name}" for f in fields) or "True"
    return f"""
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init__({parameters}) -> None:
        {"; ".join(f.assignment for f in fields) or "pass"}

    def __repr__(self) -> str:
        return f"{name}({told})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, {name}) or type(other) is not type(self):
            return NotImplemented
        return {alike}

    def __hash__(self) -> int:
        return hash(({mine}))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return {name}, ({mine})
""".split("\n")
