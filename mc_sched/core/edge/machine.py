"""EdgeMachine: Algorithm I of the paper as a state machine.

`handle(event)` takes an event and returns the actions that it calls for, in order. A driver
performs the actions and reports what happened with further events; `events/` and `actions.py`
state what each side can rely on. A task passes through the machine once per event:

    Submitted -> view -> policy -> a queue (edge or uplink, earliest deadline first)
    -> the encoder, if its codec needs one -> a site
    -> its answer, its deadline, its fallback timer or its loss -> Finish

The parts share one `EdgeState`. Each has one job:

    local_events.py   events of local runs               learning.py   predictors' updates
    cloud_events.py   events of offloads and the cloud   probes.py     when the link is probed
    legs.py           entry into a leg, exit from it     stats.py      counts and joules
    dispatch.py       start of queued work               outcomes.py   answers, fallbacks, outcomes

Their forecasts, and the view on which a policy decides, come from `mc_sched/core/forecasts`.
`EdgeDispatch` runs after every event that can free or fill a queue; no other part starts work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.edge.cloud_events import CloudEvents
from mc_sched.core.edge.dispatch import EdgeDispatch
from mc_sched.core.edge.invariants import check_edge
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.local_events import LocalEvents
from mc_sched.core.edge.outcomes import EdgeOutcomes, Ending
from mc_sched.core.edge.probes import EdgeProbes
from mc_sched.core.edge.snapshot import EdgeSnapshot, make_snapshot
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.stats import EdgeStats
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.ledger import EnergyLedger
from mc_sched.core.energy.radio import RadioTail
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.events import TimerKind
from mc_sched.core.forecasts.edge_forecast import MOST_UPLOADS, EdgeForecast
from mc_sched.core.forecasts.probe_value import ProbeValue
from mc_sched.core.forecasts.trial import EdgeTrials
from mc_sched.core.forecasts.view import EdgeViews
from mc_sched.core.histogram import Histogram
from mc_sched.core.policies import POLICIES
from mc_sched.core.policy import Decision, LocalFirst, Offload, Refuse, View
from mc_sched.core.settings import EdgeSettings
from mc_sched.core.tables import LocalTable
from mc_sched.core.tally import Tally
from mc_sched.core.task import Constraint, OutcomeKind, RefusalCode, Task
from mc_sched.core.transitions import CloudLeg

PROGRESS = frozenset(
    (ev.LocalStarted, ev.LocalLayerDone, ev.CloudProgressed, ev.CloudReached, ev.ProbeLost,
     ev.CloudLoadSampled, ev.DeviceSampled, ev.PowerSampled)
)  # fmt: skip
"""Events after which no queued work can start that could not start before."""


class EdgeMachine:
    """The MC scheduler of one edge device."""

    def __init__(self, settings: EdgeSettings, local: LocalTable) -> None:
        self._settings = settings
        self._ledger, tail = EnergyLedger(settings.energy), RadioTail(settings.energy.radio)
        self._forecast = forecast = EdgeForecast(settings, local)
        self._views = views = EdgeViews(settings, forecast, self._ledger, tail)
        self._learning = learning = EdgeLearning(forecast)
        self._trials = EdgeTrials(forecast, settings.quantile)
        self._stats = EdgeStats(settings, self._ledger, tail)
        self._state = state = EdgeState(self._stats.scores)
        self._legs = legs = EdgeLegs(state, forecast, learning)
        self._outcomes = outcomes = EdgeOutcomes(state, forecast, self._stats, legs)
        self._probes = EdgeProbes(settings, state, forecast, ProbeValue(forecast, views), self.view)
        self._dispatch = EdgeDispatch(state, forecast, tail, learning, outcomes)
        self._tasks = state.tasks
        self._most_uploads = settings.max_uploads or MOST_UPLOADS
        """The highest max_uploads so far: uploads that a lower one would forbid may still run."""
        self._draining = False
        run = LocalEvents(state, forecast, views, learning, legs, outcomes)
        self._cloud = call = CloudEvents(state, forecast, learning, legs, outcomes)
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Submitted: self._on_submitted,
            ev.LocalStarted: run.on_started,
            ev.LocalLayerDone: run.on_layer_done,
            ev.LocalDone: run.on_done,
            ev.LocalAborted: run.on_aborted,
            ev.LocalFailed: run.on_failed,
            ev.Encoded: call.on_encoded,
            ev.EncodeFailed: call.on_encode_failed,
            ev.CloudAccepted: call.on_accepted,
            ev.CloudRefused: call.on_refused,
            ev.CloudProgressed: call.on_progressed,
            ev.CloudReplied: call.on_replied,
            ev.CloudStopped: call.on_stopped,
            ev.CloudLost: call.on_lost,
            ev.CloudReached: self._probes.on_cloud_reached,
            ev.CloudFound: learning.cloud_found,
            ev.CreditsGranted: learning.credits_granted,
            ev.CloudLoadSampled: learning.cloud_load_sampled,
            ev.CloudGone: self._on_cloud_gone,
            ev.LinkSampled: self._on_link_sampled,
            ev.ProbeLost: self._probes.on_probe_lost,
            ev.DeviceSampled: learning.device_sampled,
            ev.PowerSampled: self._on_power_sampled,
            ev.TimerFired: self._on_timer_fired,
            ev.ClientGone: self._on_client_gone,
            ev.NotSatisfied: self._on_not_satisfied,
            ev.EdgeReconfigured: self._on_reconfigured,
            ev.Drain: self._on_drain,
        }

    # --- called by a driver -----------------------------------------------------------------

    def handle(self, event: ev.EdgeEvent) -> list[do.EdgeAction]:
        """Take one event and return the actions it calls for, in order.

        Raises UnexpectedEvent if the transition tables do not allow the event now.
        """
        state = self._state
        state.begin(event.now_ns)
        self._handlers[type(event)](event)
        is_probe_timer = isinstance(event, ev.TimerFired) and event.kind is TimerKind.PROBE
        if self._tasks and type(event) not in PROGRESS and not is_probe_timer:
            self._dispatch.advance(self._settings.max_uploads)
            state.forget_over()
        return state.actions

    def snapshot(self, now_ns: int) -> EdgeSnapshot:
        """State, forecasts and statistics for `status`."""
        return make_snapshot(
            self._settings, self._forecast, self._stats, self._ledger, now_ns,
            self._state.entries, self._draining,
        )  # fmt: skip

    def tally(self) -> Tally:
        """Outcomes, latencies and slack since the start."""
        return self._stats.tally.copy()

    def took(self) -> dict[str, Histogram]:
        """Actual times of all that was forecast, by predictor."""
        return self._stats.scores.took()

    def view(self, task: Task, now_ns: int, tried: bool = False) -> View:
        """The view on which the task's policy would decide now; the task may be unknown.

        `tried`: the view of a trial, if one is due.
        """
        entry = EdgeTask(task, self._stats.required_accuracy(task))
        view = self._view(entry, now_ns)
        entry.trial = self._trials.offer(now_ns, view) if tried else None
        return view if entry.trial is None else self._view(entry, now_ns)

    @property
    def is_idle(self) -> bool:
        """True if no task is open and all legs are closed."""
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
        self._learning.task_came()
        self._state.note(entry, "Submitted")
        if task.task_id in self._tasks:
            reason = "a task of this id has ended but is still being stopped; use another id"
            self._refuse(entry, RefusalCode.DUPLICATE_ID, reason)
            return
        self._tasks[task.task_id] = entry
        if self._draining:
            reason = "the agent is shutting down; submit again when it is back"
            self._refuse(entry, RefusalCode.DRAINING, reason)
        elif self._state.open > self._settings.max_tasks:
            limit = self._settings.max_tasks
            reason = f"{limit} tasks are open already, the limit max_tasks"
            self._refuse(entry, RefusalCode.TOO_MANY_TASKS, reason)
        else:
            self._decide(entry)

    def _decide(self, entry: EdgeTask) -> None:
        """Ask the task's policy and carry out its decision."""
        name, view = self._policy(entry.task), self._view(entry, self._state.now_ns)
        decision = POLICIES[name](entry.task, view)
        if isinstance(decision, Refuse):
            decision, view = self._try(entry, decision, view)
        if view.credit_in_ns and not isinstance(decision, Offload):
            self._note_want(name, entry.task, view)
        offload = decision.offload if isinstance(decision, LocalFirst) else decision
        if isinstance(offload, Offload) and not entry.task.privacy.allows(offload.codec):
            codec = offload.codec
            reason = f"policy {name} would send {codec} against the task's privacy setting"
            self._refuse(entry, RefusalCode.PRIVACY, reason)
        elif isinstance(decision, Refuse):
            reason = "; ".join(shortfall.sentence() for shortfall in decision.shortfalls)
            no_credit = any(s.constraint is Constraint.CREDIT for s in decision.shortfalls)
            code = RefusalCode.NO_CREDIT if no_credit else RefusalCode.INFEASIBLE
            self._refuse(entry, code, reason)
        else:
            self._state.set_timer(entry, TimerKind.DEADLINE, entry.task.due_ns)
            if isinstance(decision, Offload):
                self._legs.offload(entry, decision, view.cloud)
            else:
                self._legs.run_locally(entry, decision)

    def _note_want(self, policy: str, task: Task, view: View) -> None:
        """Count the task as turned away if its policy would offload it with a credit."""
        if isinstance(POLICIES[policy](task, view.with_credit), Offload):
            self._forecast.credits.turned_away(view.now_ns)

    def _try(self, entry: EdgeTask, refusal: Refuse, view: View) -> tuple[Decision, View]:
        """Decide again on a refused task if a trial is due; else the refusal stands."""
        now_ns = self._state.now_ns
        entry.trial = trial = self._trials.offer(now_ns, view)
        if trial is None:
            return refusal, view
        tried_on = self._view(entry, now_ns)
        decision = POLICIES[self._policy(entry.task)](entry.task, tried_on)
        if isinstance(decision, Refuse):
            entry.trial = None
            return refusal, view
        self._trials.begin(now_ns, trial)
        self._state.note(entry, f"tried: nothing was measured for {trial.after_ns / 1e6:.0f} ms")
        self._state.actions.append(do.RecordTrial(entry.task.task_id, trial.after_ns))
        return decision, tried_on

    def _policy(self, task: Task) -> str:
        return task.policy or self._settings.policy

    def _view(self, entry: EdgeTask, now_ns: int) -> View:
        return self._views.view_for(self._policy(entry.task), entry, now_ns, self._state.entries)

    def _refuse(self, entry: EdgeTask, code: RefusalCode, reason: str) -> None:
        self._outcomes.finish(entry, Ending(OutcomeKind.REFUSED, reason, code))

    # --- timers, the client, the device -----------------------------------------------------

    def _on_timer_fired(self, event: ev.TimerFired) -> None:
        if event.kind is TimerKind.PROBE:
            self._probes.on_timer_fired()
            return
        entry = self._state.entry(event, event.task_id, event.kind.value)
        if event.kind not in entry.timers:
            raise UnexpectedEvent("edge", "no such timer", f"{event}", entry.format_story())
        entry.timers.discard(event.kind)
        if event.kind is TimerKind.DEADLINE:
            self._learning.deadline_passed(entry, event.now_ns)
            ending = Ending(OutcomeKind.LATE, "no result at the deadline")
            self._outcomes.finish(entry, ending)
        elif self._legs.local_can_serve(entry) and not self._is_on_time(entry):
            # only the local net is sure to be in time: Algorithm I, lines 24 to 27
            self._legs.fall_back_in_time(entry)

    def _is_on_time(self, entry: EdgeTask) -> bool:
        """True if the task may stay in the cloud, which has accepted it and reports it on time."""
        attempt = entry.offloaded
        if not attempt.offload.fallback.keeps_accepted or entry.cloud is not CloudLeg.RUNNING:
            return False
        assert attempt.acceptance is not None
        now_ns, expected_at_ns = self._state.now_ns, attempt.acceptance.expected_at_ns
        latest_ns = expected_at_ns + self._forecast.reply_delay_ns(now_ns)
        return now_ns <= expected_at_ns and latest_ns <= entry.task.due_ns

    def _on_client_gone(self, event: ev.ClientGone) -> None:
        entry = self._tasks.get(event.task_id)
        if entry is not None and entry.open:
            self._state.note(entry, "ClientGone")
            self._outcomes.finish(entry, Ending(OutcomeKind.FAILED, "the client left"))

    def _on_cloud_gone(self, event: ev.CloudGone) -> None:
        self._probes.on_cloud_gone()
        self._cloud.on_gone(event)

    def _on_link_sampled(self, event: ev.LinkSampled) -> None:
        self._learning.probed(event)
        self._stats.probed(event)
        self._probes.on_answered(event)

    def _on_power_sampled(self, event: ev.PowerSampled) -> None:
        open_tasks = (entry for entry in self._state.entries if entry.open)
        works = ((entry.task.task_id, entry.work(event.now_ns)) for entry in open_tasks)
        self._ledger.sampled(event.now_ns, event.power_w, event.source, works)

    def _on_reconfigured(self, event: ev.EdgeReconfigured) -> None:
        settings = self._settings = event.settings
        self._most_uploads = max(self._most_uploads, settings.max_uploads or MOST_UPLOADS)
        self._forecast.reconfigure(settings)
        self._trials.set_quantile(settings.quantile)
        self._views.reconfigure(settings)
        self._stats.reconfigure(settings)
        self._probes.reconfigure(settings)

    def _on_drain(self, event: ev.Drain) -> None:
        self._draining = True

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in an invalid state."""
        self._ledger.validate()
        check_edge(self._tasks, self._most_uploads)
