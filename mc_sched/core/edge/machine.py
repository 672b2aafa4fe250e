"""EdgeMachine: Algorithm I of the paper as a state machine.

`handle(event)` takes what happened and returns what to do about it, in order. The driver does it
and reports back with further events; see `events.py` for what they promise. A task passes through
here once per event:

    Submitted -> view -> policy -> a queue (edge or uplink, earliest deadline first)
    -> the encoder, where the payload has to be made -> a site
    -> its answer, its deadline, its fallback timer or its loss -> Finish

Its parts share one `EdgeState` (the tasks, the moment, the actions so far), and each has one job:

    edge_forecast.py  what both sites are expected to deliver   edge_lessons.py  what events teach
    edge_legs.py      into a site's queue, and out again        edge_starts.py   what starts next
    edge_trip.py      what is heard of a trip to the cloud      edge_books.py    what is counted
    edge_endings.py   answers, rescues, the one outcome

`EdgeDispatch` has its turn after every event but mere progress; nothing starts elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.cloud_events import CloudEvents
from mc_sched.core.edge.dispatch import EdgeDispatch
from mc_sched.core.edge.forecast import MOST_UPLOADS, EdgeForecast
from mc_sched.core.edge.invariants import IN_FLIGHT, check_edge
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.outcomes import EdgeOutcomes
from mc_sched.core.edge.probes import EdgeProbes
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.stats import EdgeSnapshot, EdgeStats
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import RadioTail
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.histogram import Histogram
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import Decision, LocalFirst, Offload, Refuse, View
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import LocalTable
from mc_sched.core.tally import Tally
from mc_sched.core.task import OutcomeKind, Task
from mc_sched.core.transitions import CloudLeg, LocalLeg

DRAINING = "the agent is shutting down; submit again when it is back"
"""Why a task is refused that a client may well submit again."""
PROGRESS = frozenset(
    (ev.LocalStarted, ev.LocalLayerDone, ev.CloudProgressed, ev.CloudReached, ev.ProbeLost,
     ev.DeviceSampled, ev.PowerSampled)
)  # fmt: skip
"""Events after which nothing can start that could not before."""


class EdgeMachine:
    """The MC scheduler of one edge device."""

    def __init__(self, settings: EdgeSettings, local: LocalTable) -> None:
        self._settings = settings
        self._ledger, tail = EnergyLedger(settings.energy), RadioTail(settings.energy.radio)
        self._forecast = EdgeForecast(settings, local, self._ledger, tail)
        self._learning = EdgeLearning(self._forecast)
        self._stats = EdgeStats(settings, self._ledger, tail)
        self._state = EdgeState(self._stats.scores)
        self._legs = EdgeLegs(self._state, self._forecast, self._learning)
        self._outcomes = EdgeOutcomes(self._state, self._forecast, self._stats, self._legs)
        self._probes = EdgeProbes(settings, self._state, self._forecast, self._stats)
        self._starts = EdgeDispatch(self._state, self._forecast, tail, self._outcomes)
        self._tasks = self._state.tasks
        self._most_uploads = settings.max_uploads or MOST_UPLOADS
        """The highest max_uploads so far: uploads that a lower one would forbid may still run."""
        self._draining = False
        self._cloud_events = trip = CloudEvents(
            self._state, self._forecast, self._learning, self._legs, self._outcomes
        )
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Submitted: self._on_submitted,
            ev.LocalStarted: self._on_local_started,
            ev.LocalLayerDone: self._on_local_layer_done,
            ev.LocalDone: self._on_local_done,
            ev.LocalAborted: self._on_local_aborted,
            ev.LocalFailed: self._on_local_failed,
            ev.Encoded: trip.on_encoded,
            ev.EncodeFailed: trip.on_encode_failed,
            ev.CloudAccepted: trip.on_cloud_accepted,
            ev.CloudRefused: trip.on_cloud_refused,
            ev.CloudProgressed: trip.on_cloud_progressed,
            ev.CloudReplied: trip.on_cloud_replied,
            ev.CloudStopped: trip.on_cloud_stopped,
            ev.CloudLost: trip.on_cloud_lost,
            ev.CloudReached: self._probes.on_cloud_reached,
            ev.CloudFound: lambda event: self._forecast.cloud_found(event.table),
            ev.CloudGone: self._on_cloud_gone,
            ev.LinkSampled: self._on_link_sampled,
            ev.ProbeLost: self._probes.on_probe_lost,
            ev.DeviceSampled: self._on_device_sampled,
            ev.PowerSampled: self._on_power_sampled,
            ev.TimerFired: self._on_timer_fired,
            ev.ClientGone: self._on_client_gone,
            ev.NotSatisfied: self._on_not_satisfied,
            ev.EdgeReconfigured: self._on_reconfigured,
            ev.Drain: self._on_drain,
        }

    # --- the two calls of a driver ----------------------------------------------------------

    def handle(self, event: ev.EdgeEvent) -> list[do.EdgeAction]:
        """Take one event, return the actions it calls for, in order.

        Raises UnexpectedEvent where the tables allow no such event.
        """
        state = self._state
        state.begin(event.now_ns)
        self._handlers[type(event)](event)
        if self._tasks and not _is_progress(event):
            self._starts.advance(self._settings.max_uploads)
            state.forget_over()
        return state.actions

    def snapshot(self, now_ns: int) -> EdgeSnapshot:
        """What `status` shows."""
        return self._stats.snapshot(self._forecast, now_ns, self._state.open, self._draining)

    def tally(self) -> Tally:
        """Endings, latencies and slack since the start."""
        return self._stats.tally.copy()

    def took(self) -> dict[str, Histogram]:
        """How long everything took that was forecast, by predictor."""
        return self._stats.scores.took()

    def view(self, task: Task, now_ns: int) -> View:
        """What a policy would be shown of this task now; the task need not be known here."""
        entry = EdgeTask(task, self._stats.required_accuracy(task))
        name = task.policy or self._settings.policy
        return self._forecast.view_for(name, entry, now_ns, self._state.entries)

    @property
    def is_idle(self) -> bool:
        """Whether no task is open and no leg is moving."""
        return not self._tasks

    # --- arrival and decision ---------------------------------------------------------------

    def _on_submitted(self, event: ev.Submitted) -> None:
        self._must_be_new(event.task)
        self._admit(event.task)

    def _on_not_satisfied(self, event: ev.NotSatisfied) -> None:
        self._must_be_new(event.again)
        self._stats.raise_accuracy(event.again.stream_id, event.again.accuracy)
        self._admit(event.again)

    def _must_be_new(self, task: Task) -> None:
        known = self._tasks.get(task.task_id)
        if known is not None and known.open:
            raise UnexpectedEvent(
                "edge", "open", f"second task {task.task_id}", known.format_story()
            )

    def _admit(self, task: Task) -> None:
        entry = EdgeTask(task, self._stats.required_accuracy(task))
        self._state.open += 1
        self._probes.task_came(task)
        self._forecast.cloud_record.task_came()
        self._state.note(entry, "Submitted")
        if task.task_id in self._tasks:
            reason = "a task of this id has ended but is still being stopped; use another id"
            self._outcomes.finish(entry, OutcomeKind.REFUSED, reason)
            return
        self._tasks[task.task_id] = entry
        self._apply(entry, self._decide(entry))

    def _decide(self, entry: EdgeTask) -> Decision | str:
        if self._draining:
            return DRAINING
        if self._state.open > self._settings.max_tasks:
            return f"{self._settings.max_tasks} tasks are open already, the limit max_tasks"
        name, task = entry.task.policy or self._settings.policy, entry.task
        view = self._forecast.view_for(name, entry, self._state.now_ns, self._state.entries)
        entry.options = view.cloud
        decision = POLICIES[name](task, view)
        offload = decision.offload if isinstance(decision, LocalFirst) else decision
        if isinstance(offload, Offload) and not task.privacy.allows(offload.codec):
            return f"policy {name} would send {offload.codec} against the task's privacy setting"
        return decision

    def _apply(self, entry: EdgeTask, decision: Decision | str) -> None:
        if isinstance(decision, str):
            self._outcomes.finish(entry, OutcomeKind.REFUSED, decision)
        elif isinstance(decision, Refuse):
            reason = "; ".join(shortfall.sentence() for shortfall in decision.shortfalls)
            self._outcomes.finish(entry, OutcomeKind.REFUSED, reason)
        else:
            self._state.set_timer(entry, TimerKind.DEADLINE, entry.task.due_ns)
            if isinstance(decision, Offload):
                self._legs.offload(entry, decision)
            else:
                self._legs.run_locally(entry, decision)

    # --- the local leg ----------------------------------------------------------------------

    def _on_local_started(self, event: ev.LocalStarted) -> None:
        entry = self._state.entry(event, event.task_id)
        entry.move_local("LocalStarted")
        if entry.local is LocalLeg.RUNNING:
            self._forecast.local.started(event.now_ns, entry.on_device_ns)

    def _on_local_layer_done(self, event: ev.LocalLayerDone) -> None:
        entry = self._tasks.get(event.task_id)
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", "LocalLayerDone", (event.task_id,))
        entry.move_local("LocalLayerDone")
        self._forecast.local.layer_done(event.now_ns, event.layer)

    def _on_local_done(self, event: ev.LocalDone) -> None:
        entry = self._state.entry(event, event.task_id)
        unsure = entry.is_unsure(event.prediction)
        self._local_ended(entry, event, "unsure" if unsure and entry.open else "LocalDone")
        if not entry.open:
            return
        if unsure:
            entry.go_on(event.prediction)
            self._go_on(entry)
        else:
            self._outcomes.answer_local(entry, event.prediction)

    def _go_on(self, entry: EdgeTask) -> None:
        """The local net is not sure: the image goes up, or through the cloud net here."""
        assert entry.first is not None
        offload = entry.first.offload
        if offload is not None and self._forecast.cloud_usable:
            view = self._forecast.view(entry, self._state.now_ns, self._state.entries)
            entry.options = view.cloud
            self._legs.offload(entry, offload)
        elif not self._legs.continue_locally(
            entry, offload.fallback_exit if offload else entry.first.exit
        ):
            self._outcomes.answer_unsure(entry)

    def _on_local_aborted(self, event: ev.LocalAborted) -> None:
        self._local_ended(self._state.entry(event, event.task_id), event)

    def _on_local_failed(self, event: ev.LocalFailed) -> None:
        entry = self._state.entry(event, event.task_id)
        self._local_ended(entry, event)
        if entry.open and entry.unsure is not None:
            self._outcomes.answer_unsure(entry)
        elif entry.open and entry.cloud not in IN_FLIGHT:
            self._outcomes.finish(entry, OutcomeKind.FAILED, f"local net: {event.reason}")

    def _local_ended(self, entry: EdgeTask, event: ev.EdgeEvent, move: str = "") -> None:
        entry.move_local(move or type(event).__name__)
        entry.compute_ns = event.now_ns - entry.local_started_ns
        whole = isinstance(event, ev.LocalDone)
        self._state.record(entry, self._learning.run_ended(entry, event.now_ns, whole))

    # --- timers, users, the device ----------------------------------------------------------

    def _on_timer_fired(self, event: ev.TimerFired) -> None:
        if event.kind is TimerKind.PROBE:
            self._probes.on_timer_fired()
            return
        entry = self._state.entry(event, event.task_id, event.kind.value)
        if event.kind not in entry.timers:
            raise UnexpectedEvent("edge", "no such timer", f"{event}", entry.format_story())
        entry.timers.discard(event.kind)
        if event.kind is TimerKind.DEADLINE:
            if entry.cloud in IN_FLIGHT:
                self._forecast.cloud_record.ended(in_time=False)
            self._outcomes.finish(entry, OutcomeKind.LATE, "no result at the deadline")
        elif self._legs.local_can_serve(entry) and not self._is_promised(entry):
            # only the local net can still be in time for certain: Algorithm I, lines 24 to 27
            self._legs.fall_back_in_time(entry)

    def _is_promised(self, entry: EdgeTask) -> bool:
        """Whether the cloud works on the task and says, not in vain so far, that it is in time."""
        offload = entry.offload
        if offload is None or not offload.fallback.keeps_accepted:
            return False
        if entry.cloud is not CloudLeg.RUNNING:
            return False
        latest_ns = entry.expected_at_ns + self._forecast.delay_ns(self._state.now_ns)
        return self._state.now_ns <= entry.expected_at_ns and latest_ns <= entry.task.due_ns

    def _on_client_gone(self, event: ev.ClientGone) -> None:
        entry = self._tasks.get(event.task_id)
        if entry is not None and entry.open:
            self._state.note(entry, "ClientGone")
            self._outcomes.finish(entry, OutcomeKind.FAILED, "the client left")

    def _on_cloud_gone(self, event: ev.CloudGone) -> None:
        self._probes.on_cloud_gone()
        self._cloud_events.on_cloud_gone(event)

    def _on_link_sampled(self, event: ev.LinkSampled) -> None:
        self._learning.probed(event)
        self._stats.probed(event)
        self._probes.on_answered(event)

    def _on_device_sampled(self, event: ev.DeviceSampled) -> None:
        self._forecast.local.busy_by_others = event.busy

    def _on_power_sampled(self, event: ev.PowerSampled) -> None:
        open_tasks = (entry for entry in self._state.entries if entry.open)
        works = ((entry.task.task_id, entry.work(event.now_ns)) for entry in open_tasks)
        self._ledger.sampled(event.now_ns, event.power_w, event.source, works)

    def _on_reconfigured(self, event: ev.EdgeReconfigured) -> None:
        self._settings = event.settings
        self._most_uploads = max(self._most_uploads, event.settings.max_uploads or MOST_UPLOADS)
        self._forecast.reconfigure(event.settings)
        self._stats.reconfigure(event.settings)
        self._probes.reconfigure(event.settings)

    def _on_drain(self, event: ev.Drain) -> None:
        self._draining = True

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        self._ledger.validate()
        check_edge(self._tasks, self._most_uploads)


def _is_progress(event: ev.EdgeEvent) -> bool:
    """True if nothing can start after the event that could not start before."""
    is_probe_timer = isinstance(event, ev.TimerFired) and event.kind is TimerKind.PROBE
    return type(event) in PROGRESS or is_probe_timer
