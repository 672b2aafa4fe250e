"""An agent's log as configured: a file, the log store, both or neither."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from pydantic import Field

from mc_sched.config import Config, Duration, Size
from mc_sched.obs.log.event_log import EventLog
from mc_sched.obs.state_dir import state_directory
from mc_sched.obs.store.writer import Limits, StoreWriter
from mc_sched.units import parse_address


class LogStoreConfig(Config):
    """Place and limits of the indexed event log."""

    file: str = Field(default="auto", examples=["/srv/logs/edge.db"])
    """A file, `none`, or `auto`: in `$STATE_DIRECTORY` or `~/.local/state/mc-sched`."""
    max_size: Size = Field(default=Limits.max_bytes, ge=1_000_000, examples=["1000MB"])
    """Size beyond which the oldest lines are deleted."""
    max_age: Duration = Field(default=Limits.max_age_ns, gt=0, examples=["30d"])
    """Age beyond which lines are deleted."""


class AgentConfig(Protocol):
    """The keys that both agents' configurations share and this module needs."""

    @property
    def listen(self) -> str:
        """Address of the agent's gRPC port."""

    @property
    def event_log(self) -> str | None:
        """Path of a file for JSON lines; None for no file."""

    @property
    def log_store(self) -> LogStoreConfig:
        """Place and limits of the store."""


def open_log(config: AgentConfig, node: str) -> EventLog:
    """Open the agent's event log. If its store cannot be opened, warn and continue without it."""
    place = store_file(config, node)
    store = None
    if place is not None:
        limits = Limits(config.log_store.max_size, config.log_store.max_age)
        try:
            store = OwnedStore(place, limits)
        except (OSError, sqlite3.Error) as error:
            print(f"mc-{node}-agent: no log store at {place}: {error}", file=sys.stderr, flush=True)
    return EventLog(config.event_log, node, store=store)


def store_file(config: AgentConfig, node: str) -> Path | None:
    """Return the path of the agent's store; None if it has none.

    `auto` gives no store to an agent on port 0: the system chooses another port at each start, so
    nobody would find the store again.
    """
    named, port = config.log_store.file, parse_address(config.listen)[1]
    if named == "none" or (named == "auto" and port == 0):
        return None
    return default_directory() / f"{node}-{port}.db" if named == "auto" else Path(named)


def default_directory() -> Path:
    """Return the folder that holds the stores of this machine's agents."""
    return state_directory() / "logs"


class OwnedStore:
    """A store that this process locks, so that no other process writes to it."""

    def __init__(self, place: Path, limits: Limits) -> None:
        """Raise OSError or sqlite3.Error if the store cannot be locked or opened."""
        place.parent.mkdir(parents=True, exist_ok=True)
        self._lock: IO[bytes] = open(f"{place}.lock", "ab")  # noqa: SIM115 - held until `close`
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise OSError("another agent writes to it; set log_store.file to another") from None
        self._writer = StoreWriter(place, limits)

    def append(self, lines: Sequence[bytes]) -> bool:
        """Store all lines or none; return True if they were stored."""
        return self._writer.append(lines)

    def close(self) -> None:
        """Close and unlock the store."""
        with contextlib.suppress(OSError):
            self._writer.close()
            self._lock.close()
