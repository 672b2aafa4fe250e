"""A window of recent samples with a mean and quantiles; older samples fade out by age."""

from __future__ import annotations

from collections import deque

from mc_sched.core.quantiles import nearest_rank


class SampleWindow:
    """The last `size` samples that are younger than `horizon_ns`; `prior` speaks until they come.

    The prior's samples leave one by one as real ones arrive, so that one lucky sample does not
    make a quantile confident.
    """

    def __init__(self, prior: tuple[float, ...], size: int = 32, horizon_ns: int = 10**10) -> None:
        self._prior = prior
        self._horizon_ns = horizon_ns
        self._samples: deque[tuple[int, float]] = deque(maxlen=size)
        self._sorted: list[float] | None = None
        self._mean: float | None = None

    def add(self, now_ns: int, value: float) -> None:
        """Take a sample."""
        self._samples.append((now_ns, value))
        self._forget()

    def known(self, now_ns: int) -> bool:
        """Whether any sample is young enough to count."""
        self._fade(now_ns)
        return bool(self._samples)

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
