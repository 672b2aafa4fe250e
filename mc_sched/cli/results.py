"""`--results FILE`: one JSON line per frame."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

from mc_sched.errors import UserError
from mc_sched.obs.report.summary import TaskResult, result_row


@contextlib.contextmanager
def results_file(path: str | None) -> Iterator[list[TaskResult]]:
    """A list whose results are written to `path` (None: nowhere) at the end, however it comes.

    The file is opened at once: better a word before the run than no results behind it. Raises
    UserError if it cannot be written.
    """
    with _told(path):
        file = open(path or os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed below
    results: list[TaskResult] = []
    try:
        yield results
    finally:
        with _told(path), file:
            file.writelines(json.dumps(result_row(result)) + "\n" for result in results)


@contextlib.contextmanager
def _told(path: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"--results {path}: cannot be written: {error.strerror}") from None
