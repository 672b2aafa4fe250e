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
    """Yield a list of results and write it to `path` at the end, even after an error.

    Without a path nothing is written. The file is opened first, so that a path that cannot be
    written is reported before the run and not after it. Raises UserError for such a path.
    """
    with _write_errors(path):
        file = open(path or os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed below
    results: list[TaskResult] = []
    try:
        yield results
    finally:
        with _write_errors(path), file:
            file.writelines(json.dumps(result_row(result)) + "\n" for result in results)


@contextlib.contextmanager
def _write_errors(path: str | None) -> Iterator[None]:
    """Turn an OSError into a UserError that names the option."""
    try:
        yield
    except OSError as error:
        raise UserError(f"--results {path}: cannot be written: {error.strerror}") from None
