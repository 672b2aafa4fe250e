"""Lets Python import the compiled modules, if there is a current build."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from mc_sched.compiled.sources import ROOT, build_folder, digest, module_names

DIGEST = "digest"
"""Name of the file in a build that holds the digest of its sources."""


class CompiledFinder(MetaPathFinder):
    """Finds the modules of one build before Python finds their sources."""

    def __init__(self, build: Path) -> None:
        suffix = EXTENSION_SUFFIXES[0]
        self._found = {
            ".".join(path.relative_to(build).parts).removesuffix(suffix): str(path)
            for path in build.rglob(f"*{suffix}")
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the location of the compiled module, or None."""
        found = self._found.get(fullname)
        if found is None:
            return None
        loader = ExtensionFileLoader(fullname, found)
        return spec_from_file_location(fullname, found, loader=loader)


def is_fresh(build: Path, root: Path = ROOT) -> bool:
    """Return True if the build was made from the current sources."""
    stamp = build / DIGEST
    return stamp.is_file() and stamp.read_text(encoding="ascii") == digest(root)


def use_build() -> None:
    """Import compiled modules from now on, if there is a current build.

    Do nothing if any of them is imported already, as compiled and plain modules cannot be mixed.
    """
    if is_fresh(build_folder()) and sys.modules.keys().isdisjoint(module_names()):
        sys.meta_path.insert(0, CompiledFinder(build_folder()))


def in_use() -> bool:
    """Return True if this process imports compiled modules."""
    return any(isinstance(finder, CompiledFinder) for finder in sys.meta_path)
