"""Downlink times of the edges that this cloud serves."""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

from mc_sched.core.events import LinkSampled, Received

REMEMBERED_EDGES = 1024
"""Edges whose downlink is remembered; the one without a probe for longest is forgotten first."""
FRESH_NS = 2 * 10**9
"""Age at which a report no longer counts in the mean: the link may be another one by then."""


class Downlinks:
    """Forecasts of the downlink time: half of the mean round trip that the edge measured.

    The mean is geometric, as errors of times are relative, and half of it is the last report. Edges
    report five times per second, so that little of a disturbance is left after a second.
    """

    def __init__(self) -> None:
        self._down_ns: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Edge -> the moment of its last report, and its mean downlink time."""

    def record(self, event: LinkSampled) -> None:
        """Take a round trip that an edge measured."""
        down_ns = event.rtt_ns // 2
        at_ns, mean_ns = self._down_ns.get(event.edge_id, (-FRESH_NS, 0))
        if event.now_ns - at_ns < FRESH_NS:
            down_ns = int(sqrt(mean_ns * down_ns))
        self._down_ns[event.edge_id] = event.now_ns, down_ns
        self._down_ns.move_to_end(event.edge_id)
        if len(self._down_ns) > REMEMBERED_EDGES:
            self._down_ns.popitem(last=False)

    def forecast_ns(self, received: Received) -> int:
        """Downlink time of the task's reply: the mean, or the edge's forecast if that is newer.

        The forecast was made when the edge sent the task.
        """
        reported_ns, mean_ns = self._down_ns.get(received.edge_id, (-FRESH_NS, 0))
        sent_ns = received.now_ns - received.transfer_ns
        return mean_ns if reported_ns >= sent_ns else received.down_ns
