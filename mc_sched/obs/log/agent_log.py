"""An agent's log as its configuration wants it: a file, the store, both or neither."""

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
    """Where an agent's log store is, and how much it keeps."""

    file: str = "auto"
    max_size: Size = Field(default=Limits.max_bytes, ge=1_000_000)
    max_age: Duration = Field(default=Limits.max_age_ns, gt=0)


class AgentConfig(Protocol):
    """What this file needs of either agent's configuration."""

    @property
    def listen(self) -> str:
        """The agent's address."""

    @property
    def event_log(self) -> str | None:
        """A file for JSON lines."""

    @property
    def log_store(self) -> LogStoreConfig:
        """The store."""


def open_log(config: AgentConfig, node: str) -> EventLog:
    """The agent's event log. One that can have no store says so and goes on without."""
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
    """Where the agent's store is; None if it has none.

    An agent on a port that the system chose cannot be found again, so `auto` gives it none.
    """
    named, port = config.log_store.file, parse_address(config.listen)[1]
    if named == "none" or (named == "auto" and port == 0):
        return None
    return default_directory() / f"{node}-{port}.db" if named == "auto" else Path(named)


def default_directory() -> Path:
    """Where the stores of this machine's agents are."""
    return state_directory() / "logs"


class OwnedStore:
    """A store that no other process writes to, as long as this one does."""

    def __init__(self, place: Path, limits: Limits) -> None:
        """OSError or sqlite3.Error where it cannot be had."""
        place.parent.mkdir(parents=True, exist_ok=True)
        self._lock: IO[bytes] = open(f"{place}.lock", "ab")  # noqa: SIM115 - held until `close`
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise OSError("another agent writes to it; give this one its own log_store") from None
        self._writer = StoreWriter(place, limits)

    def append(self, lines: Sequence[bytes]) -> bool:
        """Store the lines; whether they were."""
        return self._writer.append(lines)

    def close(self) -> None:
        """Let go of the store."""
        with contextlib.suppress(OSError):
            self._writer.close()
            self._lock.close()
