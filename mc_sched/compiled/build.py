"""Makes a build: `python -m mc_sched.compiled.build`, called by `scripts/compile`.

The digest is written last, so an incomplete build is never used. The expanded sources stay in the
build, so that tracebacks of compiled code can show their lines.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from mc_sched.compiled.expand import expand
from mc_sched.compiled.finder import DIGEST, is_fresh
from mc_sched.compiled.sources import ROOT, build_folder, compiled_files, digest

GROUP = "mc_sched"
"""All modules are in one library, `mc_sched__mypyc`, so that calls between them are C calls."""
DIRECT = ("-fvisibility=hidden", "-fno-plt")
"""Without these, each such call and each call of Python's C API goes through a linker table."""


def main() -> None:
    """Make a build, unless there is a current one."""
    build = build_folder()
    if is_fresh(build):
        print(f"up to date: {build}", file=sys.stderr)
        return
    started_s = time.monotonic()
    files, current = compiled_files(), digest()
    print(f"compiling {len(files)} modules, about a minute", file=sys.stderr)
    shutil.rmtree(build, ignore_errors=True)
    _write_sources(build / "source", files)
    _compile(build / "source", files, build)
    (build / DIGEST).write_text(current, encoding="ascii")
    print(f"compiled in {time.monotonic() - started_s:.0f} s: {build}", file=sys.stderr)


def _write_sources(folder: Path, files: list[str]) -> None:
    """Copy the package to `folder` and expand the files that will be compiled."""
    shutil.copytree(
        ROOT / "mc_sched", folder / "mc_sched", ignore=shutil.ignore_patterns("static", "*.pyc")
    )
    for name in files:
        path = folder / name
        path.write_text(expand(path.read_text(encoding="utf-8")), encoding="utf-8")


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
