"""The forms of progress callbacks of long work: rendering, training, measuring."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with the number of items done and their total."""

OnStep = Callable[[int, int, float], None]
"""Called after each training step with the steps done, their total, and the loss."""

OnStageProgress = Callable[[str, int, int, float | None], None]
"""Called with the stage of the work, the amount done, the total, and a training loss or None."""
