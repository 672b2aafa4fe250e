"""Processes that simulate, compiled where they can."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from mc_sched.compiled.finder import use_build


def workers(number: int) -> ProcessPoolExecutor:
    """So many processes; what they are given must be simulations and no more.

    They are not forked: what the parent has open or imported is none of their business.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, mp_context=context, initializer=use_build)
