"""The link estimator: bandwidth from real transfers, round trips from probes.

No sample for some seconds means unknown, and unknown is treated with a prior that is slow enough
to be careful and fast enough to let one task try.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mc_sched.core.predictors.window import SampleWindow

UP_PRIOR_BPS = (6e6, 4e6, 3e6)
"""Between the mean uplinks of 4G (5.85 Mbps) and 3G (1.10 Mbps); JointDNN, arXiv 1801.08618."""
RTT_PRIOR_NS = (20e6, 30e6, 40e6)
"""Between a Wi-Fi round trip (5 to 30 ms) and 4G's (70 ms)."""
SHORTEST_TRANSFER_NS = 50_000
"""Transfers are not resolved finer than this: a loopback looks like a very fast link."""


@dataclass(frozen=True)
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
        self._up_bps = SampleWindow(UP_PRIOR_BPS, size=16)
        self._rtt_ns = SampleWindow(RTT_PRIOR_NS, size=16)
        self._left: deque[_Upload] = deque(maxlen=4)

    def record_rtt(self, now_ns: int, rtt_ns: int) -> None:
        """A probe came back."""
        self._rtt_ns.add(now_ns, float(rtt_ns))

    def record_upload(self, now_ns: int, size_bytes: int, until_accepted_ns: int) -> None:
        """A whole payload arrived: `until_accepted_ns` from sending it to the cloud's word.

        What earlier payloads took of the link meanwhile counts for its rate; of two that share it
        evenly the first shows less than the link's, and the second puts that right.
        """
        start_ns = now_ns - until_accepted_ns
        transfer_ns = max(SHORTEST_TRANSFER_NS, until_accepted_ns - self.rtt_mean_ns(now_ns))
        end_ns = start_ns + transfer_ns
        beside = sum(other.bytes_between(start_ns, end_ns) for other in self._left)
        self._left.append(_Upload(start_ns, end_ns, size_bytes))
        self._up_bps.add(now_ns, (size_bytes + beside) * 8e9 / transfer_ns)

    def record_unfinished(self, now_ns: int, size_bytes: int, elapsed_ns: int) -> None:
        """An upload was stopped after `elapsed_ns` without the cloud's word.

        Then its rate is below what would have brought the word by now.
        """
        transfer_ns = elapsed_ns - self.rtt_mean_ns(now_ns)
        if transfer_ns <= SHORTEST_TRANSFER_NS:
            return
        bound_bps = size_bytes * 8e9 / transfer_ns
        if bound_bps < self.up_mean_bps(now_ns):
            self._up_bps.add(now_ns, bound_bps)

    @property
    def last_left_ns(self) -> int:
        """When the last byte of the last whole payload had left."""
        return max((upload.end_ns for upload in self._left), default=0)

    def known(self, now_ns: int) -> bool:
        """Whether an upload was measured lately."""
        return self._up_bps.known(now_ns)

    def up_mean_bps(self, now_ns: int) -> float:
        """Mean uplink rate, not below the quantile that the upper time rests on."""
        lower_bps = self._up_bps.quantile(now_ns, 1.0 - self._quantile)
        return max(self._up_bps.mean(now_ns), lower_bps)

    def up_mean_ns(self, now_ns: int, size_bytes: int) -> int:
        """Mean time for `size_bytes` to leave."""
        return int(size_bytes * 8e9 / self.up_mean_bps(now_ns))

    def up_upper_ns(self, now_ns: int, size_bytes: int) -> int:
        """Upper quantile of that time: the rate's lower quantile."""
        return int(size_bytes * 8e9 / self._up_bps.quantile(now_ns, 1.0 - self._quantile))

    def rtt_mean_ns(self, now_ns: int) -> int:
        """Mean round trip."""
        return int(self._rtt_ns.mean_up_to(now_ns, self._quantile))

    def rtt_upper_ns(self, now_ns: int) -> int:
        """Upper quantile of the round trip."""
        return int(self._rtt_ns.quantile(now_ns, self._quantile))
