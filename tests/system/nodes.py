"""Complete nodes on this machine: Debian booted by systemd-nspawn, each in a network namespace.

debootstrap creates a Debian root once and keeps it in a cache (`MC_SCHED_TEST_CACHE`, else
/var/cache/mc-sched-test). Each node is an overlay on it, which is deleted after the run.
scripts/install-node installs the project into both. The packages come from the environment of this
test run, which is mounted read-only, so that torch is neither copied nor downloaded.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
CACHE = Path(os.environ.get("MC_SCHED_TEST_CACHE", "/var/cache/mc-sched-test"))
SUITE = "bookworm"
"""Debian 12, whose Python is 3.11."""
DEBIAN_PYTHON = (3, 11)
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,iproute2,procps"
ON_NODE = "/opt/packages"
"""Path of this environment's site-packages on a node."""
PATIENCE_S = 120.0
SHARED = "/run/shared"
"""Path of the test's own directory on a node."""


def obstacle(directory):
    """Return why no node can be booted with its root in `directory`; "" if one can."""
    if os.geteuid() != 0:
        return "booting nodes needs root"
    for tool in ("systemd-nspawn", "debootstrap", "nsenter", "ip", "tc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed; .ci/run installs it"
    if sys.version_info[:2] != DEBIAN_PYTHON:
        return f"this Python is not {'.'.join(map(str, DEBIAN_PYTHON))}, {SUITE}'s"
    trial = f"mc-try-{os.getpid()}"
    layers = [directory / f"{trial}-{name}" for name in ("lower", "upper", "work", "root")]
    for layer in layers:
        layer.mkdir()
    lower, upper, work, root = layers
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    for made, unmake in (
        (("ip", "netns", "add", trial), ("ip", "netns", "delete", trial)),
        (("mount", "-t", "overlay", "overlay", "-o", options, root), ("umount", root)),
    ):
        tried = _try(*made)
        if tried.returncode != 0:
            return f"{made[0]} is not permitted: {tried.stderr.strip()}"
        _try(*unmake)
    return ""


def _try(*command, **options):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, **options
    )


def sh(*command, **options):
    """Run a command on this machine and return its stdout."""
    ran = _try(*command, **options)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}: {ran.stderr}{ran.stdout}"
    return ran.stdout


def until(condition, patience_s=PATIENCE_S, what="it"):
    """Wait until the condition holds, and return its value."""
    end_s = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end_s, f"{what} never came true"
        time.sleep(0.2)
    return found


def debian_root():
    """Return the cached Debian root, and create it if missing, which takes about a minute."""
    root = CACHE / f"{SUITE}-1"
    if not root.exists():
        making = CACHE / f"{SUITE}.making.{os.getpid()}"
        making.parent.mkdir(parents=True, exist_ok=True)
        include = f"--include={PACKAGES}"
        made = _try("debootstrap", "--variant=minbase", include, SUITE, making)
        if made.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            pytest.skip(f"debootstrap cannot create a Debian root: {made.stdout[-300:]}")
        making.rename(root)
    return root


def wheel(directory, version=None):
    """Build a wheel of this checkout, with another version if one is given."""
    source = directory / f"source-{version}"
    listed = sh("git", "-C", REPO, "ls-files", "-z", "-co", "--exclude-standard")
    for name in listed.strip("\0").split("\0"):
        if not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, source / name)
    if version is not None:
        for name in ("pyproject.toml", "mc_sched/__init__.py"):
            text = (source / name).read_text()
            pattern = r'^((?:__)?version(?:__)? = )"[^"]+"'
            (source / name).write_text(re.sub(pattern, rf'\1"{version}"', text, flags=re.M))
    out = directory / f"wheel-{version}"
    sh(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, source)
    (found,) = out.glob("*.whl")
    return found


class Node:
    """A node: a root, a network namespace and a booted system."""

    def __init__(self, kind, directory, shared, address, peer):
        self.kind, self.address, self.peer = kind, address, peer
        self.unit = f"mc-{kind}-agent.service"
        self.directory = directory / kind
        self.root = self.directory / "root"
        self.state = directory / f"{kind}-state"
        """Mount point of the agent's state; the disk is small, so that a test can fill it."""
        self.netns = f"mc-{kind}-{os.getpid()}"
        self.link = f"mc{kind[0]}{os.getpid()}"
        self._shared = shared
        self._machine = None

    # --- creation and removal ---------------------------------------------------------------

    def make(self, base, built):
        """Create the root, with the agent installed and enabled."""
        for name in ("up", "work", "root"):
            (self.directory / name).mkdir(parents=True)
        layers = f"lowerdir={base},upperdir={self.directory}/up,workdir={self.directory}/work"
        sh("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        (self.root / ON_NODE[1:]).mkdir()
        sh("mount", "--bind", "-o", "ro", sysconfig.get_path("purelib"), self.root / ON_NODE[1:])
        self._make_state_disk()
        (self.root / "etc/hostname").write_text(f"{self.kind}\n")
        options = ("--packages", ON_NODE, "--wheel", built, "--gpu", "none")
        sh(REPO / "scripts/install-node", self.kind, "--root", self.root, *options)

    def _make_state_disk(self):
        image = self.directory / "state.ext4"
        sh("truncate", "--size", "64M", image)
        sh("mkfs.ext4", "-q", image)
        self.state.mkdir()
        sh("mount", "-o", "loop", image, self.state)
        self.state.chmod(0o700)  # as systemd wants /var/lib/private

    def unmake(self):
        """Remove everything but the directory."""
        self.cut_power()
        _try("ip", "netns", "delete", self.netns)
        for mounted in (self.root / ON_NODE[1:], self.root, self.state):
            _try("umount", "--lazy", mounted)

    def configure(self, text):
        """Write the agent's configuration."""
        (self.root / f"etc/mc-sched/{self.kind}.yaml").write_text(text)

    # --- power ------------------------------------------------------------------------------

    def boot(self):
        """Boot, and wait until systemd responds."""
        command = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
            f"--network-namespace-path=/run/netns/{self.netns}", f"--directory={self.root}",
            f"--machine=mc-{self.kind}", "--console=pipe", "--link-journal=no",
            f"--bind-ro={sysconfig.get_path('purelib')}:{ON_NODE}",
            f"--bind-ro={REPO}:/opt/source", f"--bind={self.state}:/var/lib/private",
            f"--bind={self._shared}:{SHARED}",
        ]  # fmt: skip
        with (self.directory / "console").open("ab") as console:
            self._machine = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        until(lambda: self._leader() is not None, what=f"{self.kind}: a first process")
        until(lambda: self._try("systemctl", "is-system-running").stdout.strip(), what="systemd")

    def cut_power(self):
        """Kill the node at once."""
        if self._machine is not None:
            leader = self._leader()
            if leader is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(leader, 9)
            self._machine.kill()
            self._machine.wait()
            self._machine = None

    def reboot(self):
        """Reboot in an orderly way, as an operator would."""
        self._try("systemctl", "reboot")
        self._machine.wait(timeout=PATIENCE_S)
        self._machine = None
        self.boot()

    def _leader(self):
        """Return the process id of the node's first process on this machine."""
        assert self._machine is not None, f"{self.kind} has no power"
        assert self._machine.poll() is None, self.console()
        children = _try("pgrep", "--parent", self._machine.pid).stdout.split()
        return int(children[0]) if children else None

    def console(self):
        """Return the end of the console output."""
        return (self.directory / "console").read_text(errors="replace")[-3000:]

    # --- commands and state -----------------------------------------------------------------

    def _enter(self, *command):
        return ("nsenter", "--all", "--target", str(self._leader()), "env", "-i",
                "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "COLUMNS=200",
                *map(str, command))  # fmt: skip

    def _try(self, *command):
        return _try(*self._enter(*command))

    def sh(self, *command):
        """Run a command on the node and return its stdout."""
        ran = self._try(*command)
        assert ran.returncode == 0, f"{self.kind}: {command}: {ran.stderr}{ran.stdout}"
        return ran.stdout

    def start(self, *command):
        """Start a command on the node."""
        return subprocess.Popen(
            self._enter(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def unit_property(self, name):
        """Return one property of the agent's unit."""
        return self._try("systemctl", "show", "--value", "-p", name, self.unit).stdout.strip()

    @property
    def serves(self):
        """True if the service manager reports that the agent is ready."""
        return (
            self.unit_property("ActiveState") == "active"
            and self.unit_property("SubState") == "running"
        )

    def comes_back(self, after, patience_s=PATIENCE_S):
        """Wait until another process of the agent than `after` is ready."""
        until(
            lambda: self.serves and self.unit_property("MainPID") not in ("0", after),
            patience_s, f"{self.kind}: a new agent: {self.journal()[-1500:]}",
        )  # fmt: skip

    def signal(self, name):
        """Send a signal to the agent's process and return its id."""
        pid = self.unit_property("MainPID")
        self.sh("kill", f"-{name}", pid)
        return pid

    def journal(self):
        """Return the agent's journal over all boots."""
        return self._try("journalctl", "--no-pager", "-o", "cat", "-u", self.unit).stdout

    @property
    def event_log(self):
        """Path of the agent's event log on this machine."""
        return self.state / "mc-sched/events.jsonl"

    def logged(self, name):
        """Count the records of this name in the agent's event log."""
        pattern = f'"name":"{name}"'.encode()
        return self.event_log.read_bytes().count(pattern) if self.event_log.exists() else 0

    def status(self):
        """Return the output of `mc-sched status` on the node; {} while no agent answers."""
        ran = self._try("mc-sched", "status", "--output", "json")
        return json.loads(ran.stdout) if ran.returncode == 0 else {}
