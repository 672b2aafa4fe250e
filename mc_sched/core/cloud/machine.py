"""CloudMachine: Algorithm II of the paper, the cloud performance model, as a state machine.

A payload arrives with the time that is left of its task's deadline. A task that would be late is
refused at once; the others are decoded, by their deadlines. A decoded task is accepted, with the
acceptable exit closest to the input as its target, or refused. Then it runs stage by stage, and
between two stages the machine checks for give-ups, exits and the deadline. The executor runs one
piece at a time. The task with the earliest deadline gets it, and tasks at the same stage join in a
batch. `arrivals.py`, `stages.py` and `dispatch.py` hold these steps, in this order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.admission import CloudAdmission
from mc_sched.core.cloud.arrivals import Arrivals
from mc_sched.core.cloud.dispatch import Dispatch
from mc_sched.core.cloud.exit_choice import ExitChoice
from mc_sched.core.cloud.invariants import check_count, check_decoding, check_order, check_tasks
from mc_sched.core.cloud.schedule import CloudLoad
from mc_sched.core.cloud.stages import StageEvents
from mc_sched.core.cloud.state import NodeState
from mc_sched.core.histogram import Histogram
from mc_sched.core.scores import Reliability
from mc_sched.core.settings import CloudSettings
from mc_sched.core.sharing.credits import CreditPool
from mc_sched.core.tables import CloudTable
from mc_sched.core.transitions import CloudState


class CloudMachine:
    """The cloud performance model of one device: its decoders and its executor."""

    def __init__(self, settings: CloudSettings, table: CloudTable) -> None:
        self._state = state = NodeState(settings, table)
        self._schedule, self._tasks = state.schedule, state.tasks
        self._admission = CloudAdmission(state, settings.quantile, settings.max_tasks)
        choice = ExitChoice(state.times, state.schedule)
        self._arrivals = arrivals = Arrivals(state, self._admission)
        stages = StageEvents(state, choice)
        self._dispatch = Dispatch(state, choice, stages)
        self._credits = CreditPool(settings, state.times)
        self._most_tasks = settings.max_tasks
        """Highest max_tasks so far; tasks that a lower one would refuse may still be open."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.Received: arrivals.on_received,
            ev.Decoded: arrivals.on_decoded,
            ev.DecodeFailed: arrivals.on_decode_failed,
            ev.StageDone: stages.on_stage_done,
            ev.HeadDone: stages.on_head_done,
            ev.ExecutorFailed: stages.on_executor_failed,
            ev.GiveUpReceived: self._on_unwanted,
            ev.ClientGone: self._on_unwanted,
            ev.LinkSampled: self._on_link_sampled,
            ev.EdgeJoined: _ignore,
            ev.EdgeLeft: _ignore,
            ev.CreditsWanted: _ignore,
            ev.CloudReconfigured: self._on_reconfigured,
            ev.Drain: self._on_drain,
        }

    # --- the driver's interface -------------------------------------------------------------

    def handle(self, event: ev.CloudEvent) -> list[do.CloudAction]:
        """Take one event, return the actions it calls for, in order.

        Raises UnexpectedEvent if the transition table does not allow the event.
        """
        state = self._state
        state.begin(event.now_ns)
        self._handlers[type(event)](event)
        if state.tasks:
            self._dispatch.advance()
        if state.decoding.queued:
            self._arrivals.decode_next()
        state.actions += self._credits.follow(event, state.actions)
        return state.actions

    def load(self, now_ns: int) -> CloudLoad:
        """Return the load at this moment. Reading it changes nothing."""
        state = self._state
        slowdown = state.times.faded_slowdown(now_ns)
        return CloudLoad(state.wait_ns(now_ns), slowdown, state.open_tasks)

    def reliability(self) -> dict[str, Reliability]:
        """Reliability of this node's forecasts, by predictor."""
        return self._state.scores.reliability()

    def took(self) -> dict[str, Histogram]:
        """Measured durations of everything that was forecast, by predictor."""
        return self._state.scores.took()

    def wanted_not_granted(self, now_ns: int) -> int:
        """Credits that the edges could use and do not have. Reading it changes nothing."""
        return self._credits.wanted_not_granted(now_ns)

    @property
    def is_idle(self) -> bool:
        """True if no task is open on this node."""
        return not self._state.open_tasks

    # --- tasks that are no longer wanted; links; settings -----------------------------------

    def _on_unwanted(self, event: ev.GiveUpReceived | ev.ClientGone) -> None:
        state = self._state
        task = state.find(event.task_id)
        if task is None:
            return  # it crossed the task's last message, or is the second one
        name = type(event).__name__
        task.note(event.now_ns, name)
        if task.state is CloudState.QUEUED:
            self._arrivals.give_up(task)
            return
        if task.state is CloudState.WAITING:
            task.move("stop")
            state.end(task, do.Stop(task.task_id, "given up", task.compute_ns))
        else:
            task.move(name)
            state.schedule.remove(task)

    def _on_link_sampled(self, event: ev.LinkSampled) -> None:
        downlinks = self._state.downlinks
        downlinks.record(event)
        for task in self._schedule.order:
            if task.received.edge_id == event.edge_id:
                task.leave_by_ns = task.due_ns - downlinks.forecast_ns(task.received)

    def _on_reconfigured(self, event: ev.CloudReconfigured) -> None:
        settings, state = event.settings, self._state
        self._admission.max_tasks = settings.max_tasks
        self._credits.reconfigure(settings)
        self._most_tasks = max(self._most_tasks, settings.max_tasks)
        state.times.set_quantile(settings.quantile)
        self._admission.set_quantile(settings.quantile)
        state.schedule.set_quantile(settings.quantile)
        state.sizes.set_max_batch(settings.max_batch)
        state.decoding.decoders = settings.decoders

    def _on_drain(self, event: ev.Drain) -> None:
        self._admission.draining = True

    # --- invariants -------------------------------------------------------------------------

    def validate(self) -> None:
        """Raise InvariantBroken if the machine is in a state that must not exist."""
        state = self._state
        check_tasks(state.tasks, state.schedule.piece)
        check_decoding(state.decoding)
        check_order(state)
        check_count(state.open_tasks, self._most_tasks)


def _ignore(event: ev.CloudEvent) -> None:
    """Leave an event to the credits, which follow every event."""
