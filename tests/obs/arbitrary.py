"""Arbitrary values of the core's types, built from their annotations.

`st.builds` alone would draw integers that neither the wire nor the log can carry.
"""

import dataclasses
import types
from enum import Enum
from typing import Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

INTS = st.integers(0, 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def of(kind, *, ints=INTS, floats=FLOATS, **given):
    """Any value of `kind`; `given` holds strategies for fields that need one of their own."""

    def part(hint):
        return of(hint, ints=ints, floats=floats)

    origin, args = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {f.name: part(hints[f.name]) for f in dataclasses.fields(kind)}
        return st.builds(kind, **{**fields, **given})
    if origin in (Union, types.UnionType):
        return st.one_of([part(arg) for arg in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(part(args[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(part, args))
    if origin is dict:
        return st.dictionaries(*map(part, args), max_size=3)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    plain = {int: ints, float: floats, bool: st.booleans(), type(None): st.none()}
    return st.text(max_size=12) if kind is str else plain[kind]
