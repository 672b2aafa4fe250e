"""Events of a task's local run, from its start to its end."""

from __future__ import annotations

from mc_sched.core import events as ev
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.outcomes import EdgeOutcomes, Ending
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.forecasts.view import EdgeViews
from mc_sched.core.task import OutcomeKind, Prediction
from mc_sched.core.transitions import IN_FLIGHT, LocalLeg


class LocalEvents:
    """Moves the local leg as the executor reports; an unsure answer is followed by a larger net."""

    def __init__(
        self,
        state: EdgeState,
        forecast: EdgeForecast,
        views: EdgeViews,
        learning: EdgeLearning,
        legs: EdgeLegs,
        outcomes: EdgeOutcomes,
    ) -> None:
        self._state, self._forecast, self._views = state, forecast, views
        self._learning, self._legs, self._outcomes = learning, legs, outcomes

    def on_started(self, event: ev.LocalStarted) -> None:
        """Record the actual start of the run."""
        entry = self._state.entry(event, event.task_id)
        entry.move_local("LocalStarted")
        if entry.local is LocalLeg.RUNNING:
            self._learning.run_began(event)

    def on_layer_done(self, event: ev.LocalLayerDone) -> None:
        """Learn the run's progress. It is not added to the story, which has one line per event."""
        entry = self._state.tasks.get(event.task_id)
        if entry is None:
            raise UnexpectedEvent("edge", "unknown task", "LocalLayerDone", (event.task_id,))
        entry.move_local("LocalLayerDone")
        self._learning.layer_done(event)

    def on_done(self, event: ev.LocalDone) -> None:
        """Output the answer, or continue with a larger network if it is not sure enough."""
        entry = self._state.entry(event, event.task_id)
        unsure = entry.is_unsure(event.prediction)
        move = "unsure" if unsure and entry.open else "LocalDone"
        self._ended(entry, event.now_ns, move, is_complete=True)
        if not entry.open:
            return
        if unsure:
            self._continue(entry, event.prediction)
        else:
            self._outcomes.answer_local(entry, event.prediction)

    def _continue(self, entry: EdgeTask, prediction: Prediction) -> None:
        """Offload the image, or run the cloud net on the device, or output the unsure answer."""
        entry.continue_after(prediction)
        assert entry.local_first is not None
        offload = entry.local_first.offload
        if offload is not None and self._forecast.usable_cloud is not None:
            view = self._views.view(entry, self._state.now_ns, self._state.entries)
            self._legs.offload(entry, offload, view.cloud)
            return
        exit_ = entry.local_first.exit if offload is None else offload.fallback_exit
        if not self._legs.continue_locally(entry, exit_):
            self._outcomes.answer_unsure(entry)

    def on_aborted(self, event: ev.LocalAborted) -> None:
        """Close the leg of a run that was stopped on order."""
        entry = self._state.entry(event, event.task_id)
        self._ended(entry, event.now_ns, "LocalAborted")

    def on_failed(self, event: ev.LocalFailed) -> None:
        """End the task, unless the cloud works on it or an unsure answer exists."""
        entry = self._state.entry(event, event.task_id)
        self._ended(entry, event.now_ns, "LocalFailed")
        if entry.open and entry.unsure is not None:
            self._outcomes.answer_unsure(entry)
        elif entry.open and entry.cloud not in IN_FLIGHT:
            self._outcomes.finish(entry, Ending(OutcomeKind.FAILED, f"local net: {event.reason}"))

    def _ended(self, entry: EdgeTask, now_ns: int, move: str, is_complete: bool = False) -> None:
        entry.move_local(move)
        run = entry.run
        assert run is not None
        assert run.started_ns is not None
        run.took_ns = now_ns - run.started_ns
        self._state.record(entry, self._learning.run_ended(entry, now_ns, is_complete))
