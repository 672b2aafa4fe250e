"""A task's trip to the cloud: what the edge hears of it, from its payload to the last word."""

from __future__ import annotations

from mc_sched.core import events as ev
from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.invariants import IN_FLIGHT
from mc_sched.core.edge.learning import EdgeLearning
from mc_sched.core.edge.legs import EdgeLegs
from mc_sched.core.edge.outcomes import EdgeOutcomes
from mc_sched.core.edge.state import EdgeState
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.errors import UnexpectedEvent
from mc_sched.core.task import OutcomeKind
from mc_sched.core.transitions import CloudLeg


class CloudEvents:
    """Moves the cloud leg by the encoder's and the cloud's words; a lost one calls for a rescue."""

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

    def on_encoded(self, event: ev.Encoded) -> None:
        """The payload is made."""
        entry = self._state.entry(event, event.task_id)
        entry.move_cloud("Encoded")
        self._state.record(entry, self._learning.encoded(entry, event))

    def on_encode_failed(self, event: ev.EncodeFailed) -> None:
        """It cannot be made."""
        entry = self._cloud_closed(event, event.task_id)
        self._outcomes.fall_back(
            entry, OutcomeKind.FAILED, f"{entry.codec} encoder: {event.reason}"
        )

    def on_cloud_accepted(self, event: ev.CloudAccepted) -> None:
        """The whole payload is on the cloud, which works on it."""
        entry = self._state.entry(event, event.task_id)
        first_upload = entry.cloud is CloudLeg.UPLOADING
        entry.move_cloud("CloudAccepted")
        if first_upload:
            self._state.record(entry, self._learning.accepted(entry, event))

    def on_cloud_progressed(self, event: ev.CloudProgressed) -> None:
        """A stage is done: when the answer is here is known better."""
        entry = self._state.entry(event, event.task_id)
        entry.move_cloud("CloudProgressed")
        entry.expected_at_ns = event.now_ns + event.remaining_ns

    def on_cloud_replied(self, event: ev.CloudReplied) -> None:
        """The answer, or what crossed a give-up."""
        entry = self._state.entry(event, event.task_id)
        cloud = self._forecast.cloud
        if cloud is None or event.exit not in cloud.table.exit_names:
            raise UnexpectedEvent("edge", "no such exit", f"{event}", entry.format_story())
        entry.move_cloud("CloudReplied")
        self._state.record(entry, self._learning.replied(entry, event))
        if entry.open:
            self._outcomes.answer_cloud(entry, event.exit, event.prediction)

    def on_cloud_refused(self, event: ev.CloudRefused) -> None:
        """No exit can serve the task."""
        entry = self._cloud_closed(event, event.task_id)
        self._outcomes.fall_back(entry, OutcomeKind.REFUSED, f"cloud: {event.reason}")

    def on_cloud_stopped(self, event: ev.CloudStopped) -> None:
        """The cloud does not go on with it."""
        entry = self._cloud_closed(event, event.task_id)
        entry.cloud_compute_ns = event.compute_ns
        kind = OutcomeKind.FAILED if event.failed else OutcomeKind.LATE
        self._outcomes.fall_back(entry, kind, f"the cloud stopped: {event.reason}")

    def on_cloud_lost(self, event: ev.CloudLost) -> None:
        """The call broke."""
        entry = self._cloud_closed(event, event.task_id)
        self._outcomes.fall_back(entry, OutcomeKind.FAILED, f"the cloud was lost: {event.reason}")

    def _cloud_closed(self, event: ev.EdgeEvent, task_id: str) -> EdgeTask:
        entry = self._state.entry(event, task_id)
        if entry.cloud in IN_FLIGHT:
            self._forecast.cloud_record.ended(in_time=False)
            self._state.record(entry, self._learning.no_answer(entry, event.now_ns))
        self._learning.off_the_air(entry, event.now_ns, whole=isinstance(event, ev.CloudRefused))
        entry.move_cloud(type(event).__name__)
        if not any(other.cloud is CloudLeg.RUNNING for other in self._state.entries):
            self._forecast.cloud_idle()
        return entry

    def on_cloud_gone(self, event: ev.CloudGone) -> None:
        """No cloud agent can be used: what has not left yet stays here."""
        self._forecast.cloud_gone(event.now_ns, event.reason)
        for entry in list(self._state.entries):
            if entry.cloud in (CloudLeg.QUEUED, CloudLeg.ENCODING):
                self._legs.leave_cloud(entry)
                self._outcomes.fall_back(
                    entry, OutcomeKind.FAILED, f"the cloud was lost: {event.reason}"
                )
