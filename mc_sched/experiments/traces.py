"""Recorded links: pairs of Mahimahi files NAME.up and NAME.down in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mc_sched.errors import UserError
from mc_sched.link.mahimahi import read_trace

GENERATED = Path(__file__).parents[2] / "configs" / "scenarios" / "traces"
"""Generated traces, in the repository only; an installed package has none."""
Kind = Literal["wifi", "4g", "3g"]
_WORDS: tuple[tuple[str, Kind], ...] = (
    ("wifi", "wifi"), ("umts", "3g"), ("hspa", "3g"), ("3g", "3g"),
)  # fmt: skip


@dataclass(frozen=True)
class TracePair:
    """The recording of one link in both directions."""

    up: Path
    down: Path

    @property
    def name(self) -> str:
        """Common name of its files."""
        return self.up.stem

    @property
    def kind(self) -> Kind:
        """Kind of the link, from its name; 4g if the name does not contain a kind.

        A trace holds rates only. The round trip and the radio's power are those of the kind.
        """
        words = self.name.lower()
        return next((kind for word, kind in _WORDS if word in words), "4g")


def all_traces(given: Path | None) -> tuple[TracePair, ...]:
    """Return the generated trace of configs/scenarios, if it is there, and the user's own."""
    own = () if given is None else trace_pairs(given)
    return (*(trace_pairs(GENERATED) if GENERATED.is_dir() else ()), *own)


def trace_pairs(folder: Path) -> tuple[TracePair, ...]:
    """Return the pairs of a folder by name; UserError names a missing file or an invalid line."""
    if not folder.is_dir():
        raise UserError(f"--traces {folder}: the folder does not exist")
    pairs = tuple(TracePair(up, up.with_suffix(".down")) for up in sorted(folder.glob("*.up")))
    if not pairs:
        raise UserError(f"--traces {folder}: has no file NAME.up; use a folder of Mahimahi traces")
    for pair in pairs:
        if not pair.down.is_file():
            raise UserError(f"--traces {folder}: {pair.down.name} is missing beside {pair.up.name}")
        for file in (pair.up, pair.down):
            read_trace(str(file))
    return pairs
