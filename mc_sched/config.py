"""The configuration loader: YAML into a pydantic model, errors as sentences.

A sentence names the file, the key as a dotted path, and the allowed values.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails

from mc_sched.errors import ConfigError
from mc_sched.units import (
    duration_text,
    format_ns,
    parse_address,
    parse_duration,
    parse_rate,
    parse_size,
    size_text,
)


class Config(BaseModel):
    """Base of every configuration: unknown keys are errors, values are immutable.

    The docstring behind a field is its description in docs/configuration.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _reject_boolean_as_number(cls, value: object, take: ValidatorFunctionWrapHandler) -> object:
        """Reject yes and on, which YAML reads as True and pydantic would accept as the number 1."""
        taken: object = take(value)
        if isinstance(value, bool) and not isinstance(taken, bool):
            raise ValueError("input should be a number, not yes or no")
        return taken


def _duration_ns(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return 0
    return parse_duration(value if isinstance(value, str) else f"{value}")


def _address(value: str) -> str:
    parse_address(value)
    return value


@dataclass(frozen=True)
class Notation:
    """YAML notation of a value: metadata of a field, for the documentation."""

    name: str
    text: Callable[[int], str] = str


@dataclass(frozen=True)
class DurationRange:
    """Validator of a duration's range, ends included."""

    least_ns: int
    most_ns: int | None = None

    def __call__(self, value_ns: int) -> int:
        """Return the value. Raises ValueError outside the range."""
        most_ns = value_ns if self.most_ns is None else self.most_ns
        if self.least_ns <= value_ns <= most_ns:
            return value_ns
        if self.most_ns is None:
            raise ValueError(f"must be at least {format_ns(self.least_ns)}")
        raise ValueError(f"must be from {format_ns(self.least_ns)} to {format_ns(self.most_ns)}")


@dataclass(frozen=True)
class OneOf:
    """Validator of a name's allowed values."""

    values: Collection[str]

    def __call__(self, value: str) -> str:
        """Return the value. Raises ValueError if it is not allowed."""
        if value not in self.values:
            raise ValueError(f"must be one of {', '.join(self.values)}")
        return value


Duration = Annotated[int, BeforeValidator(_duration_ns), Notation("duration", duration_text)]
"""Written like "84ms" or "1.5s"; nanoseconds in the program."""
Size = Annotated[
    int, BeforeValidator(lambda value: parse_size(f"{value}")), Notation("size", size_text)
]
"""Written like "12kB"; bytes in the program."""
Rate = Annotated[int, BeforeValidator(lambda value: parse_rate(f"{value}"))]
"""Written like "5.85Mbps"; bits per second in the program."""
Address = Annotated[str, AfterValidator(_address), Notation("address")]
"""Written like "host:port"."""

ConfigT = TypeVar("ConfigT", bound=Config)


def load_config(path: str | Path, model: type[ConfigT]) -> ConfigT:
    """Read `path` as a `model`.

    Raises ConfigError with the file, the line, the key and the allowed values.
    """
    text = _text(path)
    try:
        return model.model_validate(_mapping(text, path))
    except ValidationError as error:
        first = error.errors()[0]
        line = _line_of(text, first["loc"])
        raise ConfigError(f"{path}, line {line}: {_sentence(first, model)}") from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file is an empty mapping."""
    return _mapping(_text(path), path)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _mapping(text: str, path: str | Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ConfigError(f"{path}:{line} is not valid YAML: {problem}") from None
    except ValueError as error:  # an invalid date, such as 2024-13-45
        raise ConfigError(f"{path}: holds a value that cannot be read: {error}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: must hold keys and values, such as 'threads: 2'")
    return loaded


def _line_of(text: str, location: tuple[int | str, ...]) -> int:
    """Return the line of a key or list item, from 1; else that of the innermost section found."""
    node, line = yaml.compose(text), 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = [(item, item) for item in node.value[part : part + 1]]
        else:
            found = []
        if not found:
            break
        key, node = found[-1]
        line = key.start_mark.line + 1
    return line


def parse_config(values: dict[str, Any], model: type[ConfigT], source: str) -> ConfigT:
    """Validate `values` as a `model`; `source` names them in errors."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{source}: {_sentence(first, model)}") from None


def _sentence(error: ErrorDetails, model: type[Config]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(known)}"
        return f"unknown key {key!r}{hint}"
    message = error["msg"].removeprefix("Value error, ")
    return f"key {key!r}, value {error['input']!r}: {message[:1].lower()}{message[1:]}"


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int):
            continue  # an item of a list; the list's own key has given its model
        inner = _model_in(model.model_fields[part].annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model in a field's type, such as M, tuple[M, ...] or M | None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)
