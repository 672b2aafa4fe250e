"""Processes that simulate, compiled where they can."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from mc_sched.compiled.finder import use_build

NEW_OBJECTS = 20_000
"""Until cycles among them are looked for. A simulation leaves few, some by each probe of a link;
looking for them after Python's own 700 took 4% of its time."""


def workers(number: int) -> ProcessPoolExecutor:
    """So many processes; what they are given must be simulations and no more.

    They are not forked: what the parent has open or imported is none of their business.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, mp_context=context, initializer=_begin)


def _begin() -> None:
    use_build()
    gc.set_threshold(NEW_OBJECTS)
