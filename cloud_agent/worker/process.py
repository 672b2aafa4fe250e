"""The life of a worker: load, test, serve the front's frames, write the log, end."""

from __future__ import annotations

import socket
import time
import traceback
from dataclasses import asdict, replace

import torch
from mc_models.bundle.load import load_bundle
from mc_models.inference.devices import host_device

from cloud_agent.pipe.frames import Frame
from cloud_agent.pipe.messages import (
    Failed,
    Kind,
    Pong,
    Ready,
    Start,
    message_frame,
    read_event,
    read_start,
    read_task,
)
from cloud_agent.worker import builders
from cloud_agent.worker.decoder import PayloadDecoder
from cloud_agent.worker.driver import WorkerDriver
from cloud_agent.worker.pipe_end import LineSender, PipeEnd
from mc_sched.bundles.tables import cloud_table
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.errors import UserError, sentence
from mc_sched.obs.log.event_log import FORMAT, EventLog
from mc_sched.service.garbage import keep_for_good


def run(descriptor: int) -> int:
    """Serve the front at the other end of this socket; returns the exit code."""
    pipe = PipeEnd(socket.socket(fileno=descriptor))
    frames = _first(pipe)
    if not frames:
        return 0
    try:
        worker = WorkerProcess(read_start(frames[0]), pipe)
    except (UserError, OSError, ValueError) as error:
        pipe.send(message_frame(Kind.FAILED, Failed(str(error))))
        return 1
    except Exception as error:
        traceback.print_exc()
        pipe.send(message_frame(Kind.FAILED, Failed(sentence(error))))
        return 1
    worker.serve(frames[1:])
    return 0


def _first(pipe: PipeEnd) -> list[Frame] | None:
    """Wait for the first frame; return None if the front is gone."""
    frames = pipe.read()
    while frames == []:
        frames = pipe.read()
    return frames


class WorkerProcess:
    """The parts of a worker, which serve from `serve` on.

    The constructor raises OSError, ValueError or UserError if the bundle, its profile or the device
    cannot be used.
    """

    def __init__(self, start: Start, pipe: PipeEnd) -> None:
        self._pipe = pipe
        builders.check_device(start.device)
        torch.set_num_threads(start.threads)
        bundle = load_bundle(start.bundle)
        profile = builders.load_profile(bundle, start)
        table, settings = cloud_table(bundle, profile), start.settings
        self._log = log = _open_log(start, pipe)
        kind = host_device()
        name = f"worker {start.index} ({start.device if start.device != 'auto' else kind})"
        first = {"format": FORMAT, "settings": settings, "table": table, "device": kind}
        log.write(time.monotonic_ns(), "config", first)
        machine = CloudMachine(settings, table)
        self._driver = driver = WorkerDriver(machine, log, pipe.send, bundle.labels, name)
        executor = builders.make_executor(bundle, driver.report, profile, start)
        decoders = builders.make_decoders(bundle, profile.precision)
        driver.attach(
            PayloadDecoder(decoders, executor.hold, driver.report, settings.decoders), executor
        )
        self._ready = Ready(table, bundle.name, kind, asdict(profile))

    def serve(self, frames: list[Frame]) -> None:
        """Serve until the front asks for the end or is gone; `frames` have arrived already."""
        keep_for_good()
        self._pipe.send(message_frame(Kind.READY, self._ready))
        received: list[Frame] | None = frames
        while received is not None:
            for frame in received:
                if frame.kind == Kind.STOP:
                    self._log.close()
                    return
                self._take(frame)
            self._driver.flush()
            received = self._pipe.read()

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.TASK:
            number, trace_id, task = read_task(frame)
            self._driver.receive(number, task, frame.body, trace_id)
        elif frame.kind == Kind.EVENT:
            event = read_event(frame)
            self._driver.handle(replace(event, now_ns=time.monotonic_ns()))
        elif frame.kind == Kind.PING:
            metrics = self._driver.metrics() if frame.head else None
            self._pipe.send(message_frame(Kind.PONG, Pong(self._driver.stuck(), metrics)))


def _open_log(start: Start, pipe: PipeEnd) -> EventLog:
    """Return the worker's part of the agent's event log; the front writes its lines."""
    sink = LineSender(pipe, lambda: log.dropped) if start.logged else None
    log = EventLog(None, "cloud", store=sink, worker=start.index)
    return log
