"""Nested fields by the names that Loki's `json` parser gives them: outcome_latency_ns.

LogQL's grammar has no dot in a name; the store's conditions have, as a `_` alone does not tell
where one name ends. So the names are those of the events' and actions' own fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from mc_sched.obs.log.event_log import CLASSES


@cache
def flat_names() -> dict[str, str]:
    """The store's name of each nested field by Loki's; what is a field by itself stays that."""
    found = [path for cls in CLASSES.values() for path in _paths(cls)]
    alone = {path[0] for path in found if len(path) == 1}
    flat = {"_".join(path): ".".join(path) for path in found if len(path) > 1}
    return {name: path for name, path in flat.items() if name not in alone}


def _paths(cls: type) -> Iterator[tuple[str, ...]]:
    types = get_type_hints(cls)
    for field in fields(cls):
        yield (field.name,)
        for held in _held(types[field.name]):
            for path in _paths(held):
                yield (field.name, *path)


def _held(type_: Any) -> list[Any]:
    """The dataclasses that a field of this type may hold by itself, not in a sequence."""
    if getattr(type_, "__origin__", None) in (tuple, list, dict):
        return []
    return [part for part in (type_, *get_args(type_)) if is_dataclass(part)]
