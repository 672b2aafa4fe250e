"""The link estimator: rates of both directions from transfers, round trips from probes.

A rate is kept as its inverse, in nanoseconds per byte, because forecasts are of transfer times,
which are proportional to it. A direction without a sample for some seconds is unknown; its
forecasts then rest on a prior that is slow enough to be careful. While tasks come and a direction
has no fresh sample, a padded probe measures it, so that no task has to (see `probing.py`).
"""

from __future__ import annotations

from collections import deque

from mc_sched.core.predictors.conformal import AdaptiveLevel
from mc_sched.core.predictors.probing import FASTER, Padding, Probing
from mc_sched.core.predictors.sliding_min import SlidingMin
from mc_sched.core.predictors.window import SampleWindow
from mc_sched.core.quantiles import DEVIATIONS
from mc_sched.core.scores import Forecast, Predictor, Score
from mc_sched.core.value import value


def _ns_per_byte(rate_bps: float) -> float:
    return 8e9 / rate_bps


UP_PRIOR = (_ns_per_byte(6e6), _ns_per_byte(4e6), _ns_per_byte(3e6))
"""Rate between the mean uplinks of 4G (5.85 Mbps) and 3G (1.10); JointDNN, arXiv 1801.08618."""
DOWN_PRIOR = (_ns_per_byte(14e6), _ns_per_byte(8e6), _ns_per_byte(4e6))
"""Rate between the mean downlinks of 4G (13.76 Mbps) and 3G (2.03 Mbps); same source."""
RTT_PRIOR_NS = (20e6, 30e6, 40e6)
"""Time between a Wi-Fi round trip (5 to 30 ms) and 4G's (70 ms)."""
LATEST_NS, LEAST_LATEST = 10**9, 2
"""The mean round trip is at most the longest of this time, if there are so many: a second after a
disturbance nothing of it is left."""
SHORTEST_TRANSFER_NS = 50_000
"""Shortest transfer time that is recorded, so that a loopback looks like a very fast link."""
RESOLVED_NS, NEAR = 2_000_000, 1.5
"""The part of a transfer that the cloud saw is used if it took longer than RESOLVED_NS, and bounds
the transfer time within a factor of NEAR. A payload that arrives in one piece shows nothing."""
TOO_SOON = 1.25
"""The round trip has changed if an upload took less than the mean round trip, divided by this."""
FAILING_NS = 5 * 10**9
"""Longest time for which a link has been failing when it is found gone, after 2 s of silence."""
MOST_PADDED_IN_A_ROW = 2
"""Padded probes in a row, after which one without padding measures the round trip again."""
NEWEST_NS = 750_000_000
"""Age at which even the newest measurement says nothing about the link of a trial any more. Probes
measure the uplink more often while its estimate keeps tasks from the cloud."""
RECENT_NS = 30 * 10**9
"""Time for which a link's best rate is remembered; a vehicle passes a block of houses in less."""


@value
class _Upload:
    """An upload that is complete: from its start to its last byte, on the edge's clock."""

    start_ns: int
    end_ns: int
    size_bytes: int

    def bytes_between(self, start_ns: int, end_ns: int) -> float:
        """Bytes sent between the two moments, at an even rate."""
        shared_ns = min(self.end_ns, end_ns) - max(self.start_ns, start_ns)
        return self.size_bytes * max(0, shared_ns) / max(1, self.end_ns - self.start_ns)


class LinkEstimator:
    """Forecasts for the link between one edge and one cloud agent."""

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._up = SampleWindow(UP_PRIOR)
        self._down = SampleWindow(DOWN_PRIOR)
        self._rtt_ns = SampleWindow(RTT_PRIOR_NS)
        self._reply = SampleWindow((1.0,))
        """Downlink time of a reply over half a round trip."""
        self._up_level, self._down_level = AdaptiveLevel(quantile), AdaptiveLevel(quantile)
        self._left: deque[_Upload] = deque(maxlen=4)
        self._last_complete_ns = -1
        self._best = SlidingMin(RECENT_NS)
        """Smallest of the recent means of the uplink, in nanoseconds per byte."""
        self._probing = Probing(least_samples=len(UP_PRIOR))
        self._rtt_mean_ns, self._rtt_mean_at_ns = 0, -1
        """The mean round trip that was read last, and the moment; reset by each sample."""
        self._padded_in_a_row = 0
        """Padded probes since the last round trip without padding."""
        self._padded: _Upload | None = None
        """The last probe with padding for the uplink, from its start to its answer."""

    def newest_only(self, now_ns: int) -> LinkEstimator:
        """Return an estimator for a trial, which knows what the newest probes show at best.

        What they do not show is left to the priors.
        """
        trial = LinkEstimator(self._quantile)
        since_ns = now_ns - NEWEST_NS
        rtt_ns = min(self._rtt_ns.since(since_ns), default=None)
        if rtt_ns is not None:
            trial._rtt_ns.add(now_ns, rtt_ns)
            padded = self._padded
            if padded is not None and padded.start_ns > since_ns:
                left_ns = padded.end_ns - padded.start_ns - rtt_ns
                trial._up.add(now_ns, max(SHORTEST_TRANSFER_NS, left_ns) / padded.size_bytes)
        return trial

    def adopt(self, trial: LinkEstimator) -> None:
        """Forget all measurements of the round trip and the uplink but those of a trial."""
        self._rtt_ns, self._up = trial._rtt_ns, trial._up
        self._rtt_mean_at_ns = -1
        self._up_level.forget()

    def set_quantile(self, quantile: float) -> None:
        """Use another upper quantile from now on."""
        self._quantile, self._rtt_mean_at_ns = quantile, -1
        for level in (self._up_level, self._down_level):
            level.set_quantile(quantile)

    # --- measurements -------------------------------------------------------------------------

    def forget_outage(self, now_ns: int) -> None:
        """Forget samples that show the link's failure and not its rate, when the link is gone.

        These are the uploads that have not ended since the last complete one, and all samples of
        the last FAILING_NS if there are older ones.
        """
        self._up.forget_after(now_ns, self._last_complete_ns)
        for window in (self._up, self._rtt_ns):
            if window.oldest_ns(now_ns) < now_ns - FAILING_NS:
                window.forget_after(now_ns, now_ns - FAILING_NS)
        self._rtt_mean_at_ns = -1

    def record_rtt(self, now_ns: int, rtt_ns: int) -> None:
        """Take the round trip of a probe."""
        self._add_rtt(now_ns, rtt_ns)
        self._padded_in_a_row = 0

    def _add_rtt(self, now_ns: int, rtt_ns: int) -> None:
        self._rtt_ns.add(now_ns, float(rtt_ns))
        self._rtt_mean_at_ns = -1

    def record_padded(self, now_ns: int, took_ns: int, padding: Padding) -> None:
        """Take the round trip of a probe that carried `padding` in one direction."""
        if took_ns * TOO_SOON < self.rtt_mean_ns(now_ns):
            self._add_rtt(now_ns, took_ns)  # the round trip is shorter even than this
        self._padded_in_a_row += 1
        left_ns = took_ns - self.rtt_mean_ns(now_ns)
        if padding.up_bytes:
            self._padded = _Upload(now_ns - took_ns, now_ns, padding.up_bytes)
            transfer_ns = self._resolved_ns(now_ns, padding.up_bytes, left_ns)
            pace = transfer_ns / padding.up_bytes
            self._probing.up_probed(now_ns, faster=pace * FASTER < self._up_mean(now_ns))
            self._add_up_sample(now_ns, pace)
        if padding.down_bytes:
            self._probing.down_probed(now_ns)
            self._down.add(now_ns, max(SHORTEST_TRANSFER_NS, left_ns) / padding.down_bytes)

    def record_upload(
        self,
        now_ns: int,
        size_bytes: int,
        until_accepted_ns: int,
        seen_ns: int = 0,
    ) -> None:
        """Take a complete upload: `until_accepted_ns` from its start to the cloud's acceptance.

        The cloud saw its bytes arrive during `seen_ns`. Bytes of earlier payloads that were sent
        in the same time are added to the rate. If two payloads share the link evenly, the first
        one's sample is too slow, and the second one's corrects it.
        """
        too_soon = until_accepted_ns * TOO_SOON < self.rtt_mean_ns(now_ns)
        if too_soon:
            self.record_rtt(now_ns, max(1, until_accepted_ns - seen_ns))
        if too_soon and seen_ns < RESOLVED_NS:
            return
        transfer_ns = self._transfer_ns(now_ns, size_bytes, until_accepted_ns, seen_ns)
        start_ns = now_ns - until_accepted_ns
        end_ns = start_ns + transfer_ns
        beside = sum(other.bytes_between(start_ns, end_ns) for other in self._left)
        self._left.append(_Upload(start_ns, end_ns, size_bytes))
        self._probing.up_measured(now_ns)
        self._add_up_sample(now_ns, transfer_ns / (size_bytes + beside))

    def _add_up_sample(self, now_ns: int, pace: float) -> None:
        """Add a sample of the uplink from a complete transfer, in nanoseconds per byte."""
        self._last_complete_ns = now_ns
        self._up.add(now_ns, pace)
        self._best.add(now_ns, self._up_mean(now_ns))

    def _transfer_ns(
        self, now_ns: int, size_bytes: int, until_accepted_ns: int, seen_ns: int
    ) -> int:
        """Transfer time of an upload: the time until its acceptance without the round trip.

        The time that the cloud saw contains no round trip, and nothing before the first byte. It
        bounds the difference while a changed round trip is being learned.
        """
        left_ns = until_accepted_ns - self.rtt_mean_ns(now_ns)
        if seen_ns < RESOLVED_NS:
            return self._resolved_ns(now_ns, size_bytes, left_ns)
        return int(min(max(left_ns, seen_ns / NEAR), seen_ns * NEAR))

    def _resolved_ns(self, now_ns: int, size_bytes: int, left_ns: int) -> int:
        """Transfer time, given `left_ns`, the measured time without the mean round trip.

        Times below the standard deviation of the round trips are not resolved. Then the present
        estimate is kept, up to that deviation.
        """
        deviation_ns = 0
        if self._rtt_ns.warmed_up(now_ns):
            upper_ns = self.rtt_upper_ns(now_ns)
            deviation_ns = int((upper_ns - self.rtt_mean_ns(now_ns)) / DEVIATIONS)
        estimated_ns = min(deviation_ns, self.up_mean_ns(now_ns, size_bytes))
        return max(SHORTEST_TRANSFER_NS, left_ns, estimated_ns)

    def record_unfinished(
        self, now_ns: int, size_bytes: int, elapsed_ns: int, expected: Forecast
    ) -> None:
        """Take an upload that was stopped after `elapsed_ns` without an answer.

        The rate is lower than the one at which it would have been accepted by then.
        """
        self._up_level.record_unfinished(now_ns, expected, elapsed_ns)
        transfer_ns = elapsed_ns - self.rtt_mean_ns(now_ns)
        if transfer_ns <= SHORTEST_TRANSFER_NS:
            return
        bound = transfer_ns / size_bytes
        if bound > self._up_mean(now_ns):
            self._probing.up_measured(now_ns)
            self._up.add(now_ns, bound)

    def score_up(self, now_ns: int, until_accepted_ns: int, expected: Forecast) -> Score:
        """Score the forecast of a complete upload."""
        score = Score(Predictor.TRANSFER_UP, expected.mean_ns, expected.upper_ns, until_accepted_ns)
        self._up_level.record(now_ns, score.held)
        return score

    def record_reply(
        self, now_ns: int, since_accepted_ns: int, held_ns: int, is_trial: bool = False
    ) -> Score:
        """Take a reply that came `since_accepted_ns` after the acceptance; return its score.

        The cloud sent it `held_ns` after the acceptance, on its own clock. The difference is how
        much longer the reply took on the downlink than the acceptance. The acceptance took half a
        round trip, or more if it was delayed. So the result is never less than half of the
        fastest round trip.
        """
        expected, half_ns = self.down(now_ns), max(1, self.rtt_mean_ns(now_ns) // 2)
        fastest_ns = int(self._rtt_ns.quantile(now_ns, 0.0)) // 2
        actual_ns = max(fastest_ns, since_accepted_ns - held_ns + half_ns)
        score = Score(Predictor.TRANSFER_DOWN, expected.mean_ns, expected.upper_ns, actual_ns)
        self._down_level.record(now_ns, score.held)
        if is_trial and self._reply.is_refuted_by(now_ns, actual_ns / half_ns):
            self._reply.forget()
            self._down_level.forget()
        self._reply.add(now_ns, actual_ns / half_ns)
        return score

    # --- state ------------------------------------------------------------------------------

    @property
    def last_left_ns(self) -> int:
        """Moment when the last byte of the last complete upload was sent."""
        return max((upload.end_ns for upload in self._left), default=0)

    def known(self, now_ns: int) -> bool:
        """Return True if the uplink was measured recently."""
        return self._up.known(now_ns)

    def down_known(self, now_ns: int) -> bool:
        """Return True if the downlink was measured recently."""
        return self._down.known(now_ns)

    @property
    def rests_on_prior(self) -> bool:
        """True while a direction has too few samples, of any age, to replace its prior."""
        return self._probing.rests_on_prior

    def depends_on_worth(self, now_ns: int) -> bool:
        """See `Probing.depends_on_worth`."""
        return self._probing.depends_on_worth(now_ns)

    def next_padding(self, now_ns: int, probe_is_worth_it: bool = False) -> Padding:
        """Return the next probe's padding; see `Probing.next_padding`."""
        if not self._rtt_ns.warmed_up(now_ns) or self._padded_in_a_row >= MOST_PADDED_IN_A_ROW:
            return Padding()  # the padding's time could not be separated from the round trip
        return self._probing.next_padding(now_ns, self._up.warmed_up(now_ns), probe_is_worth_it)

    # --- forecasts --------------------------------------------------------------------------

    def up(self, now_ns: int, size_bytes: int, backlog_ns: int = 0) -> Forecast:
        """Time from the hand-over of a payload, behind `backlog_ns`, to the cloud's acceptance."""
        mean_ns = self.up_mean_ns(now_ns, size_bytes) + self.rtt_mean_ns(now_ns)
        upper_ns = self.up_upper_ns(now_ns, size_bytes) + self.rtt_upper_ns(now_ns, self._up_level)
        return Forecast(backlog_ns + mean_ns, backlog_ns + upper_ns)

    def down(self, now_ns: int, level: AdaptiveLevel | None = None) -> Forecast:
        """Downlink time of a reply."""
        half_ns = self.rtt_mean_ns(now_ns) // 2
        if not self._reply.known(now_ns):
            return Forecast(half_ns, self.rtt_upper_ns(now_ns, level) // 2)
        mean = self._reply.mean_up_to(now_ns, self._quantile)
        upper = (level or self._down_level).upper(self._reply, now_ns)
        return Forecast(int(half_ns * mean), int(half_ns * upper))

    def up_mean_bps(self, now_ns: int) -> float:
        """Mean uplink rate."""
        return 8e9 / self._up_mean(now_ns)

    def down_mean_bps(self, now_ns: int) -> float:
        """Mean downlink rate."""
        return 8e9 / self._down.mean_up_to(now_ns, self._quantile)

    def up_mean_ns(self, now_ns: int, size_bytes: int) -> int:
        """Mean time to send `size_bytes`."""
        return int(size_bytes * self._up_mean(now_ns))

    def up_upper_ns(self, now_ns: int, size_bytes: int, level: AdaptiveLevel | None = None) -> int:
        """Upper quantile of the time to send `size_bytes`.

        `level` is that of the sum that the time is part of; None for the estimator's own.
        """
        return int(size_bytes * (level or self._up_level).upper(self._up, now_ns))

    def up_best_ns(self, now_ns: int, size_bytes: int) -> int:
        """Time to send `size_bytes` at the best recent rate of the uplink."""
        return int(size_bytes * self._best.least(now_ns, otherwise=UP_PRIOR[0]))

    def rtt_mean_ns(self, now_ns: int) -> int:
        """Mean round trip, at most the longest of the last second."""
        if now_ns != self._rtt_mean_at_ns:
            mean_ns = self._rtt_ns.mean_up_to(now_ns, self._quantile)
            latest = self._rtt_ns.since(now_ns - LATEST_NS)
            if len(latest) >= LEAST_LATEST:
                mean_ns = min(mean_ns, max(latest))
            self._rtt_mean_ns, self._rtt_mean_at_ns = int(mean_ns), now_ns
        return self._rtt_mean_ns

    def rtt_upper_ns(self, now_ns: int, level: AdaptiveLevel | None = None) -> int:
        """Upper quantile of the round trip."""
        if level is None:
            return int(self._rtt_ns.quantile(now_ns, self._quantile))
        return int(level.upper(self._rtt_ns, now_ns))

    def _up_mean(self, now_ns: int) -> float:
        """Mean time per byte of the uplink, in nanoseconds, at most the quantile."""
        return self._up.mean_up_to(now_ns, self._quantile)
