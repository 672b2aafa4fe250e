"""A worker's tie to the front: it dies with it, and leaves the signals to it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: send a signal to this process when its parent dies."""


def ignore_signals() -> None:
    """Ignore the signals that a terminal or a service manager sends to the whole group.

    The front drains its workers and then ends them.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent dies; exit now if that has happened already.

    A worker that serves notices the end of the pipe too. One that still loads, is stopped or hangs
    does not.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
