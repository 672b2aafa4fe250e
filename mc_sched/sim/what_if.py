"""A world reconstructed from an edge's event log: what would have happened under other rules?

The log provides the workload (arrival time, sizes and constraints of each task), the link's
measured rates and round trips, and the measured times of both sites. The world is then simulated,
once under the rules in the log, to show how good the reconstruction is, and once under other rules.
Assumptions:

- The link would have carried other payloads at the same rate. Between two uploads or padded probes
  the rate of the earlier one holds; an upload that was cut is an upper bound. If the log has
  neither, the link estimator's careful prior holds.
- Round trips are those of the probes. Messages to the edge are small, so the downlink's rate is
  ignored.
- The link was dark from the last message before the cloud was lost until it was found again, and
  whenever probes were missing for more than a second.
- A device's slowdown (ratio of measured to profiled time) holds from one run of a net to the next.
  While a site ran nothing, the profile holds. Other users of the cloud appear as slowdown, not as a
  queue.
- A task that was processed again arrives again, with the accuracy that its stream had reached.
- No client leaves early, and the agent is not shut down. The cloud agent has default settings.
- Energy is computed by the model from the declared watts, even if the log's was measured.
- A log holds no labels, so successes are counted by expected accuracy, before and after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Mode, Outcome, Task
from mc_sched.link.model import LinkSpec, Outage, Unlimited
from mc_sched.link.varying import SteppedRate
from mc_sched.obs.log.event_log import Record
from mc_sched.obs.replay import config_of, turns, value_of
from mc_sched.sim.spec import STEADY, CloudSpec, DeviceSpec, EdgeSpec, RadioLinkSpec, WorldSpec
from mc_sched.sim.step_function import StepFunction
from mc_sched.sim.watcher import PROBE_TIMEOUT_NS

EDGE_ID = "edge"
UNKNOWN_UP_BPS = 4_000_000
"""Uplink rate if the log has no measurement of it: the middle of the estimator's prior."""
_SHORTEST_TRANSFER_NS = 50_000
_SLOWEST_BPS = 1_000
_MARGIN_NS = 60_000_000_000


@dataclass
class Recorded:
    """The recorded run of an edge agent. Times are on its clock."""

    settings: EdgeSettings
    table: LocalTable
    start_ns: int
    end_ns: int = 0
    cloud: CloudTable | None = None
    tasks: list[Task] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    admission_ns: list[int] = field(default_factory=list)
    rates_bps: list[tuple[int, int]] = field(default_factory=list)
    """(start of an upload, its rate)"""
    rtts_ns: list[tuple[int, int]] = field(default_factory=list)
    local_slowdowns: list[tuple[int, float]] = field(default_factory=list)
    cloud_slowdowns: list[tuple[int, float]] = field(default_factory=list)
    dark: list[tuple[int, int]] = field(default_factory=list)
    """(start, end) of spans without a message from the cloud."""


@dataclass(frozen=True)
class Rules:
    """The rules to change; None leaves one as it was."""

    policy: str | None = None
    mode: Mode | None = None
    deadline_ns: int | None = None
    accuracy: float | None = None

    def settings(self, settings: EdgeSettings) -> EdgeSettings:
        """Return the edge's settings under these rules."""
        return replace(
            settings, policy=self.policy or settings.policy, mode=self.mode or settings.mode
        )

    def task(self, task: Task) -> Task:
        """Return the task under these rules, which override its own constraints."""
        return replace(
            task,
            policy=None if self.policy else task.policy,
            mode=None if self.mode else task.mode,
            deadline_ns=self.deadline_ns or task.deadline_ns,
            accuracy=task.accuracy if self.accuracy is None else self.accuracy,
        )


def read_recorded(records: Iterable[Record]) -> Recorded:
    """Read an edge's log; if it holds several runs of the agent, return the last one with tasks.

    Raises ValueError if it is not such a log, with the line if the records are `numbered`.
    """
    reader: _Reader | None = None
    last: Recorded | None = None
    for opening, actions in turns(records):
        if opening["kind"] == "config":
            if opening.get("node") != "edge":
                raise ValueError("only an edge's log holds a workload; use that of the edge agent")
            if reader is not None and reader.recorded.tasks:
                last = reader.recorded
            settings, table = config_of(opening)
            reader = _Reader(Recorded(settings, table, opening["t_ns"]))
        elif reader is None:
            raise ValueError(
                "the log has no config record before its first event; use the complete log"
            )
        else:
            reader.take(value_of(opening), actions)
    if reader is not None and reader.recorded.tasks:
        last = reader.recorded
    if last is None:
        raise ValueError("the log has no task")
    return last


class _Reader:
    """Reads a log event by event."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self._sent: dict[str, tuple[int, int]] = {}
        """(start, bytes) of the uploads in progress, by task."""
        self._codecs: dict[str, str] = {}
        self._started: dict[str, int] = {}
        self._sizes: dict[str, dict[str, int]] = {}
        self._last_message_ns = recorded.start_ns
        self._gone = True

    def take(self, event: Any, actions: tuple[Any, ...]) -> None:
        """Take one event and the machine's actions."""
        recorded = self.recorded
        recorded.end_ns = event.now_ns
        if isinstance(event, (ev.Submitted, ev.NotSatisfied)):
            task = event.task if isinstance(event, ev.Submitted) else event.again
            recorded.tasks.append(task)
            recorded.admission_ns.append(event.now_ns - task.submitted_ns)
            self._sizes[task.task_id] = task.payload_bytes or {}
        elif isinstance(event, ev.CloudFound):
            recorded.cloud = event.table
            if self._gone:
                self._dark(event.now_ns)
            self._gone = False
        elif isinstance(event, ev.CloudGone):
            self._gone = True
        elif isinstance(event, ev.LinkSampled):
            if not self._gone and event.now_ns - self._last_message_ns > PROBE_TIMEOUT_NS:
                self._dark(event.now_ns)
            self._probed(event)
        else:
            self._task_event(event)
        if isinstance(event, (ev.LinkSampled, ev.CloudAccepted, ev.CloudReplied)):
            self._last_message_ns = event.now_ns
        for action in actions:
            self._action(event.now_ns, action)

    def _probed(self, event: ev.LinkSampled) -> None:
        """A bare probe measures the round trip, one padded on the uplink the rate."""
        took_ns = event.rtt_ns - event.held_ns
        if event.up_bytes:
            self._rate_measured(event.now_ns - event.rtt_ns, event.up_bytes, took_ns, complete=True)
        elif not event.down_bytes:
            self.recorded.rtts_ns.append((event.now_ns, took_ns))

    def _dark(self, until_ns: int) -> None:
        if until_ns - self._last_message_ns > PROBE_TIMEOUT_NS:
            self.recorded.dark.append((self._last_message_ns, until_ns))

    def _task_event(self, event: Any) -> None:
        recorded = self.recorded
        if isinstance(event, ev.LocalDone):
            started_ns = self._started.pop(event.task_id, None)
            if started_ns is not None and recorded.table.total_ns:
                slowdown = (event.now_ns - started_ns) / recorded.table.total_ns
                recorded.local_slowdowns.append((started_ns, slowdown))
        elif isinstance(event, ev.CloudAccepted):
            self._uploaded(event.task_id, event.now_ns - event.held_ns, complete=True)
        elif isinstance(event, (ev.CloudStopped, ev.CloudRefused, ev.CloudLost)):
            complete = isinstance(event, ev.CloudRefused)
            self._uploaded(event.task_id, event.now_ns, complete)
        elif isinstance(event, ev.CloudReplied) and recorded.cloud is not None:
            codec = recorded.cloud.codec_named(self._codecs.get(event.task_id, "jpeg"))
            path_ns = recorded.cloud.path_ns(recorded.cloud.exit_named(event.exit), codec.stage)
            if path_ns:
                recorded.cloud_slowdowns.append((event.now_ns, event.compute_ns / path_ns))

    def _uploaded(self, task_id: str, until_ns: int, complete: bool) -> None:
        """An upload has ended; an incomplete one shows an upper bound of the rate."""
        sent_ns, size_bytes = self._sent.pop(task_id, (0, 0))
        self._rate_measured(sent_ns, size_bytes, until_ns - sent_ns, complete)

    def _rate_measured(
        self, sent_ns: int, size_bytes: int, round_trip_ns: int, complete: bool
    ) -> None:
        recorded = self.recorded
        took_ns = round_trip_ns - (recorded.rtts_ns[-1][1] if recorded.rtts_ns else 0)
        if not size_bytes or (not complete and took_ns <= _SHORTEST_TRANSFER_NS):
            return
        rate_bps = round(size_bytes * 8e9 / max(took_ns, _SHORTEST_TRANSFER_NS))
        known = recorded.rates_bps[-1][1] if recorded.rates_bps else None
        if complete or (known is not None and rate_bps < known):
            recorded.rates_bps.append((sent_ns, max(_SLOWEST_BPS, rate_bps)))

    def _action(self, now_ns: int, action: Any) -> None:
        if isinstance(action, do.StartLocal):
            self._started[action.task_id] = now_ns
        elif isinstance(action, do.SendToCloud):
            self._codecs[action.task_id] = action.codec
            size_bytes = self._sizes.get(action.task_id, {}).get(action.codec, 0)
            self._sent[action.task_id] = (now_ns, size_bytes)
        elif isinstance(action, do.Finish):
            task_id = action.outcome.task_id
            self.recorded.outcomes.append(action.outcome)
            self._sizes.pop(task_id, None)
            self._started.pop(task_id, None)


# --- the world ----------------------------------------------------------------------------------


def world_of_log(recorded: Recorded, rules: Rules | None = None) -> WorldSpec:
    """Return the recorded world, under other rules if any are given."""
    rules = rules or Rules()
    tasks = [rules.task(task) for task in _with_accuracy(recorded)]
    start_ns = min(recorded.start_ns, tasks[0].submitted_ns)

    def arrivals() -> Iterator[Task]:
        for task in tasks:
            yield replace(task, submitted_ns=task.submitted_ns - start_ns)

    edge = EdgeSpec(
        edge_id=EDGE_ID,
        table=recorded.table,
        arrivals=arrivals,
        settings=rules.settings(recorded.settings),
        device=DeviceSpec(slowdown=_step_function(recorded.local_slowdowns, start_ns)),
        radio_link=_radio_link(recorded, start_ns),
        cloud=None if recorded.cloud is None else 0,
        admission_ns=max(0, round(median(recorded.admission_ns))),
    )
    if recorded.cloud is None:
        return WorldSpec((edge,))
    device = DeviceSpec(slowdown=_step_function(recorded.cloud_slowdowns, start_ns))
    return WorldSpec((edge,), (CloudSpec(recorded.cloud, device=device),))


def _with_accuracy(recorded: Recorded) -> list[Task]:
    """Return the tasks, each with the accuracy it had to reach, which feedback may have raised."""
    needed = {outcome.task_id: outcome.required_accuracy for outcome in recorded.outcomes}
    tasks = sorted(recorded.tasks, key=lambda task: task.submitted_ns)
    return [replace(task, accuracy=needed.get(task.task_id, task.accuracy)) for task in tasks]


def _step_function(samples: list[tuple[int, float]], start_ns: int) -> StepFunction:
    """Return a function on which a sample holds until the next one, the first also before."""
    if not samples:
        return STEADY
    points = {max(0, at_ns - start_ns): value for at_ns, value in sorted(samples)}
    starts, values = list(points), list(points.values())
    return StepFunction((0, *starts[1:]), tuple(values))


def _radio_link(recorded: Recorded, start_ns: int) -> RadioLinkSpec:
    end_ns = recorded.end_ns - start_ns + _MARGIN_NS
    samples: list[tuple[int, float]] = [(at_ns, float(bps)) for at_ns, bps in recorded.rates_bps]
    rates = (
        _step_function(samples, start_ns)
        if samples
        else StepFunction((0,), (float(UNKNOWN_UP_BPS),))
    )
    up = SteppedRate(rates.starts_ns, tuple(round(bps) for bps in rates.values), end_ns)
    rtts: list[tuple[int, float]] = [(at_ns, float(rtt_ns)) for at_ns, rtt_ns in recorded.rtts_ns]
    outages = tuple(
        Outage(max(0, dark_ns - start_ns), lit_ns - max(dark_ns, start_ns))
        for dark_ns, lit_ns in recorded.dark
    )
    extra = _step_function(rtts, start_ns) if rtts else None
    return RadioLinkSpec(LinkSpec(up, Unlimited(), outages=outages), extra)
