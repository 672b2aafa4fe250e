"""Events of a task's offload, up to the cloud's last message, and of the cloud agent."""

from __future__ import annotations

from mc_sched.core import events as ev
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.outcomes import EdgeOutcomes, Ending
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.task import OutcomeKind, RefusalCode
from mc_sched.core.transitions import WAITING, CloudLeg


class CloudEvents:
    """Moves the cloud leg by the encoder's and the cloud's reports; without an answer, falls back.

    Messages that arrive after a give-up are legal in the table and change nothing.
    """

    def __init__(
        self,
        state: EdgeState,
        forecast: EdgeForecast,
        learning: EdgeLearning,
        legs: EdgeLegs,
        outcomes: EdgeOutcomes,
    ) -> None:
        self._state, self._forecast, self._learning = state, forecast, learning
        self._legs, self._outcomes = legs, outcomes

    # --- the payload ------------------------------------------------------------------------

    def on_encoded(self, event: ev.Encoded) -> None:
        """Queue the task for the uplink again, now with its payload."""
        entry = self._state.entry(event, event.task_id)
        entry.move_cloud("Encoded")
        self._state.record(entry, self._learning.encoded(entry, event))

    def on_encode_failed(self, event: ev.EncodeFailed) -> None:
        """Fall back, as there is no payload to send."""
        entry = self._close(event, event.task_id)
        reason = f"{entry.codec} encoder: {event.reason}"
        self._outcomes.fall_back(entry, Ending(OutcomeKind.FAILED, reason))

    # --- the cloud's messages ---------------------------------------------------------------

    def on_accepted(self, event: ev.CloudAccepted) -> None:
        """Learn from the upload; the cloud works on the task from now on."""
        entry = self._state.entry(event, event.task_id)
        was_uploading = entry.cloud is CloudLeg.UPLOADING
        entry.move_cloud("CloudAccepted")
        if was_uploading:
            self._state.record(entry, self._learning.accepted(entry, event))

    def on_progressed(self, event: ev.CloudProgressed) -> None:
        """Update the expected time of the answer."""
        entry = self._state.entry(event, event.task_id)
        entry.move_cloud("CloudProgressed")
        acceptance = entry.offloaded.acceptance
        if acceptance is not None:
            acceptance.expected_at_ns = event.now_ns + event.remaining_ns

    def on_replied(self, event: ev.CloudReplied) -> None:
        """Output the answer if the task is still open."""
        entry = self._state.entry(event, event.task_id)
        cloud = self._forecast.cloud
        if cloud is None or event.exit not in cloud.table.exit_names:
            raise UnexpectedEvent("edge", "no such exit", f"{event}", entry.format_story())
        entry.move_cloud("CloudReplied")
        self._state.record(entry, self._learning.replied(entry, event))
        if entry.open:
            self._outcomes.answer_cloud(entry, event.exit, event.prediction)

    def on_refused(self, event: ev.CloudRefused) -> None:
        """Fall back: no exit can serve the task, or there is no credit for it any more."""
        entry = self._close(event, event.task_id, event.code)
        code = event.code if event.code is RefusalCode.NO_CREDIT else RefusalCode.CLOUD
        self._outcomes.fall_back(entry, Ending(OutcomeKind.REFUSED, f"cloud: {event.reason}", code))

    def on_stopped(self, event: ev.CloudStopped) -> None:
        """Fall back: the cloud does not finish the task."""
        entry = self._close(event, event.task_id)
        entry.offloaded.compute_ns = event.compute_ns
        kind = OutcomeKind.FAILED if event.failed else OutcomeKind.LATE
        self._outcomes.fall_back(entry, Ending(kind, f"the cloud stopped: {event.reason}"))

    def on_lost(self, event: ev.CloudLost) -> None:
        """Fall back: no answer will come, because the session has ended."""
        entry = self._close(event, event.task_id)
        self._outcomes.fall_back(entry, _lost(event.reason))

    def _close(
        self, event: ev.EdgeEvent, task_id: str, refusal: RefusalCode | None = None
    ) -> EdgeTask:
        entry = self._state.entry(event, task_id)
        self._state.record(entry, self._learning.offload_failed(entry, event.now_ns, refusal))
        entry.move_cloud(type(event).__name__)
        if not any(other.cloud is CloudLeg.RUNNING for other in self._state.entries):
            self._learning.cloud_idle()
        return entry

    # --- the cloud agent --------------------------------------------------------------------

    def on_gone(self, event: ev.CloudGone) -> None:
        """Fall back with all tasks that have not left the device yet."""
        self._learning.cloud_gone(event)
        for entry in list(self._state.entries):
            if entry.cloud in WAITING:
                self._legs.leave_cloud(entry)
                self._outcomes.fall_back(entry, _lost(event.reason))


def _lost(reason: str) -> Ending:
    return Ending(OutcomeKind.FAILED, f"the cloud was lost: {reason}")
