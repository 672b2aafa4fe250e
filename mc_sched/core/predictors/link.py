"""The link estimator: rates of both directions from real transfers, round trips from probes.

A rate is kept as its inverse, nanoseconds per byte, to which the time of a transfer is proportional
and that time is what is forecast. No sample for some seconds means unknown, and unknown is treated
with a prior that is slow enough to be careful. While tasks come and a direction has no fresh
sample, a padded probe measures it, so that no task has to (see `probing.py`).
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
"""Between the mean uplinks of 4G (5.85 Mbps) and 3G (1.10 Mbps); JointDNN, arXiv 1801.08618."""
DOWN_PRIOR = (_ns_per_byte(14e6), _ns_per_byte(8e6), _ns_per_byte(4e6))
"""Between their mean downlinks, 13.76 and 2.03 Mbps; same source."""
RTT_PRIOR_NS = (20e6, 30e6, 40e6)
"""Between a Wi-Fi round trip (5 to 30 ms) and 4G's (70 ms)."""
SHORTEST_TRANSFER_NS = 50_000
"""Transfers are not resolved finer than this: a loopback looks like a very fast link."""
RESOLVED_NS, NEAR = 2_000_000, 1.5
"""What the cloud saw of a transfer counts if it is longer than this, within this factor; a payload
that comes in one piece shows next to nothing."""
TOO_SOON = 1.25
"""An upload that took less than the round trip over this tells that the round trip has changed."""
GOING_NS = 5 * 10**9
"""How long a link may have been going when it is found gone, which is after 2 s without a word."""
LATELY_NS = 30 * 10**9
"""How long a link's best is remembered: a vehicle has passed behind a block of houses by then."""


@value
class _Upload:
    """A payload that has left: from its sending to its last byte, on the edge's clock."""

    start_ns: int
    end_ns: int
    size_bytes: int

    def bytes_between(self, start_ns: int, end_ns: int) -> float:
        """How much of it left in that time, if it left evenly."""
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
        """A reply's way over half a round trip."""
        self._up_level, self._down_level = AdaptiveLevel(quantile), AdaptiveLevel(quantile)
        self._left: deque[_Upload] = deque(maxlen=4)
        self._last_whole_ns = -1
        self._best = SlidingMin(LATELY_NS)
        """Of the uplink's means, nanoseconds per byte."""
        self._probing = Probing(least_samples=len(UP_PRIOR))

    def set_quantile(self, quantile: float) -> None:
        """Forecast at another upper quantile from now on."""
        self._quantile = quantile
        for level in (self._up_level, self._down_level):
            level.set_quantile(quantile)

    # --- what happens -----------------------------------------------------------------------

    def forget_end(self, now_ns: int) -> None:
        """The link is gone: that is why uploads since its last whole one did not end.

        Nor does what else it showed while it went say anything of one that comes back, if there is
        something older to go by.
        """
        self._up.forget_after(self._last_whole_ns)
        for window in (self._up, self._rtt_ns):
            if window.oldest_ns < now_ns - GOING_NS:
                window.forget_after(now_ns - GOING_NS)

    def record_rtt(self, now_ns: int, rtt_ns: int) -> None:
        """A probe came back."""
        self._rtt_ns.add(now_ns, float(rtt_ns))

    def record_padded(self, now_ns: int, took_ns: int, padding: Padding) -> None:
        """A probe that carried `padding`, in one direction, came back after `took_ns`."""
        left_ns = took_ns - self.rtt_mean_ns(now_ns)
        if padding.up_bytes:
            transfer_ns = self._resolved_ns(now_ns, padding.up_bytes, left_ns)
            pace = transfer_ns / padding.up_bytes
            self._probing.up_probed(now_ns, faster=pace * FASTER < self._up_mean(now_ns))
            self._arrived_whole(now_ns, pace)
        if padding.down_bytes:
            self._probing.down_probed(now_ns)
            self._down.add(now_ns, max(SHORTEST_TRANSFER_NS, left_ns) / padding.down_bytes)

    def record_upload(
        self, now_ns: int, size_bytes: int, until_accepted_ns: int, seen_ns: int = 0
    ) -> None:
        """A whole payload arrived: `until_accepted_ns` from sending it to the cloud's word.

        The cloud itself saw its bytes come in during `seen_ns`. What earlier payloads took of the
        link meanwhile counts for its rate; of two that share it evenly the first shows less than
        the link's, and the second puts that right.
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
        self._probing.up_told(now_ns)
        self._arrived_whole(now_ns, transfer_ns / (size_bytes + beside))

    def _arrived_whole(self, now_ns: int, pace: float) -> None:
        """A sample of the uplink, in nanoseconds per byte."""
        self._last_whole_ns = now_ns
        self._up.add(now_ns, pace)
        self._best.add(now_ns, self._up_mean(now_ns))

    def _transfer_ns(
        self, now_ns: int, size_bytes: int, until_accepted_ns: int, seen_ns: int
    ) -> int:
        """What is left of the time without the round trip.

        What the cloud saw knows nothing of the round trip, nor of what comes before the first
        byte; it keeps the difference within reason while a new round trip is being learned.
        """
        left_ns = until_accepted_ns - self.rtt_mean_ns(now_ns)
        if seen_ns < RESOLVED_NS:
            return self._resolved_ns(now_ns, size_bytes, left_ns)
        return int(min(max(left_ns, seen_ns / NEAR), seen_ns * NEAR))

    def _resolved_ns(self, now_ns: int, size_bytes: int, left_ns: int) -> int:
        """A transfer's time, of which `left_ns` are left without the round trip.

        What is less than round trips stray is not resolved: it may be anything up to that, and
        what is believed of the link stands as far as it lies in between.
        """
        strays_ns = 0
        if self._rtt_ns.settled(now_ns):
            upper_ns = self.rtt_upper_ns(now_ns)
            strays_ns = int((upper_ns - self.rtt_mean_ns(now_ns)) / DEVIATIONS)
        believed_ns = min(strays_ns, self.up_mean_ns(now_ns, size_bytes))
        return max(SHORTEST_TRANSFER_NS, left_ns, believed_ns)

    def record_unfinished(
        self, now_ns: int, size_bytes: int, elapsed_ns: int, expected: Forecast
    ) -> None:
        """An upload, of which this was expected, was stopped after `elapsed_ns` without a word.

        Then its rate is below what would have brought the word by now.
        """
        self._up_level.record_unfinished(now_ns, expected, elapsed_ns)
        transfer_ns = elapsed_ns - self.rtt_mean_ns(now_ns)
        if transfer_ns <= SHORTEST_TRANSFER_NS:
            return
        bound = transfer_ns / size_bytes
        if bound > self._up_mean(now_ns):
            self._probing.up_told(now_ns)
            self._up.add(now_ns, bound)

    def score_up(self, now_ns: int, until_accepted_ns: int, expected: Forecast) -> Score:
        """A whole payload arrived, of which this was expected."""
        score = Score(Predictor.TRANSFER_UP, expected.mean_ns, expected.upper_ns, until_accepted_ns)
        self._up_level.record(now_ns, score.held)
        return score

    def record_reply(self, now_ns: int, since_accepted_ns: int, held_ns: int) -> Score:
        """A reply came, `since_accepted_ns` after the cloud's first word; it was sent
        `held_ns` after that word, on the cloud's clock.

        The difference is how much longer the reply was on its way than the word, and the word
        took half a round trip, or more if it was held up; so a reply is never said to have been
        faster than half of the fastest round trip.
        """
        expected, half_ns = self.down(now_ns), max(1, self.rtt_mean_ns(now_ns) // 2)
        fastest_ns = int(self._rtt_ns.quantile(now_ns, 0.0)) // 2
        actual_ns = max(fastest_ns, since_accepted_ns - held_ns + half_ns)
        score = Score(Predictor.TRANSFER_DOWN, expected.mean_ns, expected.upper_ns, actual_ns)
        self._down_level.record(now_ns, score.held)
        self._reply.add(now_ns, actual_ns / half_ns)
        return score

    # --- what is known ----------------------------------------------------------------------

    @property
    def last_left_ns(self) -> int:
        """When the last byte of the last whole payload had left."""
        return max((upload.end_ns for upload in self._left), default=0)

    def known(self, now_ns: int) -> bool:
        """Whether the uplink was measured lately."""
        return self._up.known(now_ns)

    def down_known(self, now_ns: int) -> bool:
        """Whether the downlink was measured lately."""
        return self._down.known(now_ns)

    @property
    def never_measured(self) -> bool:
        """Whether some direction lacks the samples, however old, that silence its prior."""
        return self._probing.never_done

    def worth_counts(self, now_ns: int) -> bool:
        """See `Probing.worth_counts`."""
        return self._probing.worth_counts(now_ns)

    def wanted_padding(self, now_ns: int, probe_is_worth_it: bool = False) -> Padding:
        """What the next probe should carry. `probe_is_worth_it`: see `Probing.wanted`."""
        if not self._rtt_ns.settled(now_ns):
            return Padding()  # what a transfer takes beyond the round trip could not be told
        return self._probing.wanted(now_ns, self._up.settled(now_ns), probe_is_worth_it)

    # --- forecasts --------------------------------------------------------------------------

    def up(self, now_ns: int, size_bytes: int, backlog_ns: int = 0) -> Forecast:
        """Time from handing over a payload, behind `backlog_ns`, to the word that it has come."""
        mean_ns = self.up_mean_ns(now_ns, size_bytes) + self.rtt_mean_ns(now_ns)
        upper_ns = self.up_upper_ns(now_ns, size_bytes) + self.rtt_upper_ns(now_ns, self._up_level)
        return Forecast(backlog_ns + mean_ns, backlog_ns + upper_ns)

    def down(self, now_ns: int, level: AdaptiveLevel | None = None) -> Forecast:
        """Time that a reply takes from the cloud to here."""
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
        """Mean time for `size_bytes` to leave."""
        return int(size_bytes * self._up_mean(now_ns))

    def up_upper_ns(self, now_ns: int, size_bytes: int, level: AdaptiveLevel | None = None) -> int:
        """Upper quantile of that time, at a level of its own or at that of a sum it is part of."""
        return int(size_bytes * (level or self._up_level).upper(self._up, now_ns))

    def up_best_ns(self, now_ns: int, size_bytes: int) -> int:
        """Time for `size_bytes` to leave, were the uplink as fast as at its best lately."""
        return int(size_bytes * self._best.least(now_ns, otherwise=UP_PRIOR[0]))

    def rtt_mean_ns(self, now_ns: int) -> int:
        """Mean round trip."""
        return int(self._rtt_ns.mean_up_to(now_ns, self._quantile))

    def rtt_upper_ns(self, now_ns: int, level: AdaptiveLevel | None = None) -> int:
        """Upper quantile of the round trip."""
        if level is None:
            return int(self._rtt_ns.quantile(now_ns, self._quantile))
        return int(level.upper(self._rtt_ns, now_ns))

    def _up_mean(self, now_ns: int) -> float:
        """Mean nanoseconds per byte, not above the quantile."""
        return self._up.mean_up_to(now_ns, self._quantile)
