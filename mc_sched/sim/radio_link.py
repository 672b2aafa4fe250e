"""The way between an edge and its cloud agent: a shared uplink, a downlink, a way for control.

    payloads -> in turns, chunk by chunk -> [uplink's rate, outages] -> delay -> the cloud agent
    control  -> behind the packet in the air ---------------------^

As in the agents, a give-up or a probe has a connection of its own and never waits behind an image,
only behind the one packet that is leaving. What control messages take of the rate (about 4 kbit/s,
and padded probes, beside no upload) is not taken off the payloads'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mc_sched.link.model import PACKET_BYTES, LinkSpec, Shaper
from mc_sched.sim.clock import Clock
from mc_sched.sim.spec import RadioLinkSpec
from mc_sched.sim.step_function import Steps

CHUNK_BYTES = 16 * 1024
"""How a payload is cut, as by the edge agent: a give-up stops what is not handed over yet."""
HEADER_BYTES = 200
"""Of the call and its first message, beside the payload."""
CONTROL_BYTES = 100
"""A probe, a give-up, and their answers, with TCP's and HTTP/2's headers."""


class Transfer:
    """One payload on its way up."""

    __slots__ = ("arrived", "left_bytes", "opened_ns")

    def __init__(self, size_bytes: int, arrived: Callable[[], None]) -> None:
        self.left_bytes = size_bytes
        self.arrived = arrived
        self.opened_ns = -1
        """When the cloud agent sees the call begin; -1 while nothing has left."""


class RadioLink:
    """One radio link; several edges may share it."""

    def __init__(self, clock: Clock, spec: RadioLinkSpec) -> None:
        self._clock = clock
        link = spec.link
        self._up, self._down = link.uplink(0), link.downlink(0)
        self._control = _on_its_own(link).uplink(0)
        self._packet_ns = int(PACKET_BYTES * 8e9 / link.up.mean_bps)
        self._extra_rtt_ns = spec.extra_rtt_ns
        self._waiting: deque[Transfer] = deque()
        self._armed = False
        self._last_up_ns = self._last_down_ns = 0

    # --- payloads ---------------------------------------------------------------------------

    def send(self, transfer: Transfer) -> None:
        """Send a payload; it takes turns, chunk by chunk, with those already on the way."""
        self._waiting.append(transfer)
        if not self._armed:
            self._hand_over()

    def drop(self, transfer: Transfer) -> None:
        """Send nothing more of it; a chunk that was handed over still leaves."""
        transfer.left_bytes = 0
        if transfer in self._waiting:
            self._waiting.remove(transfer)

    def _hand_over(self) -> None:
        """Whenever the uplink is free, the next transfer's next chunk leaves."""
        self._armed = False
        now_ns = self._clock.now_ns
        while self._waiting:
            free_ns = self._up.free_ns
            if free_ns > now_ns:
                self._armed = True
                self._clock.at(free_ns, self._hand_over)
                return
            self._launch(self._waiting.popleft(), now_ns)

    def _launch(self, transfer: Transfer, now_ns: int) -> None:
        if transfer.opened_ns < 0:
            transfer.opened_ns = self._arrival_ns(self._up, now_ns, HEADER_BYTES)
        chunk_bytes = min(CHUNK_BYTES, transfer.left_bytes)
        arrival_ns = self._arrival_ns(self._up, now_ns, chunk_bytes)
        self._last_up_ns = arrival_ns = max(arrival_ns, self._last_up_ns)
        transfer.left_bytes -= chunk_bytes
        if transfer.left_bytes:
            self._waiting.append(transfer)
        else:
            self._clock.at(arrival_ns, transfer.arrived)

    # --- messages ---------------------------------------------------------------------------

    def control_ns(self, size_bytes: int) -> int:
        """When a control message that is sent now reaches the cloud agent."""
        now_ns = self._clock.now_ns
        busy_ns = self._up.free_ns - now_ns
        if busy_ns > 0:
            now_ns += busy_ns % self._packet_ns if busy_ns > self._packet_ns else busy_ns
        return self._arrival_ns(self._control, now_ns, size_bytes)

    def down_ns(self, size_bytes: int) -> int:
        """When a message of the cloud agent that is sent now reaches the edge."""
        arrival_ns = self._arrival_ns(self._down, self._clock.now_ns, size_bytes)
        self._last_down_ns = max(arrival_ns, self._last_down_ns)
        return self._last_down_ns

    def _arrival_ns(self, shaper: Shaper, now_ns: int, size_bytes: int) -> int:
        arrival_ns = shaper.arrival_ns(now_ns, size_bytes)
        steps: Steps | None = self._extra_rtt_ns
        return arrival_ns if steps is None else arrival_ns + int(steps.at(now_ns)) // 2


def _on_its_own(link: LinkSpec) -> LinkSpec:
    """The same link for control messages, with jitter of their own."""
    return LinkSpec(link.up, link.down, link.rtt_ns, link.jitter_ns, link.outages, ~link.seed)
