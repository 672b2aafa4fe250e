"""Makes a build: `python -m mc_sched.compiled.build`, as `scripts/compile` calls it.

A build has no digest, and is not used, until all of it is there. The written-out sources stay in
it, so that a traceback of compiled code can show its lines.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from mc_sched.compiled.expand import expanded
from mc_sched.compiled.finder import DIGEST, is_fresh
from mc_sched.compiled.sources import ROOT, builds, compiled_files, digest

GROUP = "mc_sched"
"""All modules are in one library, `mc_sched__mypyc`: calls between them are C calls."""
DIRECT = ("-fvisibility=hidden", "-fno-plt")
"""Without these each such call, and each one into Python, goes through a table of the linker's."""


def main() -> None:
    """Build, unless a fresh build is there."""
    build = builds()
    if is_fresh(build):
        print(f"up to date: {build}", file=sys.stderr)
        return
    started_s = time.monotonic()
    files, made_of = compiled_files(), digest()
    print(f"compiling {len(files)} modules, about a minute", file=sys.stderr)
    shutil.rmtree(build, ignore_errors=True)
    _write_sources(build / "source", files)
    _compile(build / "source", files, build)
    (build / DIGEST).write_text(made_of, encoding="ascii")
    print(f"compiled in {time.monotonic() - started_s:.0f} s: {build}", file=sys.stderr)


def _write_sources(folder: Path, files: list[str]) -> None:
    """A copy of the package in which the files to be compiled have their values written out."""
    shutil.copytree(
        ROOT / "mc_sched", folder / "mc_sched", ignore=shutil.ignore_patterns("static", "*.pyc")
    )
    for name in files:
        path = folder / name
        path.write_text(expanded(path.read_text(encoding="utf-8")), encoding="utf-8")


def _compile(source: Path, files: list[str], build: Path) -> None:
    from mypyc.build import mypycify
    from setuptools import setup

    os.chdir(source)
    os.environ["MYPYPATH"] = str(source)
    extensions = mypycify(
        [
            "--explicit-package-bases",
            "--ignore-missing-imports",
            *(str(source / name) for name in files),
        ],
        opt_level="2",
        group_name=GROUP,
        target_dir=str(build / "c"),
    )
    for extension in extensions:
        extension.extra_compile_args.extend(DIRECT)
    folders = ["--build-lib", str(build), "--build-temp", str(build / "objects")]
    setup(
        name="mc-sched-compiled",
        packages=[],
        ext_modules=extensions,
        script_args=["--quiet", "build_ext", "--parallel", "2", *folders],
    )


if __name__ == "__main__":
    main()
