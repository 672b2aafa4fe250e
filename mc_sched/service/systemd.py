"""What a service manager is told, over systemd's notification socket (see sd_notify(3)).

Without one, nothing is told and nobody watches.
"""

from __future__ import annotations

import os
import socket
import time

PINGS_PER_INTERVAL = 2
"""sd_watchdog_enabled(3) advises to ping at half of the interval."""


def notify(*assignments: str) -> bool:
    """Tell the manager, such as 'READY=1'; whether there is one that could be told."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.connect(address)
            to.sendall("\n".join(assignments).encode())
    except OSError:
        return False
    return True


def notify_reloading() -> None:
    """A reload begins; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def ping_interval_s() -> float | None:
    """How often the watchdog wants to hear of this process; None: nobody watches it."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not interval_us.isdigit() or not int(interval_us) or watched != str(os.getpid()):
        return None
    return int(interval_us) / 1e6 / PINGS_PER_INTERVAL
