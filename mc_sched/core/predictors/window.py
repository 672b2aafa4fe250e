"""A window of recent samples with a mean and quantiles; old samples drop out by age.

The samples are times and rates, whose errors are relative. So the mean is a geometric one. As they
drift, the newest sample weighs most, and each older one weighs FADING of the next newer.

The window follows a step within three samples: when the last three all lie clearly on the same side
of the earlier ones, the earlier samples are scaled to the new level. They keep their dispersion,
which three samples alone cannot show.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from functools import cache
from math import exp, log, sqrt

from mc_sched.core.quantiles import nearest_rank
from mc_sched.core.value import value

STEP_SAMPLES = 3
"""Samples in a row that make a step, with at least as many before; one or two may be outliers."""
STEP = 1.25
"""Factor by which each of them has to lie beyond the median of the earlier ones."""
RARE = 0.1
"""Largest share of the earlier samples that may lie beyond them as well: in a wide distribution,
three samples from one half are not a step."""

FADING = 0.8
"""Weight of a sample relative to the next newer one; about the last five samples make the mean. The
value was chosen in the simulator, on two uplinks recorded while driving, at 2 and 6 frames per
second. The error with 0.9 was larger in all four cases; with 0.7 and 0.5 it was up to 1.2 points
smaller on UMTS and up to 1.4 points larger on LTE. No other recordings were used."""
FOREVER_NS = 2**63
LEAST = 1e-12
"""Smaller samples, such as 0, count as this in the mean."""


@value
class _Step:
    """A step found at `found_ns`: samples older than `first_ns` were scaled by `factor`."""

    found_ns: int
    first_ns: int
    factor: float


class SampleWindow:
    """The last `size` samples that are younger than `horizon_ns`, preceded by a prior.

    Each real sample replaces one of the prior's, so that a quantile does not rest on one lucky
    sample.
    """

    def __init__(self, prior: tuple[float, ...], size: int = 32, horizon_ns: int = 10**10) -> None:
        self._prior, self._prior_sorted = prior, sorted(prior)
        self._size = size
        self._horizon_ns = horizon_ns
        self._taken_ns: list[int] = []
        self._samples: list[float] = []
        """The samples and the moments when they were taken, oldest first."""
        self._sorted: list[float] = []
        """The samples in ascending order; kept sorted because every event reads quantiles."""
        self._steps: deque[_Step] = deque(maxlen=8)
        self._weights = _weights(size)
        self._log_sum = self._weight = 0.0
        """Weighted sum of the samples' logarithms, and the sum of the weights."""
        self._fades_ns = FOREVER_NS
        """Moment when the oldest sample becomes too old."""
        self._faded_ns = 0
        """Moment when the last sample that was dropped for its age became too old."""
        self._aged: SampleWindow | None = None
        """This window without the samples that were too old at the last read."""
        self._mean: float | None = None
        self._capped: float | None = None
        self._capped_at = 0.0
        """The mean up to a quantile, and that quantile. They are kept until the samples change, as
        an event reads them many times."""

    def add(self, now_ns: int, sample: float) -> None:
        """Take a sample."""
        self._fade(now_ns)
        if len(self._samples) == self._size:
            self._drop_oldest()
        self._taken_ns.append(now_ns)
        self._samples.append(sample)
        self._fades_ns = self._taken_ns[0] + self._horizon_ns
        insort(self._sorted, sample)
        self._weigh(sample)
        self._reset_reads()
        self._follow_step(sample)

    def _follow_step(self, newest: float) -> None:
        """Scale the earlier samples if the last ones show that the level has changed."""
        earlier = len(self._samples) - STEP_SAMPLES
        if earlier < STEP_SAMPLES:
            return
        # the median of the earlier ones is not farther than this from the median of all
        least, most = (
            self._sorted[(earlier - 1) // 2],
            self._sorted[(earlier - 1) // 2 + STEP_SAMPLES],
        )
        if newest <= STEP * least and newest * STEP >= most:
            return
        low, middle, high = sorted(self._samples[earlier:])
        ordered = sorted(self._samples[:earlier])
        before = nearest_rank(ordered, 0.5)
        above = low > max(STEP * before, nearest_rank(ordered, 1.0 - RARE))
        below = 0.0 < high < min(before / STEP, nearest_rank(ordered, RARE))
        if before > 0.0 and (above or below):
            step = _Step(self._taken_ns[-1], self._taken_ns[earlier], middle / before)
            self._steps.append(step)
            self._scale(step.first_ns, step.factor)

    def _scale(self, before_ns: int, factor: float) -> None:
        """Multiply the samples that are older than `before_ns`."""
        for index, taken_ns in enumerate(self._taken_ns):
            if taken_ns >= before_ns:
                break
            self._samples[index] *= factor
        self._sorted = sorted(self._samples)
        self._recompute_weights()

    def forget_after(self, now_ns: int, moment_ns: int) -> None:
        """Remove the samples taken after `moment_ns`, and undo the steps found after it."""
        self._fade(now_ns)
        while self._steps and self._steps[-1].found_ns > moment_ns:
            step = self._steps.pop()
            self._scale(step.first_ns, 1.0 / step.factor)
        while self._taken_ns and self._taken_ns[-1] > moment_ns:
            self._taken_ns.pop()
            del self._sorted[bisect_left(self._sorted, self._samples.pop())]
        self._recompute_weights()

    def forget(self) -> None:
        """Remove all samples, so that only the prior is left."""
        self._taken_ns, self._samples, self._sorted = [], [], []
        self._steps.clear()
        self._fades_ns = FOREVER_NS
        self._recompute_weights()

    def is_refuted_by(self, now_ns: int, sample: float) -> bool:
        """Return True if a trial's sample agrees with the prior rather than with this window.

        The sample is among the prior's, or nearer to the prior's median than to the mean.
        """
        middle = nearest_rank(self._prior_sorted, 0.5)
        return sample <= max(self._prior_sorted[-1], sqrt(middle * self.mean(now_ns)))

    def since(self, moment_ns: int) -> list[float]:
        """The samples that were taken after a moment, oldest first."""
        return self._samples[bisect_right(self._taken_ns, moment_ns) :]

    @property
    def newest_ns(self) -> int:
        """Moment when the newest sample was taken; 0 if there is none."""
        return self._taken_ns[-1] if self._taken_ns else 0

    def oldest_ns(self, now_ns: int) -> int:
        """Moment when the oldest sample was taken; FOREVER_NS if there is none."""
        aged = self._at(now_ns)
        return aged._taken_ns[0] if aged._taken_ns else FOREVER_NS

    def known(self, now_ns: int) -> bool:
        """Return True if there is a sample that is young enough."""
        return bool(self._at(now_ns)._samples)

    def warmed_up(self, now_ns: int) -> bool:
        """Return True if there are enough samples to replace the whole prior."""
        count = len(self._at(now_ns)._samples)
        return 0 < count >= len(self._prior)

    def mean(self, now_ns: int) -> float:
        """Weighted geometric mean of the samples, or the prior's median if there are none.

        The prior's upper samples make the quantiles careful; in a mean they would be a bias.
        """
        if now_ns > self._fades_ns:
            return self._at(now_ns).mean(now_ns)
        if self._mean is None:
            self._mean = (
                self._weighted_mean() if self._samples else nearest_rank(self._prior_sorted, 0.5)
            )
        return self._mean

    def _weighted_mean(self) -> float:
        mean = exp(self._log_sum / self._weight)
        return min(max(mean, self._sorted[0]), self._sorted[-1])  # only rounding errors are cut off

    def quantile(self, now_ns: int, q: float) -> float:
        """Nearest-rank quantile `q` of the samples and of those of the prior not yet replaced."""
        if now_ns > self._fades_ns:
            return self._at(now_ns).quantile(now_ns, q)
        count = len(self._samples)
        if count >= len(self._prior):
            return nearest_rank(self._sorted, q)
        return nearest_rank(sorted((*self._prior[count:], *self._sorted)), q)

    def mean_up_to(self, now_ns: int, q: float) -> float:
        """The mean, but at most quantile `q`, so that one outlier does not lift it further."""
        if now_ns > self._fades_ns:
            return self._at(now_ns).mean_up_to(now_ns, q)
        if self._capped is None or self._capped_at != q:
            self._capped = min(self.mean(now_ns), self.quantile(now_ns, q))
            self._capped_at = q
        return self._capped

    def _at(self, now_ns: int) -> SampleWindow:
        """This window without the samples that are too old by now.

        Reading changes no sample: a log holds no reads, so that a replay would differ otherwise.
        """
        if now_ns <= self._fades_ns:
            return self
        aged = self._aged
        if aged is None or not aged._faded_ns < now_ns <= aged._fades_ns:
            aged = self._copy()
            aged._fade(now_ns)
            self._aged = aged
        return aged

    def _copy(self) -> SampleWindow:
        copy = SampleWindow(self._prior, self._size, self._horizon_ns)
        copy._taken_ns, copy._samples = self._taken_ns[:], self._samples[:]
        copy._sorted = self._sorted[:]
        copy._log_sum, copy._weight = self._log_sum, self._weight
        copy._fades_ns = self._fades_ns
        return copy

    def _fade(self, now_ns: int) -> None:
        """Drop the samples that are too old."""
        if now_ns <= self._fades_ns:
            return
        oldest = now_ns - self._horizon_ns
        while self._taken_ns and self._taken_ns[0] < oldest:
            self._faded_ns = self._taken_ns[0] + self._horizon_ns
            self._drop_oldest()
        self._fades_ns = self._taken_ns[0] + self._horizon_ns if self._taken_ns else FOREVER_NS

    def _drop_oldest(self) -> None:
        weight = self._weights[len(self._samples) - 1]
        self._taken_ns.pop(0)
        oldest = self._samples.pop(0)
        del self._sorted[bisect_left(self._sorted, oldest)]
        self._log_sum -= weight * log(max(oldest, LEAST))
        self._weight -= weight
        if not self._samples:
            self._log_sum = self._weight = 0.0  # clears accumulated rounding errors
        self._reset_reads()

    def _weigh(self, sample: float) -> None:
        """Add the newest sample with weight 1; the weights of all others shrink by FADING."""
        self._log_sum = FADING * self._log_sum + log(max(sample, LEAST))
        self._weight = FADING * self._weight + 1.0

    def _recompute_weights(self) -> None:
        self._log_sum = self._weight = 0.0
        for sample in self._samples:
            self._weigh(sample)
        self._reset_reads()

    def _reset_reads(self) -> None:
        self._mean = None
        self._capped = None
        self._aged = None


@cache
def _weights(size: int) -> tuple[float, ...]:
    """Weights by age in samples, newest first."""
    return tuple([FADING**age for age in range(size)])
