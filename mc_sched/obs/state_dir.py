"""The folder for an agent's files that must survive a restart."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """Return the service manager's folder or, without one, `~/.local/state/mc-sched`."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mc-sched"
