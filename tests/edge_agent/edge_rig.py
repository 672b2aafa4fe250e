"""An edge driver on a real loop, with a local net and a cloud that the test controls.

local net   0.80 accurate, 1 s by its profile, so that a fallback leaves even a slow machine
            time to answer before the deadline
cloud net   two exits, 0.70 and 0.90, a few milliseconds away
"""

import asyncio
import time

import numpy as np
from mc_models.data.preprocess import encode_jpeg

from edge_agent.admission import Admitted
from edge_agent.driver import EdgeDriver
from mc_sched.core import events as ev
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import CloudTable, Exit, LocalTable
from mc_sched.core.task import Prediction, Task
from mc_sched.obs.log.event_log import EventLog

MS = 1_000_000
S = 1_000 * MS
PATIENCE_S = 10.0
"""Time that a test waits for an event; far more than any machine needs."""
LOCAL = LocalTable("local", 0.80, (10, 10), (500 * MS, 500 * MS))
FAST_LOCAL = LocalTable("local", 0.80, (10, 10), (MS, MS))
CLOUD = CloudTable(
    "cloud", (MS, MS), (Exit("exit1", 0, MS, {"jpeg": 0.7}), Exit("final", 1, MS, {"jpeg": 0.9}))
)
ANSWER = Prediction(((3, 0.75), (1, 0.25)))
LABELS = ("disc", "star", "ring", "cross", "bar")


async def until(condition):
    """Wait until the condition is true."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < PATIENCE_S, "the condition never became true"
        await asyncio.sleep(0.002)


def admitted(payload_bytes=300):
    """An image after admission."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    return Admitted(encode_jpeg(pixels).ljust(payload_bytes, b"\0"), pixels)


def task(task_id, deadline=60.0, **fields):
    """A task submitted now, due in `deadline` seconds."""
    fields.setdefault("payload_bytes", {"jpeg": 300})
    return Task(task_id, fields.pop("stream_id", "s"), time.monotonic_ns(), int(deadline * S),
                **fields)  # fmt: skip


class HandNet:
    """Replaces the local executor: notes requests, and reports ends at the command of the test."""

    def __init__(self):
        self.started, self.aborted = [], []
        self.report = lambda event: None

    def start(self, task_id, prepare, exit_=""):
        self.started.append(task_id)

    def abort(self, task_id):
        self.aborted.append(task_id)

    def done(self, task_id):
        self.report(ev.LocalDone(time.monotonic_ns(), task_id, ANSWER))

    def failed(self, task_id, reason="out of memory"):
        self.report(ev.LocalFailed(time.monotonic_ns(), task_id, reason))

    def stopped(self, task_id):
        self.report(ev.LocalAborted(time.monotonic_ns(), task_id))


class HandCloud:
    """Stands in for the cloud client."""

    def __init__(self):
        self.sent, self.given_up, self.traces, self.probes = {}, [], {}, []

    def send(self, action, payload, trace_id=""):
        self.sent[action.task_id] = (action, payload)
        self.traces[action.task_id] = trace_id

    def give_up(self, task_id):
        self.given_up.append(task_id)

    def probe(self, action):
        self.probes.append(action)


class Rig:
    """Driver, machine and log as in the daemon, with the log's records; the test does the rest."""

    def __init__(self, machine=None, local=LOCAL, **settings):
        self.machine = machine or EdgeMachine(EdgeSettings(**settings), local)
        self.log = EventLog(None, "edge")
        self.records = []
        self.log.subscribe(self.records.append)
        self.driver = EdgeDriver(self.machine, self.log, lambda pixels: pixels)
        self.net, self.cloud = HandNet(), HandCloud()
        self.net.report = self.driver.handle
        self.cloud_states = []
        self.driver.attach(self.net, self.cloud, lambda up, _: self.cloud_states.append(up))

    def tell(self, event_type, *fields):
        """Feed an event of this moment."""
        self.driver.handle(event_type(time.monotonic_ns(), *fields))

    def find_cloud(self):
        self.tell(ev.CreditsGranted, 64)
        self.tell(ev.CloudFound, CLOUD)
        self.tell(ev.LinkSampled, 2 * MS)

    def submit(self, task_id, deadline=60.0, **fields):
        """Submit a task; return the future of its outcome."""
        return self.run(task(task_id, deadline, **fields), admitted())

    def run(self, submitted, image):
        """Submit a task; return the future of its end, which a leaving client cancels."""

        async def run():
            waiting = asyncio.get_running_loop().create_future()
            self.driver.submit(submitted, image, waiting.set_result)
            try:
                return await waiting
            except asyncio.CancelledError:
                self.driver.leave(submitted.task_id)
                raise

        return asyncio.ensure_future(run())

    async def outcome(self, waiting):
        return await asyncio.wait_for(waiting, PATIENCE_S)

    def replied(self, task_id, exit_="final"):
        self.tell(ev.CloudAccepted, task_id, exit_, MS, 0)
        self.tell(ev.CloudReplied, task_id, exit_, ANSWER, MS, 0, 1.0, 400)

    def logged(self, name):
        return [record for record in self.records if record["name"] == name]

    def held(self):
        """Return what the driver and the machine still hold of open tasks."""
        driver = self.driver
        kept = {
            "images": driver._images,
            "timers": driver._timers,
            "waiting": driver._waiting,
            "tasks": driver._tasks,
            "legs": self.machine._tasks,
        }
        return {name: sorted(map(str, things)) for name, things in kept.items() if things}
