"""A window of recent samples with a mean and quantiles; older samples fade out by age.

A step is followed within three samples: when the last three all lie clearly on the same side of
what came before, the earlier samples are scaled to the new level. What they keep is their spread,
which three samples alone could not tell.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from mc_sched.core.quantiles import nearest_rank

WITNESSES = 3
"""Samples in a row that make a step, and at least as many before; one or two are an accident."""
STEP = 1.25
"""How far, as a factor, each of them has to lie beyond the median of the earlier ones."""


@dataclass(frozen=True)
class _Step:
    """The samples older than `first_ns` were scaled by `factor` when `found_ns` came."""

    found_ns: int
    first_ns: int
    factor: float


class SampleWindow:
    """The last `size` samples that are younger than `horizon_ns`; `prior` speaks until they come.

    The prior's samples leave one by one as real ones arrive, so that one lucky sample does not
    make a quantile confident.
    """

    def __init__(self, prior: tuple[float, ...], size: int = 32, horizon_ns: int = 10**10) -> None:
        self._prior = prior
        self._horizon_ns = horizon_ns
        self._samples: deque[tuple[int, float]] = deque(maxlen=size)
        self._steps: deque[_Step] = deque(maxlen=8)
        self._sorted: list[float] | None = None
        self._mean: float | None = None
        self._quantiles: dict[float, float] = {}

    def add(self, now_ns: int, value: float) -> None:
        """Take a sample."""
        self._samples.append((now_ns, value))
        self._forget()
        self._follow_step()

    def _follow_step(self) -> None:
        """Scale the earlier samples if the last ones say that the level has changed."""
        earlier = len(self._samples) - WITNESSES
        if earlier < WITNESSES:
            return
        last = sorted(self._samples[-1 - back][1] for back in range(WITNESSES))
        middle = last[WITNESSES // 2]
        before = nearest_rank(sorted(v for _, v in islice(self._samples, earlier)), 0.5)
        if before > 0.0 and (last[0] > STEP * before or 0.0 < last[-1] * STEP < before):
            step = _Step(self._samples[-1][0], self._samples[earlier][0], middle / before)
            self._steps.append(step)
            self._scale(step.first_ns, step.factor)

    def _scale(self, before_ns: int, factor: float) -> None:
        """Multiply the samples that are older than `before_ns`."""
        for index, (at_ns, value) in enumerate(self._samples):
            if at_ns >= before_ns:
                break
            self._samples[index] = (at_ns, value * factor)

    def forget_after(self, moment_ns: int) -> None:
        """Forget the samples that were taken after `moment_ns`, and the steps that they showed."""
        while self._steps and self._steps[-1].found_ns > moment_ns:
            step = self._steps.pop()
            self._scale(step.first_ns, 1.0 / step.factor)
            self._forget()
        while self._samples and self._samples[-1][0] > moment_ns:
            self._samples.pop()
            self._forget()

    def known(self, now_ns: int) -> bool:
        """Whether any sample is young enough to count."""
        self._fade(now_ns)
        return bool(self._samples)

    @property
    def last_ns(self) -> int | None:
        """When the last sample was taken; None without one."""
        return self._samples[-1][0] if self._samples else None

    def mean(self, now_ns: int) -> float:
        """Mean of the samples, or of the prior while there are none."""
        self._fade(now_ns)
        if self._mean is None:
            values = [value for _, value in self._samples] or self._prior
            self._mean = sum(values) / len(values)
        return self._mean

    def quantile(self, now_ns: int, q: float) -> float:
        """Nearest-rank quantile `q` of the samples, filled up with what is left of the prior."""
        self._fade(now_ns)
        known = self._quantiles.get(q)
        if known is None:
            known = self._quantiles[q] = self._rank(q)
        return known

    def _rank(self, q: float) -> float:
        if self._sorted is None:
            left = max(0, len(self._prior) - len(self._samples))
            kept = self._prior[len(self._prior) - left :]
            self._sorted = sorted((*kept, *(value for _, value in self._samples)))
        return nearest_rank(self._sorted, q)

    def mean_up_to(self, now_ns: int, q: float) -> float:
        """The mean, but not above quantile `q`, past which one far sample could lift it."""
        return min(self.mean(now_ns), self.quantile(now_ns, q))

    def _fade(self, now_ns: int) -> None:
        oldest = now_ns - self._horizon_ns
        while self._samples and self._samples[0][0] < oldest:
            self._samples.popleft()
            self._forget()

    def _forget(self) -> None:
        self._sorted = self._mean = None
        self._quantiles.clear()
