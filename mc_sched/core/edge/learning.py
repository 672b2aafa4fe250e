"""Updates the edge's predictors from events, and scores their forecasts."""

from __future__ import annotations

from mc_sched.core import events as ev
from mc_sched.core.edge.task import Acceptance, EdgeTask, OffloadAttempt, Upload
from mc_sched.core.energy.radio import RadioAir
from mc_sched.core.forecasts.edge_forecast import EdgeForecast
from mc_sched.core.predictors.probing import Padding
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.task import RefusalCode, Site
from mc_sched.core.transitions import IN_FLIGHT, CloudLeg


class EdgeLearning:
    """Updates the predictors; no other part of the edge machine does."""

    def __init__(self, forecast: EdgeForecast) -> None:
        self._forecast = forecast
        self._air = RadioAir()

    def task_came(self) -> None:
        """Count a submitted task."""
        self._forecast.cloud_record.task_came()

    # --- local runs and the device ----------------------------------------------------------

    def run_requested(self, entry: EdgeTask, now_ns: int) -> None:
        """Start the forecast of a run that the machine requests."""
        self._forecast.local.started(now_ns, entry.net.profiled_ns)

    def run_began(self, event: ev.LocalStarted) -> None:
        """Take the actual start of the run, which the executor reports."""
        self._forecast.local.began(event.now_ns)

    def layer_done(self, event: ev.LocalLayerDone) -> None:
        """Update the rest of the run by its progress."""
        self._forecast.local.layer_done(event.now_ns, event.layer)

    def run_aborted(self) -> None:
        """Expect the run to stop at its next layer."""
        self._forecast.local.aborted()

    def run_ended(self, entry: EdgeTask, now_ns: int, is_complete: bool) -> tuple[Score, ...]:
        """Learn from a run that has ended, with an answer if `is_complete`."""
        is_trial = entry.is_trial_of(Site.EDGE)
        scores = self._forecast.local.ended(now_ns, is_complete, is_trial)
        if not is_complete or not entry.open or entry.run is None:
            return scores
        expected, took_ns = entry.run.expected, now_ns - entry.run.queued_ns
        entry.total = Score(Predictor.EDGE_TOTAL, expected.mean_ns, expected.upper_ns, took_ns)
        self._forecast.local_level.record(now_ns, entry.total.held)
        return (*scores, entry.total)

    def device_sampled(self, event: ev.DeviceSampled) -> None:
        """Take the load of other programs from a sensor."""
        self._forecast.local.busy_by_others = event.busy

    # --- the cloud agent and the link -------------------------------------------------------

    def cloud_found(self, event: ev.CloudFound) -> None:
        """Use a cloud agent with these tables."""
        self._forecast.cloud_found(event.table)

    def cloud_gone(self, event: ev.CloudGone) -> None:
        """Use no cloud agent, and forget what the link showed at its end."""
        self._forecast.cloud_gone(event.now_ns, event.reason)

    def credits_granted(self, event: ev.CreditsGranted) -> None:
        """Take the number of tasks that this edge may have open in the cloud."""
        self._forecast.credits.granted = event.credits

    def cloud_load_sampled(self, event: ev.CloudLoadSampled) -> None:
        """Take the load that the cloud agent reports in the session."""
        self._forecast.cloud_load(event.now_ns, event.queue_ns, event.slowdown)

    def probed(self, event: ev.LinkSampled) -> None:
        """Learn a rate from a padded probe, or the round trip from one without padding."""
        link, took_ns = self._forecast.link, event.rtt_ns - event.held_ns
        if event.up_bytes or event.down_bytes:
            link.record_padded(event.now_ns, took_ns, Padding(event.up_bytes, event.down_bytes))
        else:
            self._forecast.long_run_link.record_rtt(took_ns)
            link.record_rtt(event.now_ns, took_ns)
        self._forecast.cloud_load(event.now_ns, event.queue_ns, event.slowdown)

    # --- an offload -------------------------------------------------------------------------

    def encoded(self, entry: EdgeTask, event: ev.Encoded) -> tuple[Score, ...]:
        """Learn the encoder's time from a payload that is made."""
        attempt = entry.offloaded
        encoding = attempt.encoding
        assert encoding is not None
        attempt.has_payload, encoding.took_ns = True, event.took_ns
        return self._forecast.encode.ended(
            event.now_ns, entry.codec, event.took_ns, encoding.expected,
            entry.is_trial_of(Site.CLOUD),
        )  # fmt: skip

    def accepted(self, entry: EdgeTask, event: ev.CloudAccepted) -> tuple[Score, ...]:
        """Learn the uplink from an accepted upload, and keep the cloud's own forecast."""
        attempt, link = entry.offloaded, self._forecast.link
        upload = _upload(attempt)
        arrived_ns = event.now_ns - event.held_ns
        took_ns = arrived_ns - upload.sent_ns
        upload.bytes_sent = attempt.payload_bytes
        self._transmitted(upload, took_ns - link.rtt_mean_ns(event.now_ns))
        score = link.score_up(event.now_ns, took_ns, upload.expected)
        self._learn_trial_link(entry, event.now_ns, took_ns)
        link.record_upload(arrived_ns, attempt.payload_bytes, took_ns, event.transfer_ns)
        self._forecast.long_run_link.record_upload(attempt.payload_bytes, upload.air_ns)
        # acceptance and answer take the same downlink time, so that it cancels out
        expected_at_ns = event.now_ns + event.predicted_ns
        attempt.acceptance = Acceptance(event.now_ns, event.queue_ns, expected_at_ns)
        self._forecast.cloud_accepted(event.now_ns, event.predicted_ns)
        return (score,)

    def _learn_trial_link(self, entry: EdgeTask, now_ns: int, took_ns: int) -> None:
        """Keep only the newest measurements of the link if a trial's forecast from them held."""
        if entry.trial is not None and entry.trial.tests(Site.CLOUD):
            trial = entry.trial.link
            if took_ns <= trial.up(now_ns, entry.offloaded.payload_bytes).upper_ns:
                self._forecast.link.adopt(trial)

    def replied(self, entry: EdgeTask, event: ev.CloudReplied) -> tuple[Score, ...]:
        """Learn the cloud's time and the downlink from an answer."""
        attempt, link = entry.offloaded, self._forecast.link
        attempt.compute_ns = event.compute_ns
        scores: tuple[Score, ...] = ()
        acceptance = attempt.acceptance
        if acceptance is not None:
            since_accepted_ns = event.now_ns - acceptance.at_ns
            is_trial = entry.is_trial_of(Site.CLOUD)
            if event.held_ns:
                scores = (
                    link.record_reply(event.now_ns, since_accepted_ns, event.held_ns, is_trial),
                )
            took_ns = event.held_ns or since_accepted_ns
            self._learn_cloud_time(entry, event, took_ns - acceptance.queue_ns)
        attempt.reply_air_ns = link.down(event.now_ns).mean_ns
        self._forecast.cloud_load(event.now_ns, event.queue_ns, event.slowdown)
        self._forecast.cloud_record.ended(event.now_ns, event.now_ns <= entry.task.due_ns)
        self._forecast.credits.ended(_upload(attempt).sent_ns, event.now_ns)
        entry.total = _cloud_total(attempt, event) if entry.open else None
        if entry.total is None or attempt.is_scored:
            return scores
        attempt.is_scored = True
        if not attempt.waits_for_credit:
            self._forecast.offload_level.record(event.now_ns, entry.total.held)
        return (*scores, entry.total)

    def _learn_cloud_time(self, entry: EdgeTask, event: ev.CloudReplied, alone_ns: int) -> None:
        cloud = self._forecast.cloud
        assert cloud is not None
        stage = cloud.table.codec_named(entry.codec).stage
        profiled_ns = cloud.table.path_ns(cloud.table.exit_named(event.exit), stage)
        took_ns = max(alone_ns, event.compute_ns)
        if entry.is_trial_of(Site.CLOUD):
            cloud.tried(event.now_ns, profiled_ns, took_ns)
        cloud.record(event.now_ns, profiled_ns, took_ns)

    def offload_failed(
        self, entry: EdgeTask, now_ns: int, refusal: RefusalCode | None
    ) -> tuple[Score, ...]:
        """Learn from an offload that ends without an answer; call this before the leg moves.

        If the cloud has refused it, `refusal` is its reason, and the whole payload has arrived
        there. A task that was refused because credits shrank shows nothing of the cloud's times.
        """
        scores: tuple[Score, ...] = ()
        judged = refusal is not RefusalCode.NO_CREDIT
        if entry.cloud in IN_FLIGHT and judged:
            self._forecast.cloud_record.ended(now_ns, in_time=False)
            scores = self._no_answer(entry.offloaded, now_ns)
        if entry.cloud is CloudLeg.UPLOADING:
            self._upload_ended(entry.offloaded, now_ns, judged and refusal is not None)
        return scores

    def given_up(self, entry: EdgeTask, now_ns: int) -> tuple[Score, ...]:
        """Learn from an offload that the edge gives up; call this before the leg moves."""
        attempt = entry.offloaded
        scores = self._no_answer(attempt, now_ns)
        if entry.cloud is CloudLeg.UPLOADING:
            upload = _upload(attempt)
            elapsed_ns = now_ns - upload.sent_ns
            self._forecast.link.record_unfinished(
                now_ns, attempt.payload_bytes, elapsed_ns, upload.expected
            )
            self._upload_ended(attempt, now_ns, arrived=False)
        return scores

    def deadline_passed(self, entry: EdgeTask, now_ns: int) -> None:
        """Record a late offload if the task is in flight at its deadline."""
        if entry.cloud in IN_FLIGHT:
            self._forecast.cloud_record.ended(now_ns, in_time=False)

    def cloud_idle(self) -> None:
        """Expect no wait for this edge's own tasks, as none is running in the cloud any more."""
        self._forecast.cloud_idle()

    def _upload_ended(self, attempt: OffloadAttempt, now_ns: int, arrived: bool) -> None:
        """Estimate what an upload that was not accepted has sent; all of it if it `arrived`."""
        link, upload = self._forecast.link, _upload(attempt)
        elapsed_ns = now_ns - upload.sent_ns
        air_ns = elapsed_ns - link.rtt_mean_ns(now_ns)
        upload.bytes_sent = attempt.payload_bytes
        if not arrived:
            # it may have ended without a message from the cloud: count at least the payload's
            # mean time, as far as that has passed
            mean_ns = max(1, link.up_mean_ns(now_ns, attempt.payload_bytes))
            air_ns = max(air_ns, min(elapsed_ns, mean_ns))
            upload.bytes_sent = int(attempt.payload_bytes * min(1.0, elapsed_ns / mean_ns))
        self._transmitted(upload, air_ns)

    def _transmitted(self, upload: Upload, air_ns: int) -> None:
        """Charge the task for its share of the radio's time."""
        upload.air_ns = max(0, air_ns)
        upload.paid_ns = self._air.sent(upload.sent_ns, upload.sent_ns + upload.air_ns)

    def _no_answer(self, attempt: OffloadAttempt, now_ns: int) -> tuple[Score, ...]:
        """Score an offload without an answer: it would have taken longer than this."""
        option = attempt.requested
        if option is None or attempt.is_scored:
            return ()
        attempt.is_scored, elapsed_ns = True, now_ns - attempt.queued_ns
        expected = Forecast(option.mean_ns, option.upper_ns)
        if not attempt.waits_for_credit:
            self._forecast.offload_level.record_unfinished(now_ns, expected, elapsed_ns)
        if elapsed_ns < expected.upper_ns:
            return ()
        mean_ns, upper_ns = expected.mean_ns, expected.upper_ns
        return (Score(Predictor.CLOUD_TOTAL, mean_ns, upper_ns, elapsed_ns, unfinished=True),)


def _upload(attempt: OffloadAttempt) -> Upload:
    assert attempt.upload is not None, "not sent"
    return attempt.upload


def _cloud_total(attempt: OffloadAttempt, event: ev.CloudReplied) -> Score | None:
    """Score of the forecast for the exit that answered, which may be deeper than the target."""
    for option in attempt.options:
        if option.exit == event.exit and option.codec == attempt.offload.codec:
            took_ns = event.now_ns - attempt.queued_ns
            return Score(Predictor.CLOUD_TOTAL, option.mean_ns, option.upper_ns, took_ns)
    return None
