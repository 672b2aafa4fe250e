"""A build is used only if it was made from the current sources."""

import shutil
import sys

import pytest

from mc_sched.compiled import finder
from mc_sched.compiled.finder import DIGEST, CompiledFinder, in_use, is_fresh, use_build
from mc_sched.compiled.sources import PLAIN, ROOT, compiled_files, digest


@pytest.fixture
def checkout(tmp_path):
    """Make a copy of the sources, and a build folder with their digest."""
    shutil.copytree(ROOT / "mc_sched", tmp_path / "mc_sched")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / DIGEST).write_text(digest(tmp_path))
    return tmp_path


def edit(path):
    path.write_text(path.read_text() + "\n# edited\n")


def test_a_build_of_the_current_sources_is_fresh(checkout):
    assert is_fresh(checkout / "build", checkout)
    assert digest(checkout) == digest(ROOT)


@pytest.mark.parametrize(
    "name", ["mc_sched/core/edge/machine.py", sorted(PLAIN)[0], "mc_sched/compiled/expand.py"]
)
def test_an_edit_makes_it_stale(checkout, name):
    edit(checkout / name)
    assert not is_fresh(checkout / "build", checkout)


def test_a_new_file_makes_it_stale(checkout):
    (checkout / "mc_sched" / "core" / "new.py").write_text("")
    assert not is_fresh(checkout / "build", checkout)


def test_an_edit_elsewhere_does_not(checkout):
    edit(checkout / "mc_sched" / "cli" / "main.py")
    assert is_fresh(checkout / "build", checkout)


def test_a_missing_or_incomplete_build_is_not_fresh(checkout):
    (checkout / "build" / DIGEST).unlink()
    assert not is_fresh(checkout / "build", checkout)
    assert not is_fresh(checkout / "none", checkout)


def test_the_finder_finds_only_modules_of_its_build(tmp_path):
    path = tmp_path / "some" / f"module{finder.EXTENSION_SUFFIXES[0]}"
    path.parent.mkdir()
    path.touch()
    found = CompiledFinder(tmp_path)
    assert found.find_spec("some.module").origin == str(path)
    assert found.find_spec("some.other") is None


def test_compiled_and_plain_modules_do_not_mix(checkout, monkeypatch):
    monkeypatch.setattr(finder, "build_folder", lambda: checkout / "build")
    monkeypatch.setattr(finder, "is_fresh", lambda build: True)
    monkeypatch.setitem(sys.modules, "mc_sched.core.edge.machine", sys)
    use_build()
    assert not in_use()


def test_core_and_simulator_are_compiled():
    files = compiled_files()
    assert {"mc_sched/core/edge/machine.py", "mc_sched/sim/world.py"} < set(files)
    assert not PLAIN & set(files)


def test_no_package_of_the_core_is_left_out():
    """A package that `FOLDERS` lacks would run as plain Python, and slower without an error."""
    core = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mc_sched/core").rglob("*.py")}
    modules = {name for name in core if not name.endswith("/__init__.py")}
    assert modules - PLAIN < set(compiled_files())


def test_every_file_that_stays_plain_exists():
    assert [name for name in sorted(PLAIN) if not (ROOT / name).is_file()] == []
