"""Time of one `EdgeMachine.handle` call, without any network or process."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

from mc_sched.core import events as ev
from mc_sched.core.actions import Encode, SendToCloud
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable
from mc_sched.core.task import Mode, Prediction, Task

MS = 1_000_000
PAYLOADS = {"jpeg": 12_000, "features": 3_000}
CODECS = tuple(PAYLOADS)
ENCODE_NS = {"features": MS}
LOCAL = LocalTable("local", 0.8, (10, 20, 20, 10), (2 * MS, 4 * MS, 4 * MS, 2 * MS), ENCODE_NS)
CLOUD = CloudTable(
    "cloud",
    stage_ns=(4 * MS,) * 5,
    exits=tuple(
        Exit(f"exit{i + 1}", i, MS // 2, dict.fromkeys(CODECS if i else ("jpeg",), 0.7 + 0.05 * i))
        for i in range(5)
    ),
    codecs=(Codec("jpeg"), Codec("features", 1, MS, PAYLOADS["features"])),
)
ANSWER = Prediction(((0, 1.0),))
OPEN_TASKS = 4
"""Tasks that are open during a decision: twice as many as 12 fps under 84 ms can have."""


def measure_decisions_ns(tasks: int = 2000) -> list[int]:
    """Return the nanoseconds of each `handle` call over `tasks` tasks that use both sites."""
    machine = EdgeMachine(EdgeSettings(), LOCAL)
    machine.handle(ev.CreditsGranted(0, 2 * OPEN_TASKS))
    machine.handle(ev.CloudFound(0, CLOUD))
    machine.handle(ev.LinkSampled(0, 8 * MS))
    took_ns: list[int] = []
    for event in _task_events(machine, tasks, took_ns):
        _timed(machine, event, took_ns)
    return took_ns


def _timed(machine: EdgeMachine, event: ev.EdgeEvent, took_ns: list[int]) -> list[object]:
    started = time.perf_counter_ns()
    actions = machine.handle(event)
    took_ns.append(time.perf_counter_ns() - started)
    return list(actions)


def _task_events(machine: EdgeMachine, tasks: int, took_ns: list[int]) -> Iterator[ev.EdgeEvent]:
    """Submit batches of `OPEN_TASKS` tasks, each with both codecs to choose from.

    The payloads of all tasks are encoded if asked for, and a cloud accepts and answers each upload.
    This function times the events whose actions it needs; the caller times the yielded ones.
    """
    gc.collect()
    now = MS
    for batch in range(tasks // OPEN_TASKS):
        sent: list[str] = []
        encoding: list[str] = []
        for number in range(OPEN_TASKS):
            now += MS // 10
            task = Task(
                f"{batch}-{number}", "bench", now, 900 * MS, 0.75,
                mode=Mode.ENERGY, payload_bytes=PAYLOADS,
            )  # fmt: skip
            actions = _timed(machine, ev.Submitted(now, task), took_ns)
            sent += [a.task_id for a in actions if isinstance(a, SendToCloud)]
            encoding += [a.task_id for a in actions if isinstance(a, Encode)]
        while encoding:
            now += MS
            actions = _timed(machine, ev.Encoded(now, encoding.pop(), MS), took_ns)
            sent += [a.task_id for a in actions if isinstance(a, SendToCloud)]
            encoding += [a.task_id for a in actions if isinstance(a, Encode)]
        while sent:
            task_id = sent.pop(0)
            now += 10 * MS
            actions = _timed(machine, ev.CloudAccepted(now, task_id, "exit2", MS, 0), took_ns)
            sent += [a.task_id for a in actions if isinstance(a, SendToCloud)]
            yield ev.CloudProgressed(now + MS, task_id, 0, MS)
            yield ev.CloudReplied(now + 9 * MS, task_id, "exit2", ANSWER, 9 * MS, 0, 1.0, 300)
            now += 9 * MS
        yield ev.LinkSampled(now, 8 * MS)
