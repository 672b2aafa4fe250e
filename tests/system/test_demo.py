"""`mc-sched demo` as a person or a script runs it, and its agents' logs afterwards."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from mc_sched.obs.log.event_log import read_log
from mc_sched.obs.replay import replay
from tests.signals import children_can_be_interrupted
from tests.system.deployment import PATIENCE_S, Ran

pytestmark = pytest.mark.system

SCRIPT = Path(sys.executable).with_name("mc-sched")
COMMAND = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "mc_sched.cli"]
FRAMES = 24
MANY_FRAMES = 600


@dataclass(frozen=True)
class Demo(Ran):
    """A finished demo and its logs."""

    logs: Path

    @property
    def summary(self):
        """The summary, the only object on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    def records(self, node):
        return list(read_log(self.logs / f"{node}.jsonl"))

    def addresses(self):
        """Ports that its processes listened on."""
        errors = "".join(path.read_text() for path in self.logs.glob("*.stderr"))
        return re.findall(r"127\.0\.0\.1:(\d+)", errors)


def start(logs, *options):
    """A demo as a child process."""
    command = [*COMMAND, "demo", "--output", "json", "--keep-logs", logs, *options]
    path = logs.parent / f"{logs.name}.stderr"
    with path.open("w") as stderr, children_can_be_interrupted():
        return subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stderr, text=True,
        )  # fmt: skip


def ended(process, logs):
    out, _ = process.communicate(timeout=2 * PATIENCE_S)
    err = (logs.parent / f"{logs.name}.stderr").read_text()
    return Demo(process.returncode, out, err, logs)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A complete demo, with a deadline of one second, which a busy machine meets."""
    logs = tmp_path_factory.mktemp("demo") / "logs"
    return ended(start(logs, "--frames", FRAMES, "--deadline", "1s"), logs)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A demo over 3G that was interrupted with Ctrl-C after some frames."""
    logs = tmp_path_factory.mktemp("interrupted") / "logs"
    process = start(logs, "--frames", MANY_FRAMES, "--link", "3g", "--deadline", "100ms")
    log = logs / "edge.jsonl"
    begun = time.monotonic()
    while not log.exists() or log.read_text().count('"performance-') < 100:
        assert process.poll() is None, (logs.parent / "logs.stderr").read_text()
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    return ended(process, logs)


def test_a_demo_prints_one_object_and_exits_well(demo):
    assert demo.code == 0
    assert "Traceback" not in demo.err
    summary = demo.summary
    assert summary["schema"] == "mc-sched/summary/2"
    assert (summary["tasks"], sum(summary["outcomes"].values())) == (FRAMES, FRAMES)
    assert summary["link"] == "wifi"


def test_a_demo_shows_both_modes(demo):
    modes = demo.summary["modes"]
    assert list(modes) == ["performance", "energy"]
    for name, summary in modes.items():
        assert (summary["mode"], summary["tasks"]) == (name, FRAMES // 2)
    assert modes["performance"]["sites"]["edge"] > 0
    assert sum(demo.summary["sites"].values()) == FRAMES


def test_a_demo_uses_both_sites(demo):
    """Not strict, as it depends on the current speed of the machine."""
    assert demo.summary["sites"]["cloud"] > 0


def test_every_frame_of_a_demo_has_one_outcome_in_the_log(demo):
    finished = Counter(r["task_id"] for r in demo.records("edge") if r["name"] == "Finish")
    assert set(finished.values()) == {1}
    assert sum(not task_id.startswith("warm-") for task_id in finished) == FRAMES


def test_an_interrupted_demo_prints_what_it_has_and_exits_130(interrupted):
    assert interrupted.code == 130
    assert "Traceback" not in interrupted.err
    summary = interrupted.summary
    assert 0 < summary["tasks"] < MANY_FRAMES
    assert summary["modes"]["performance"]["tasks"] == summary["tasks"]
    assert summary["modes"]["energy"]["tasks"] == 0


@pytest.mark.parametrize("which", ["demo", "interrupted"])
def test_a_demo_leaves_no_process_behind(which, request):
    ports = request.getfixturevalue(which).addresses()
    assert len(ports) >= 3
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def test_over_3g_the_frames_stay_on_the_device(interrupted):
    summary = interrupted.summary
    assert summary["sites"]["cloud"] == 0
    assert summary["sites"]["edge"] > 0


@pytest.mark.parametrize("which", ["demo", "interrupted"])
@pytest.mark.parametrize("node", ["edge", "cloud"])
def test_an_agents_log_replayed_through_the_core_gives_the_same_actions(which, node, request):
    steps = list(replay(request.getfixturevalue(which).records(node)))
    assert len(steps) > 2
    assert [step for step in steps if not step.same] == []
    assert [step.error for step in steps if step.error] == []


def test_the_console_script_is_installed():
    assert shutil.which("mc-sched", path=str(SCRIPT.parent))
