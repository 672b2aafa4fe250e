"""Where an agent keeps what has to outlive it."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """What the service manager gave us, or the user's own: `~/.local/state/mc-sched`."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mc-sched"
