"""What an experiment hands over: a report for programs, rows, lines for people, pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mc_sched.errors import UserError

SCHEMA = "mc-sched/experiment/1"
Table = list[tuple[str, ...]]
"""Rows of text under the first one, which holds the heads."""


@dataclass(frozen=True)
class Picture:
    """One picture of an experiment; `draw` makes its file, in the format that the suffix says."""

    name: str
    caption: str
    draw: Callable[[Path], None]


@dataclass(frozen=True)
class Findings:
    """What one experiment has found."""

    name: str
    title: str
    report: dict[str, Any]
    """For `--output json`; all that the rest is made from."""
    table: Table
    more: Sequence[tuple[str, Table]] = ()
    """Further tables, each behind what it shows."""
    notes: Sequence[str] = ()
    """Sentences that belong to the figures."""
    rows: Sequence[dict[str, Any]] = ()
    """For the CSV file; none, no file."""
    pictures: Sequence[Picture] = field(default_factory=tuple)

    def whole_report(self) -> dict[str, Any]:
        """The report with its name and version."""
        return {"schema": SCHEMA, "experiment": self.name, **self.report}


def prepared(folder: Path) -> Path:
    """The folder, made if need be: better a word before the work than no result behind it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be written: {error.strerror}") from None
    return folder


def write(findings: Findings, folder: Path) -> None:
    """NAME.json, NAME.csv, and each picture as .png and .pdf."""
    text = json.dumps(findings.whole_report(), indent=1)
    (folder / f"{findings.name}.json").write_text(text + "\n", encoding="utf-8")
    if findings.rows:
        _write_csv(findings.rows, folder / f"{findings.name}.csv")
    for picture in findings.pictures:
        for suffix in (".png", ".pdf"):
            picture.draw(folder / f"{picture.name}{suffix}")


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A list in a row is written with spaces between its values."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(value) for k, value in row.items()})


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
