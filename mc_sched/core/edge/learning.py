"""What each event teaches the edge's predictors, and how well they had foreseen it."""

from __future__ import annotations

from mc_sched.core import events as ev
from mc_sched.core.edge.forecast import EdgeForecast
from mc_sched.core.edge.task import EdgeTask
from mc_sched.core.energy.radio import RadioAir
from mc_sched.core.policy import CloudForecast
from mc_sched.core.predictors.probing import Padding
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.transitions import CloudLeg


class EdgeLearning:
    """Feeds the predictors. What an event decides is compared with what was expected of it."""

    def __init__(self, forecast: EdgeForecast) -> None:
        self._forecast = forecast
        self._air = RadioAir()

    def run_ended(self, entry: EdgeTask, now_ns: int, whole: bool) -> tuple[Score, ...]:
        """The local net has ended, `whole` if it has answered."""
        scores = self._forecast.local.ended(now_ns, whole)
        if not whole or not entry.open:
            return scores
        expected, took_ns = entry.expected_local, now_ns - entry.decided_ns
        entry.total = Score(Predictor.EDGE_TOTAL, expected.mean_ns, expected.upper_ns, took_ns)
        self._forecast.local_level.record(now_ns, entry.total.held)
        return (*scores, entry.total)

    def encoded(self, entry: EdgeTask, event: ev.Encoded) -> tuple[Score, ...]:
        """The payload is made."""
        entry.encoded, entry.encode_ns = True, event.took_ns
        return self._forecast.encode.ended(
            event.now_ns, entry.codec, event.took_ns, entry.expected_encode
        )

    def accepted(self, entry: EdgeTask, event: ev.CloudAccepted) -> tuple[Score, ...]:
        """The whole payload is on the cloud, which says what it will do with it."""
        link, arrived_ns = self._forecast.link, event.now_ns - event.held_ns
        on_the_way_ns = arrived_ns - entry.sent_ns
        entry.accepted_ns, entry.bytes_up = event.now_ns, entry.payload_bytes
        self._sent(entry, on_the_way_ns - link.rtt_mean_ns(event.now_ns))
        score = link.score_up(event.now_ns, on_the_way_ns, entry.expected_up)
        link.record_upload(arrived_ns, entry.payload_bytes, on_the_way_ns, event.transfer_ns)
        self._forecast.long_run_link.sent(entry.payload_bytes, entry.upload_air_ns)
        entry.cloud_predicted_ns = event.queue_ns
        # its word and its answer have the same way: what is left of that is what it said
        entry.expected_at_ns = event.now_ns + event.predicted_ns
        self._forecast.cloud_accepted(event.now_ns, event.predicted_ns)
        return (score,)

    def replied(self, entry: EdgeTask, event: ev.CloudReplied) -> tuple[Score, ...]:
        """The cloud has answered, at the exit that the event names."""
        link = self._forecast.link
        entry.cloud_compute_ns = event.compute_ns
        scores: tuple[Score, ...] = ()
        if entry.accepted_ns is not None:
            since_accepted_ns = event.now_ns - entry.accepted_ns
            if event.held_ns:
                scores = (link.record_reply(event.now_ns, since_accepted_ns, event.held_ns),)
            self._learn_cloud_time(entry, event, event.held_ns or since_accepted_ns)
        entry.reply_air_ns = link.down(event.now_ns).mean_ns
        self._forecast.cloud_load(event.now_ns, event.queue_ns, event.slowdown)
        self._forecast.cloud_record.ended(event.now_ns <= entry.task.due_ns)
        entry.total = self._cloud_total(entry, event) if entry.open else None
        if entry.total is None or entry.offload_scored:
            return scores
        entry.offload_scored = True
        self._forecast.offload_level.record(event.now_ns, entry.total.held)
        return (*scores, entry.total)

    def _learn_cloud_time(self, entry: EdgeTask, event: ev.CloudReplied, took_ns: int) -> None:
        cloud = self._forecast.cloud
        assert cloud is not None
        stage = cloud.table.codec_named(entry.codec).stage
        profiled_ns = cloud.table.path_ns(cloud.table.exit_named(event.exit), stage)
        alone_ns = took_ns - entry.cloud_predicted_ns
        cloud.record(event.now_ns, profiled_ns, max(alone_ns, event.compute_ns))

    def _cloud_total(self, entry: EdgeTask, event: ev.CloudReplied) -> Score | None:
        """The forecast of the exit that answered, which may be a deeper one than the target."""
        for option in entry.options:
            if option.exit == event.exit and option.codec == entry.codec:
                took_ns = event.now_ns - entry.offloaded_ns
                return Score(Predictor.CLOUD_TOTAL, option.mean_ns, option.upper_ns, took_ns)
        return None

    def off_the_air(self, entry: EdgeTask, now_ns: int, whole: bool = False) -> None:
        """An upload is over without an acceptance: what may have left by now counts.

        `whole`: the cloud's word says that all of it came, and took half the round trip itself.
        """
        if entry.cloud is not CloudLeg.UPLOADING:
            return
        link, elapsed_ns = self._forecast.link, now_ns - entry.sent_ns
        air_ns = elapsed_ns - link.rtt_mean_ns(now_ns)
        entry.bytes_up = entry.payload_bytes
        if not whole:
            # without a word it has taken what is left of the time, and what it should at least
            mean_ns = max(1, link.up_mean_ns(now_ns, entry.payload_bytes))
            air_ns = max(air_ns, min(elapsed_ns, mean_ns))
            entry.bytes_up = int(entry.payload_bytes * min(1.0, elapsed_ns / mean_ns))
        self._sent(entry, air_ns)

    def _sent(self, entry: EdgeTask, air_ns: int) -> None:
        """The radio has sent for this task, beside others or not."""
        entry.upload_air_ns = max(0, air_ns)
        entry.upload_paid_ns = self._air.sent(entry.sent_ns, entry.sent_ns + entry.upload_air_ns)

    def gave_up_upload(self, entry: EdgeTask, now_ns: int) -> None:
        """An upload that was too slow is stopped."""
        elapsed_ns = now_ns - entry.sent_ns
        self._forecast.link.record_unfinished(
            now_ns, entry.payload_bytes, elapsed_ns, entry.expected_up
        )
        self.off_the_air(entry, now_ns)

    def no_answer(self, entry: EdgeTask, now_ns: int) -> tuple[Score, ...]:
        """A trip to the cloud is over without an answer: it would have taken longer than this."""
        option = _asked_for(entry)
        if option is None or entry.offload_scored:
            return ()
        entry.offload_scored, elapsed_ns = True, now_ns - entry.offloaded_ns
        expected = Forecast(option.mean_ns, option.upper_ns)
        self._forecast.offload_level.record_unfinished(now_ns, expected, elapsed_ns)
        if elapsed_ns < expected.upper_ns:
            return ()
        mean_ns, upper_ns = expected.mean_ns, expected.upper_ns
        return (Score(Predictor.CLOUD_TOTAL, mean_ns, upper_ns, elapsed_ns, unfinished=True),)

    def probed(self, event: ev.LinkSampled) -> None:
        """A probe came back, bare or padded."""
        link, took_ns = self._forecast.link, event.rtt_ns - event.held_ns
        if event.up_bytes or event.down_bytes:
            link.record_padded(event.now_ns, took_ns, Padding(event.up_bytes, event.down_bytes))
        else:
            self._forecast.long_run_link.probed(took_ns)
            link.record_rtt(event.now_ns, took_ns)
        self._forecast.cloud_load(event.now_ns, event.queue_ns, event.slowdown)


def _asked_for(entry: EdgeTask) -> CloudForecast | None:
    """The forecast of the exit that an offload asks for."""
    if entry.offload is None:
        return None
    codec, accuracy = entry.offload.codec, entry.offload.accuracy
    return next((o for o in entry.options if o.codec == codec and o.accuracy >= accuracy), None)
