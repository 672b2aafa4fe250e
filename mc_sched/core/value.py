"""Values: what nobody changes once it is made, cheap to make.

An event passes through the machines in some tens of microseconds and makes dozens of small objects
on its way. A frozen dataclass costs 0.85 us to make, as each field goes through a guard; without
the guard it is 0.18 us (six fields, CPython 3.11). So the guard stands where it costs nothing: for
the type checker a value is frozen, at run time it is a plain one with slots.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

_Class = TypeVar("_Class", bound=type)

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def value(cls: _Class) -> _Class:
        """Make `cls` a value: compared and hashed by its fields, and never changed."""
        return cls

else:

    def value(cls):
        """As above."""
        made = dataclass(slots=True, unsafe_hash=True)(cls)
        made.__reduce__ = _by_fields
        return made


def _by_fields(self: Any) -> tuple[type, tuple[Any, ...]]:
    """For pickle: a compiled value in another process can be made by its constructor alone."""
    return type(self), tuple(getattr(self, field.name) for field in fields(self))


def let_dataclasses_know(cls: type, types: dict[str, str]) -> None:
    """Have `fields`, `replace` and their like work on a value that was written out and compiled."""
    twin = make_dataclass(cls.__name__, types.items())
    cls.__dataclass_fields__ = twin.__dataclass_fields__  # type: ignore[attr-defined]
    cls.__annotations__ = types
