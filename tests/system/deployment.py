"""Real processes for the system tests: agents, links, commands.

Deadlines are seconds and rates are low, so that what is tested stays true on a slow, busy machine.
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
"""How long a test waits for what has to happen; a busy machine needs a few seconds."""
GONE_S = 20.0
"""A process has to be gone this soon after SIGTERM."""
GENEROUS = 5.0
"""A deadline in seconds that no busy machine misses by itself."""
BUNDLE = "set-a"
SHIPPED = BUNDLES / BUNDLE
TABLE = load_bundle(BUNDLE, verify=False)
LOCAL_WILL_DO = TABLE.local.top5 - 0.05
CLOUD_ONLY = (TABLE.local.top5 + TABLE.exits[-1].top5["jpeg"]) / 2
"""QoR that the local net reaches, and one that only the cloud net reaches."""
KEYS = {"cloud": "", "edge": "energy: {compute_w: 200}\nmargin: 300ms\n"}
"""The local net is dear, so that energy mode surely prefers the cloud; and a fallback begins so
early that a busy machine has time for it."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def until(condition, patience_s=PATIENCE_S):
    """Wait for what has to come true; the condition may be a coroutine function."""
    start = time.monotonic()
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() - start < patience_s, "it never came true"
        await asyncio.sleep(0.05)


# --- commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def sentence(self):
        """The one line in which it said what is wrong; nothing else may be on stderr but usage."""
        assert "Traceback" not in self.err + self.out
        assert self.out == ""
        said = [line for line in self.err.splitlines() if not line.startswith(("usage:", " "))]
        assert len(said) == 1, self.err
        return said[0]


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
    """An agent that the test starts by itself; an async context manager."""

    def __init__(self, module, directory, *options):
        self._command = [sys.executable, "-m", module, *map(str, options)]
        self._said = directory / f"{module}.{time.monotonic_ns()}.stderr"
        self.address = ""

    async def __aenter__(self):
        with self._said.open("wb") as file:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=subprocess.DEVNULL, stderr=file, start_new_session=True
            )
        try:
            await until(lambda: "serving on " in self.said or self.process.returncode is not None)
            assert self.process.returncode is None, self.said
        except BaseException:
            await self.__aexit__()
            raise
        self.address = self.said.partition("serving on ")[2].split()[0]
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    @property
    def said(self):
        return self._said.read_text()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self):
        """How it ended, in time for a service manager."""
        return await asyncio.wait_for(self.process.wait(), GONE_S)


def edge_daemon(directory, profiles, cloud, bundle=BUNDLE, **keys):
    """An edge agent on a free port, with these keys in its configuration."""
    config = directory / f"edge-{time.monotonic_ns()}.yaml"
    keys = {"profile": profiles / f"edge-{Path(bundle).name}.json", **keys}
    config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    options = ("--listen", "127.0.0.1:0", "--cloud", cloud, "--bundle", bundle)
    return Daemon("edge_agent", directory, "--config", config, *options)


def cloud_daemon(directory, profiles, *options):
    """A cloud agent on a free port."""
    config = directory / "cloud-by-itself.yaml"
    config.write_text(f"profile: {profiles / 'cloud.json'}\n")
    return Daemon("cloud_agent", directory, "--config", config, "--listen", "127.0.0.1:0", *options)


# --- streams ----------------------------------------------------------------------------------


class Stream:
    """Frames on their way to an edge agent, and the answers so far."""

    def __init__(self, address, frames, count, fps, demands, ids=None):
        ids = ids or [f"{demands.stream_id}-{number:03d}" for number in range(count)]
        self.batch = [(task_id, frames[n % len(frames)]) for n, task_id in enumerate(ids)]
        self.answers = []
        due_s = [number / fps for number in range(count)]
        self._job = asyncio.create_task(self._go(address, due_s, demands))

    async def _go(self, address, due_s, demands):
        async with EdgeClient(address) as client:
            async for answer in client.stream(self.batch, due_s, demands):
                self.answers.append(answer)

    async def answered(self, count):
        """Wait for this many answers."""
        await until(lambda: len(self.answers) >= count or self._job.done())

    async def ended(self):
        """Wait for the end of the stream."""
        await asyncio.wait_for(self._job, PATIENCE_S)

    async def outcomes(self):
        """All outcomes, after it is checked that each frame got exactly one from the agent."""
        await self.ended()
        outcomes = [answer.outcome for answer in self.answers]
        assert sorted(o.task_id for o in outcomes) == sorted(task_id for task_id, _ in self.batch)
        made_up = [o.reason for o in outcomes if o.reason.startswith("the edge agent")]
        assert made_up == []
        return outcomes

    async def leave(self):
        """Hang up before the end."""
        self._job.cancel()
        await asyncio.wait([self._job])


def kinds(outcomes):
    """How many ended how."""
    return Counter(outcome.kind.value for outcome in outcomes)


def sites(outcomes):
    """How many were answered where."""
    return Counter(outcome.site.value for outcome in outcomes if outcome.site)


def demand(stream_id, accuracy=LOCAL_WILL_DO, deadline_s=GENEROUS, mode="energy", policy=""):
    return Constraints(int(deadline_s * 1e9), accuracy, mode, policy, stream_id=stream_id)


# --- a whole deployment -----------------------------------------------------------------------


class Deployment(Testbed):
    """A testbed whose agents keep their profiles, with what the tests ask of it."""

    def __init__(self, directory, profiles, frames):
        options = {}
        for node in ("edge", "cloud"):
            config = directory / f"{node}.yaml"
            config.write_text(f"profile: {profiles / node}.json\n" + KEYS[node])
            options[f"{node}_options"] = ("--config", str(config))
        super().__init__(link="wifi", directory=directory, **options)
        self.frames = frames
        self._whole = {"cloud": True, "link": True}

    async def kill_cloud(self):
        self._whole["cloud"] = False
        await super().kill_cloud()

    async def start_cloud(self):
        await super().start_cloud()
        self._whole["cloud"] = True

    async def _tell_link(self, line):
        self._whole["link"] = line in ("restore", "kind wifi")
        await super()._tell_link(line)

    async def mend(self):
        """Whatever a test has broken works again, and the edge has noticed."""
        if not self._whole["cloud"]:
            await self.start_cloud()
        if not self._whole["link"]:
            await self.restore_link()
            await self.set_link("wifi")
        await self.cloud_is("up")

    async def status(self):
        return await status(self.edge_address)

    async def cloud_is(self, state):
        """Wait until the edge says this of the cloud; the status then."""

        async def seen():
            status = await self.status()
            return status if status.cloud == state else None

        return await until(seen)

    def stream(self, stream_id, count=20, fps=10, **demands):
        """Start a stream."""
        return Stream(self.edge_address, self.frames, count, fps, demand(stream_id, **demands))

    async def uses_the_cloud(self):
        """Whether tasks that may go either way are answered by the cloud."""

        async def seen():
            stream = self.stream(f"try-{time.monotonic_ns()}", count=4)
            return sites(await stream.outcomes())["cloud"]

        return await until(seen)

    async def edge_log_of(self, stream_id):
        """The edge's log records of one stream's tasks, once they are on the disk."""
        await asyncio.sleep(0.6)
        records = read_log(self.edge_log)
        return [r for r in records if r.get("task_id", "").startswith(f"{stream_id}-")]


async def status(address):
    """What an edge agent says of itself."""
    async with EdgeClient(address) as client:
        return await client.status()


async def health(address, service=""):
    """What an agent's health service says."""
    async with connect(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return (await stub.Check(request, timeout=PATIENCE_S, wait_for_ready=True)).status
