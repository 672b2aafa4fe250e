"""Delay of a stream's messages that the receiver cannot see: full sockets, a late loop, slow links.

The sender stamps each message with the time since it opened the stream, on its own clock. Arrival
minus stamp is the delay plus a constant, the difference between the two moments of opening. The
least such difference of the last seconds stands for a message that did not wait; what another
message has beyond it is its hidden wait.
"""

from __future__ import annotations

from mc_sched.core.predictors.sliding_min import SlidingMin

HORIZON_NS = 30 * 10**9
"""Age at which the fastest message is forgotten: longer than most bursts, so that a socket that
stays full for a while still counts as full."""
DRIFT_PPM = 100
"""Difference between the rates of two clocks that does not count as a wait, in parts per million.
Crystals of computers are within 50 each."""
LONGEST_NS = 60 * 10**9
"""A longer wait is a clock that stood still, such as that of a suspended laptop."""


class TransitDelay:
    """Hidden waits of one stream's messages."""

    def __init__(self, horizon_ns: int = HORIZON_NS) -> None:
        self._horizon_ns = horizon_ns
        self._least = SlidingMin(horizon_ns)

    def hidden_ns(self, now_ns: int, sent_ns: int) -> int:
        """Take a message and return its wait beyond that of the recent message that waited least.

        Both moments count from the opening of the stream: `now_ns` on the receiver's clock,
        `sent_ns` on the sender's. 0 for the first message, and for a `sent_ns` of 0, which means
        that the sender gives no times.
        """
        if not sent_ns:
            return 0
        # older differences are raised by the drift that may have passed since
        difference_ns = now_ns - sent_ns - now_ns * DRIFT_PPM // 10**6
        self._least.add(now_ns, difference_ns)
        wait_ns = difference_ns - int(self._least.least(now_ns, difference_ns))
        if wait_ns > LONGEST_NS:
            self._least = SlidingMin(self._horizon_ns)
            self._least.add(now_ns, difference_ns)
            return 0
        return wait_ns
