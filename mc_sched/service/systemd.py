"""Notifications to the service manager over systemd's socket (see sd_notify(3)).

Without that socket, notifications are dropped and there is no watchdog.
"""

from __future__ import annotations

import os
import socket
import time

PINGS_PER_INTERVAL = 2
"""sd_watchdog_enabled(3) advises to ping at half of the interval."""


def notify(*assignments: str) -> bool:
    """Send assignments such as 'READY=1'; return False if there is no manager to receive them."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.connect(address)
            connection.sendall("\n".join(assignments).encode())
    except OSError:
        return False
    return True


def notify_reloading() -> None:
    """Announce a reload; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def ping_interval_s() -> float | None:
    """Return the interval of the watchdog's pings, or None if it does not watch this process."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not interval_us.isdigit() or not int(interval_us) or watched != str(os.getpid()):
        return None
    return int(interval_us) / 1e6 / PINGS_PER_INTERVAL
