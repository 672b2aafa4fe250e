"""A worker's driver whose decoder and stages end at the command of the test."""

import time
from types import SimpleNamespace

from mc_proto.v1 import cloud_pb2

from cloud_agent.pipe.frames import FrameReader
from cloud_agent.pipe.messages import read_report
from cloud_agent.worker.driver import WorkerDriver
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.settings import CloudSettings
from mc_sched.core.task import ExitRule, Prediction
from mc_sched.obs.log.event_log import EventLog
from tests.cloud_agent.cloud_rig import LABELS, LOGITS, MS, TABLE, HandDecoder, HandStages, S
from tests.cloud_agent.pipe.test_frames import fed

ANSWER = Prediction(((1, 1.0),))


def received(key, accuracy=0.9, budget_s=60.0, rule=ExitRule.EARLIEST, **fields):
    """An event of the front: the payload of a task is complete."""
    edge_id, now_ns = key.partition("/")[0], time.monotonic_ns()
    budget_ns = int(budget_s * S)
    return ev.Received(now_ns, key, edge_id, accuracy, budget_ns, MS, "jpeg", rule, **fields)


class Output:
    """Reads the frames that a driver sends."""

    def __init__(self):
        self.reader, self.reports = FrameReader(), []

    def send(self, frame):
        self.reports += [read_report(frame) for frame in fed(self.reader, frame)]

    @property
    def messages(self):
        """All messages sent so far, decoded."""
        return [_decoded(message) for report in self.reports for message in report.messages]

    def kinds(self, number):
        """Kinds of the messages about one task, in order."""
        return [m.kind for m in self.messages if m.number == number]


def _decoded(message):
    (about,) = cloud_pb2.SessionReply.FromString(message.reply).messages
    return SimpleNamespace(
        number=message.number, end=message.end, kind=about.WhichOneof("message"), wire=about
    )


def make_driver(send, **settings):
    """A driver without decoder and executor, its machine, and the records of its log."""
    log, records = EventLog(None, "cloud", worker=1), []
    log.subscribe(records.append)
    machine = CloudMachine(CloudSettings(**settings), TABLE)
    return WorkerDriver(machine, log, send, LABELS, "worker 1 (cpu)"), machine, records


class WorkerRig:
    """A driver with decoder and stages in the hands of the test."""

    def __init__(self, **settings):
        self.output = Output()
        self.driver, self.machine, self.records = make_driver(self.output.send, **settings)
        self.decoder, self.stages = HandDecoder(), HandStages()
        self.driver.attach(self.decoder, self.stages)
        self.number = 0

    def receive(self, key, **demands):
        """The front sends a task; returns its number."""
        self.number += 1
        self.driver.receive(self.number, received(key, **demands), b"jpeg", "")
        self.driver.flush()
        return self.number

    def decoded(self, key):
        """The decoder is done with this task."""
        self.decoder.drop(key)
        self.stages.hold(key, LOGITS)
        self.driver.report(ev.Decoded(time.monotonic_ns(), key, MS))

    def arrive(self, key, **demands):
        """A task that is decoded, if it is not refused before."""
        number = self.receive(key, **demands)
        if (key, "jpeg") in self.decoder.begun:
            self.decoded(key)
        return number

    def stage_done(self, *keys, stage):
        self.driver.report(ev.StageDone(time.monotonic_ns(), keys, stage, MS))

    def head_done(self, *keys, exit_="final"):
        answers = (ANSWER,) * len(keys)
        self.driver.report(ev.HeadDone(time.monotonic_ns(), keys, exit_, answers, MS))

    def happens(self, event, key):
        self.driver.report(event(time.monotonic_ns(), key))

    def is_free(self):
        """Return True if nothing is left of any task."""
        held = self.decoder.held or self.stages.held or self.driver._tasks
        return self.machine.is_idle and not held

    def critical(self):
        return [record for record in self.records if record["level"] == "critical"]
