"""An evaluation as plain values for JSON, and as JSON and CSV files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mc_models.evaluation.accuracy import Evaluation

JSON_FILE, ACCURACY_FILE, CONFUSION_FILE = "evaluation.json", "accuracy.csv", "confusion.csv"


def as_values(result: Evaluation) -> dict[str, Any]:
    """The evaluation as a JSON object: shares in [0, 1], and counts of images in the matrices."""
    return {
        "schema": "mc-sched/evaluation/1",
        "bundle": result.bundle,
        "codec": result.codec,
        "images": result.images,
        "unreadable": list(result.unreadable),
        "rows": [
            {
                "name": row.name,
                "top1": round(row.measured.top1, 6),
                "top5": round(row.measured.top5, 6),
                "stored_top5": round(row.stored.top5, 6),
                "difference": round(row.top5_difference, 6),
                "ece_before": round(row.ece_before, 6),
                "ece_after": round(row.ece_after, 6),
            }
            for row in result.rows
        ],
        "only_right": {
            "outputs": [row.name for row in result.rows],
            "top1": [list(counts) for counts in result.confusion.top1],
            "top5": [list(counts) for counts in result.confusion.top5],
        },
    }


def write_evaluation(result: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Write a JSON file and two CSV tables into `folder`; return the paths. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    values = as_values(result)
    text = json.dumps(values, indent=1) + "\n"
    (folder / JSON_FILE).write_text(text, encoding="utf-8")
    rows = values["rows"]
    _write_csv(folder / ACCURACY_FILE, [*rows[0]], (row.values() for row in rows))
    names = values["only_right"]["outputs"]
    header = ["ranks", "right", *(f"not {name}" for name in names)]
    counts = (
        [ranks, name, *line]
        for ranks in ("top1", "top5")
        for name, line in zip(names, values["only_right"][ranks], strict=True)
    )
    _write_csv(folder / CONFUSION_FILE, header, counts)
    return tuple(folder / name for name in (JSON_FILE, ACCURACY_FILE, CONFUSION_FILE))


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(header)
        table.writerows(rows)
