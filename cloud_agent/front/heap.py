"""Memory that a burst of uploads leaves in the C library's heap, given back to the system.

glibc keeps a heap ("arena") per thread, and the free memory in them for later use (mallopt(3)). The
front's payloads pass through several threads, so a burst would leave tens of megabytes. Without
glibc, nothing happens here.
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8
"""Parameter of mallopt(3): most arenas."""


def share_one_heap() -> None:
    """Let all threads of this process use one heap; call it before they start."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the system; takes milliseconds (malloc_trim(3))."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
