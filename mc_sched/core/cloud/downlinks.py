"""Downlink times of the edges that this cloud serves."""

from __future__ import annotations

from collections import OrderedDict

from mc_sched.core.events import LinkSampled, Received

REMEMBERED_EDGES = 1024
"""Edges whose downlink is remembered; the one without a probe for longest is forgotten first."""


class Downlinks:
    """Forecasts of the downlink time: half of the last round trip that the edge measured."""

    def __init__(self) -> None:
        self._down_ns: OrderedDict[str, int] = OrderedDict()

    def record(self, event: LinkSampled) -> None:
        """Take a round trip that an edge measured."""
        self._down_ns[event.edge_id] = event.rtt_ns // 2
        self._down_ns.move_to_end(event.edge_id)
        if len(self._down_ns) > REMEMBERED_EDGES:
            self._down_ns.popitem(last=False)

    def forecast_ns(self, received: Received) -> int:
        """Downlink time of the task's reply; without a probe, the forecast that came with it."""
        return self._down_ns.get(received.edge_id, received.down_ns)
