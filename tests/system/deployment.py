"""Real processes for the system tests: agents, links, commands.

Deadlines are seconds and rates are low, so that the tests also pass on a slow, busy machine.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from grpc_health.v1 import health_pb2, health_pb2_grpc
from mc_models.bundle.files import SHIPPED as BUNDLES
from mc_models.bundle.load import load_bundle
from mc_proto.channel import connect

from mc_sched.client import Constraints, EdgeClient
from mc_sched.obs.log.event_log import read_log
from mc_sched.testbed import Testbed

PATIENCE_S = 60.0
"""Longest wait for an expected event; a busy machine needs a few seconds."""
GONE_S = 20.0
"""Longest time for a process to exit after SIGTERM."""
GENEROUS = 5.0
"""A deadline in seconds that even a busy machine meets."""
BUNDLE = "set-a"
SHIPPED = BUNDLES / BUNDLE
TABLE = load_bundle(BUNDLE, verify=False)
LOCAL_WILL_DO = TABLE.local.top5 - 0.05
CLOUD_ONLY = (TABLE.local.top5 + TABLE.exits[-1].top5["jpeg"]) / 2
"""QoR that the local net reaches, and one that only the cloud net reaches."""
KEYS = {"cloud": "", "edge": "energy: {compute_w: 200}\nmargin: 300ms\n"}
"""Configuration per agent: the local net costs so much energy that energy mode always prefers the
cloud, and a fallback starts so early that a busy machine has time for it."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def until(condition, patience_s=PATIENCE_S):
    """Wait until the condition holds, and return its value; it may be a coroutine function."""
    start = time.monotonic()
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() - start < patience_s, "the condition never came true"
        await asyncio.sleep(0.05)


# --- commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def sentence(self):
        """Return the error line, and assert that there is nothing else but usage on stderr."""
        assert "Traceback" not in self.err + self.out
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if not line.startswith(("usage:", " "))]
        assert len(lines) == 1, self.err
        return lines[0]


def run(module, *args, patience_s=PATIENCE_S):
    """Run `python -m module` to its end."""
    command = [sys.executable, "-m", module, *map(str, args)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=patience_s, stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )  # fmt: skip
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def mc_sched(*args, patience_s=PATIENCE_S):
    """Run the `mc-sched` command to its end."""
    return run("mc_sched.cli", *args, patience_s=patience_s)


# --- processes --------------------------------------------------------------------------------


class Daemon:
    """An agent process; an async context manager that starts and kills it."""

    def __init__(self, module, directory, *options):
        self._command = [sys.executable, "-m", module, *map(str, options)]
        self._stderr = directory / f"{module}.{time.monotonic_ns()}.stderr"
        self.address = ""

    async def __aenter__(self):
        with self._stderr.open("wb") as file:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=subprocess.DEVNULL, stderr=file, start_new_session=True
            )
        try:
            await until(lambda: "serving on " in self.stderr or self.process.returncode is not None)
            assert self.process.returncode is None, self.stderr
        except BaseException:
            await self.__aexit__()
            raise
        self.address = self.stderr.partition("serving on ")[2].split()[0]
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    @property
    def stderr(self):
        return self._stderr.read_text()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self):
        """Wait for the exit, within the time that a service manager allows."""
        return await asyncio.wait_for(self.process.wait(), GONE_S)


def edge_daemon(directory, profiles, cloud, bundle=BUNDLE, **keys):
    """An edge agent on a free port, with these keys in its configuration."""
    config = directory / f"edge-{time.monotonic_ns()}.yaml"
    keys = {"profile": profiles / f"edge-{Path(bundle).name}.json", **keys}
    config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    options = ("--listen", "127.0.0.1:0", "--cloud", cloud, "--bundle", bundle)
    return Daemon("edge_agent", directory, "--config", config, *options)


def cloud_daemon(directory, profiles, *options, keys=""):
    """A cloud agent on a free port, with these lines in its configuration."""
    config = directory / "cloud-by-itself.yaml"
    config.write_text(f"profile: {profiles / 'cloud.json'}\n{keys}")
    return Daemon("cloud_agent", directory, "--config", config, "--listen", "127.0.0.1:0", *options)


# --- streams ----------------------------------------------------------------------------------


class Stream:
    """A stream of frames to an edge agent, and the answers so far."""

    def __init__(self, address, frames, count, fps, demands, ids=None):
        ids = ids or [f"{demands.stream_id}-{number:03d}" for number in range(count)]
        self.batch = [(task_id, frames[n % len(frames)]) for n, task_id in enumerate(ids)]
        self.answers = []
        due_s = [number / fps for number in range(count)]
        self._job = asyncio.create_task(self._go(address, due_s, demands))

    async def _go(self, address, due_s, demands):
        async with EdgeClient(address) as client:
            async for answer in client.stream(self.batch, due_s, demands, patient=True):
                self.answers.append(answer)

    async def answered(self, count):
        """Wait for this many answers."""
        await until(lambda: len(self.answers) >= count or self._job.done())

    async def ended(self):
        """Wait for the end of the stream."""
        await asyncio.wait_for(self._job, PATIENCE_S)

    async def outcomes(self):
        """Return all outcomes; assert that each frame got exactly one from the agent."""
        await self.ended()
        outcomes = [answer.outcome for answer in self.answers]
        assert sorted(o.task_id for o in outcomes) == sorted(task_id for task_id, _ in self.batch)
        by_client = [o.reason for o in outcomes if o.reason.startswith("the edge agent")]
        assert by_client == []
        return outcomes

    async def leave(self):
        """Cancel the stream before its end."""
        self._job.cancel()
        await asyncio.wait([self._job])


def kinds(outcomes):
    """Number of outcomes by kind."""
    return Counter(outcome.kind.value for outcome in outcomes)


def sites(outcomes):
    """Number of outcomes by the site that answered."""
    return Counter(outcome.site.value for outcome in outcomes if outcome.site)


def demand(stream_id, accuracy=LOCAL_WILL_DO, deadline_s=GENEROUS, mode="energy", policy=""):
    return Constraints(int(deadline_s * 1e9), accuracy, mode, policy, stream_id=stream_id)


# --- deployments ------------------------------------------------------------------------------


class Deployment(Testbed):
    """A testbed whose agents share stored profiles, and which can be repaired after a test."""

    def __init__(self, directory, profiles, frames):
        options = {}
        for node in ("edge", "cloud"):
            config = directory / f"{node}.yaml"
            config.write_text(f"profile: {profiles / node}.json\n" + KEYS[node])
            options[f"{node}_options"] = ("--config", str(config))
        super().__init__(link="wifi", directory=directory, **options)
        self.frames = frames
        self._intact = {"cloud": True, "link": True}

    async def kill_cloud(self):
        self._intact["cloud"] = False
        await super().kill_cloud()

    async def start_cloud(self):
        await super().start_cloud()
        self._intact["cloud"] = True

    async def _control_link(self, line):
        self._intact["link"] = line in ("restore", "kind wifi")
        await super()._control_link(line)

    async def mend(self):
        """Repair everything that a test has broken, and wait until the edge has noticed."""
        if not self._intact["cloud"]:
            await self.start_cloud()
        if not self._intact["link"]:
            await self.restore_link()
            await self.set_link("wifi")
        await self.cloud_is("up")

    async def status(self):
        return await status(self.edge_address)

    async def cloud_is(self, state):
        """Wait until the edge reports this state of the cloud, and return its status."""

        async def seen():
            status = await self.status()
            return status if status.cloud == state else None

        return await until(seen)

    def stream(self, stream_id, count=20, fps=10, **demands):
        """Start a stream."""
        return Stream(self.edge_address, self.frames, count, fps, demand(stream_id, **demands))

    async def uses_the_cloud(self):
        """Wait until the cloud answers tasks that may run on either site."""

        async def seen():
            stream = self.stream(f"try-{time.monotonic_ns()}", count=4)
            return sites(await stream.outcomes())["cloud"]

        return await until(seen)

    async def edge_log_of(self, stream_id):
        """Return the edge's log records of one stream's tasks, after they have been written."""
        await asyncio.sleep(0.6)
        records = read_log(self.edge_log)
        return [r for r in records if r.get("task_id", "").startswith(f"{stream_id}-")]


async def status(address):
    """Return the status of an edge agent."""
    async with EdgeClient(address) as client:
        return await client.status()


async def health(address, service=""):
    """Return the state that an agent's health service reports."""
    async with connect(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return (await stub.Check(request, timeout=PATIENCE_S, wait_for_ready=True)).status
