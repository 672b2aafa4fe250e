"""Names that Loki's `json` parser gives to nested fields, for example outcome_latency_ns.

LogQL allows no dots in names, so Loki joins the parts with `_`. The store joins them with dots,
because a `_` may also be part of a name. The table is built from the fields of all events and
actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from mc_sched.obs.log.event_log import CLASSES


@cache
def flat_names() -> dict[str, str]:
    """Map Loki's name of each nested field to the store's; names of top-level fields win."""
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
    """Return the dataclasses that a field of this type may hold directly, not in a sequence."""
    if getattr(type_, "__origin__", None) in (tuple, list, dict):
        return []
    return [part for part in (type_, *get_args(type_)) if is_dataclass(part)]
