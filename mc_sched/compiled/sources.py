"""What is compiled, and where a build of it lies."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the checkout."""
FOLDERS = (
    "mc_sched/core",
    "mc_sched/core/edge",
    "mc_sched/core/cloud",
    "mc_sched/core/energy",
    "mc_sched/core/forecasts",
    "mc_sched/core/policies",
    "mc_sched/core/policies/baselines",
    "mc_sched/core/predictors",
    "mc_sched/sim",
)
FILES = (
    "mc_sched/link/model.py",
    "mc_sched/obs/report/running_summary.py",
    "mc_sched/obs/report/summary.py",
)
PLAIN = frozenset(
    (
        "mc_sched/core/value.py",  # what a decorator is has to be there at run time
        "mc_sched/core/energy/model.py",  # read as defaults of pydantic's fields:
        "mc_sched/core/settings.py",
        "mc_sched/sim/build.py",  # not asked for while a world runs:
        "mc_sched/sim/most_right.py",
        "mc_sched/sim/oracle.py",
        "mc_sched/sim/paper_class.py",
        "mc_sched/sim/what_if.py",
    )
)
"""Files of the folders that stay plain Python."""
_MAKERS = tuple(f"mc_sched/compiled/{name}.py" for name in ("build", "expand", "sources"))


def compiled_files(root: Path = ROOT) -> list[str]:
    """The files that are compiled, relative to the root, in order."""
    found = [
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in (root / folder).glob("*.py")
        if path.name != "__init__.py"
    ]
    return sorted({*found, *FILES} - PLAIN)


def module_names() -> set[str]:
    """What is compiled, as Python imports it."""
    return {name.removesuffix(".py").replace("/", ".") for name in compiled_files()}


def digest(root: Path = ROOT) -> str:
    """Of all that a build is made of: the compiled files, those that they read, how they are made.

    A compiled module knows where its neighbours keep their fields, so that one edit is an edit of
    all.
    """
    known = hashlib.sha256(sys.version.encode())
    for name in sorted({*compiled_files(root), *PLAIN, *_MAKERS}):
        known.update(f"\0{name}\0".encode())
        known.update((root / name).read_bytes())
    return known.hexdigest()


def builds(root: Path = ROOT) -> Path:
    """The folder of this Python's build."""
    return root / "build" / "compiled" / str(sys.implementation.cache_tag)
