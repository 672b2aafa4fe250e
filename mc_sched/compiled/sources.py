"""The files that are compiled, and the folder of a build."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Root of the repository."""
FOLDERS = (
    "mc_sched/core",
    "mc_sched/core/edge",
    "mc_sched/core/cloud",
    "mc_sched/core/energy",
    "mc_sched/core/events",
    "mc_sched/core/forecasts",
    "mc_sched/core/policies",
    "mc_sched/core/policies/baselines",
    "mc_sched/core/predictors",
    "mc_sched/core/sharing",
    "mc_sched/sim",
)
FILES = (
    "mc_sched/link/model.py",
    "mc_sched/obs/report/running_summary.py",
    "mc_sched/obs/report/summary.py",
)
PLAIN = frozenset(
    (
        "mc_sched/core/value.py",  # the decorator is needed at run time
        "mc_sched/core/energy/model.py",  # pydantic reads these two for its defaults
        "mc_sched/core/settings.py",
        "mc_sched/sim/build.py",  # not used while a world runs, like the next four
        "mc_sched/sim/most_right.py",
        "mc_sched/sim/oracle.py",
        "mc_sched/sim/paper_networks.py",
        "mc_sched/sim/what_if.py",
    )
)
"""Files in these folders that stay plain Python."""
_MAKERS = tuple(f"mc_sched/compiled/{name}.py" for name in ("build", "expand", "sources"))


def compiled_files(root: Path = ROOT) -> list[str]:
    """Return the compiled files, relative to the root, sorted."""
    found = [
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in (root / folder).glob("*.py")
        if path.name != "__init__.py"
    ]
    return sorted({*found, *FILES} - PLAIN)


def module_names() -> set[str]:
    """Return the names of the compiled modules."""
    return {name.removesuffix(".py").replace("/", ".") for name in compiled_files()}


def digest(root: Path = ROOT) -> str:
    """Return the digest of the compiled files, of those that they read, and of the build's code.

    A compiled module depends on the layout of the others' fields, so there is one digest for all.
    """
    known = hashlib.sha256(sys.version.encode())
    for name in sorted({*compiled_files(root), *PLAIN, *_MAKERS}):
        known.update(f"\0{name}\0".encode())
        known.update((root / name).read_bytes())
    return known.hexdigest()


def build_folder(root: Path = ROOT) -> Path:
    """Return the folder of the build for this Python version."""
    return root / "build" / "compiled" / str(sys.implementation.cache_tag)
