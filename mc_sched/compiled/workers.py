"""Worker processes for simulations, which use the compiled modules if there is a build."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from mc_sched.compiled.finder import use_build

NEW_OBJECTS = 20_000
"""Number of new objects after which the garbage collector runs. A simulation makes few cycles, some
with each probe of a link; with Python's default of 700, collecting took 4% of the time."""


def simulation_workers(number: int) -> ProcessPoolExecutor:
    """Start a pool of processes, which must be used for simulations only.

    They are spawned, not forked, so that they share no open files or modules with the parent.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, mp_context=context, initializer=_initialise)


def _initialise() -> None:
    use_build()
    gc.set_threshold(NEW_OBJECTS)
