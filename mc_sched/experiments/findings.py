"""The results of an experiment (a report, rows, tables, figures) and their files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mc_sched.errors import UserError

SCHEMA = "mc-sched/experiment/2"
Table = list[tuple[str, ...]]
"""Rows of text; the first one holds the column heads."""


@dataclass(frozen=True)
class Figure:
    """A figure of an experiment; `draw` writes its file in the format of the suffix."""

    name: str
    caption: str
    draw: Callable[[Path], None]


@dataclass(frozen=True)
class Findings:
    """The results of one experiment."""

    name: str
    title: str
    report: dict[str, Any]
    """All results, for `--output json`."""
    table: Table
    more_tables: Sequence[tuple[str, Table]] = ()
    """Further tables with their titles."""
    notes: Sequence[str] = ()
    """Sentences that explain the table."""
    rows: Sequence[dict[str, Any]] = ()
    """Rows of the CSV file; without rows there is no file."""
    figures: Sequence[Figure] = field(default_factory=tuple)

    def full_report(self) -> dict[str, Any]:
        """Return the report with its name and schema."""
        return {"schema": SCHEMA, "experiment": self.name, **self.report}


def make_folder(folder: Path) -> Path:
    """Create the folder and check before the work that files can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--out {folder}: cannot write to it: {error.strerror}") from None
    return folder


def write_findings(findings: Findings, folder: Path) -> None:
    """Write NAME.json, NAME.csv, and each figure as .png and .pdf."""
    text = json.dumps(findings.full_report(), indent=1)
    (folder / f"{findings.name}.json").write_text(text + "\n", encoding="utf-8")
    if findings.rows:
        _write_csv(findings.rows, folder / f"{findings.name}.csv")
    for figure in findings.figures:
        for suffix in (".png", ".pdf"):
            figure.draw(folder / f"{figure.name}{suffix}")


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the rows; the values of a list are separated by spaces."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(value) for k, value in row.items()})


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
