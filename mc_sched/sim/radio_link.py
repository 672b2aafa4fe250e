"""A radio link between edges and a cloud agent: an uplink, a downlink and a control channel.

    payloads -> chunk by chunk -> [uplink's rate, outages] -> delay -> cloud agent
    control  -> after the packet on the air ------------------^

An edge sends the next chunk of the payload that is due first, as its session does. Edges that share
the link take turns.

As in the agents, give-ups and probes use their own connection and never wait behind an image, only
behind the packet that is being sent. Their share of the rate (about 4 kbit/s, and padded probes,
which are sent only while there is no upload) is not subtracted from that of the payloads.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from mc_sched.link.model import PACKET_BYTES, LinkSpec, Shaper
from mc_sched.sim.clock import Clock
from mc_sched.sim.spec import RadioLinkSpec
from mc_sched.sim.step_function import StepFunction

CHUNK_BYTES = 32 * 1024
"""Size of a payload's chunks, as in the edge agent; a give-up stops the chunks not yet sent."""
HEADER_BYTES = 200
"""Size of a task's first message, without the payload."""
CONTROL_BYTES = 100
"""Size of a probe, a give-up, or an answer to one, with the headers of TCP and HTTP/2."""


class Transfer:
    """An upload of one payload by `sender`."""

    __slots__ = ("arrived", "begun_ns", "due_ns", "left_bytes", "opened_ns", "sender")

    def __init__(
        self, size_bytes: int, arrived: Callable[[], None], due_ns: int = 0, sender: str = ""
    ) -> None:
        self.left_bytes = size_bytes
        self.arrived = arrived
        self.due_ns, self.sender = due_ns, sender
        self.begun_ns = self.opened_ns = -1
        """Times at which the first byte is sent, and at which the cloud agent sees it; -1 while
        nothing has been sent."""


class RadioLink:
    """A radio link, which several edges may share."""

    def __init__(self, clock: Clock, spec: RadioLinkSpec) -> None:
        self._clock = clock
        link = spec.link
        self._up, self._down = link.uplink(0), link.downlink(0)
        self._control = _with_own_jitter(link).uplink(0)
        self._packet_ns = int(PACKET_BYTES * 8e9 / link.up.mean_bps)
        self._extra_rtt_ns = spec.extra_rtt_ns
        self._waiting: dict[str, list[tuple[int, int, Transfer]]] = {}
        """Heaps of transfers, the one due first in front, by sender in the order of turns."""
        self._number = 0
        self._armed = False
        self._last_up_ns = self._last_down_ns = 0

    # --- payloads ---------------------------------------------------------------------------

    def send(self, transfer: Transfer) -> None:
        """Send a payload."""
        self._number += 1
        waiting = self._waiting.setdefault(transfer.sender, [])
        heappush(waiting, (transfer.due_ns, self._number, transfer))
        if not self._armed:
            self._hand_over()

    def drop(self, transfer: Transfer) -> None:
        """Stop sending a payload; chunks that the uplink already has are still sent."""
        transfer.left_bytes = 0

    def _hand_over(self) -> None:
        """Give the uplink, whenever it is free, the next chunk of the next transfer."""
        self._armed = False
        now_ns = self._clock.now_ns
        while (transfer := self._next()) is not None:
            free_ns = self._up.free_ns
            if free_ns > now_ns:
                self._armed = True
                self._clock.at(free_ns, self._hand_over)
                return
            self._launch(transfer, now_ns)
            self._waiting[transfer.sender] = self._waiting.pop(transfer.sender)  # its turn is over

    def _next(self) -> Transfer | None:
        """Return the transfer whose chunk is next, and forget those that have ended before it."""
        while self._waiting:
            sender = next(iter(self._waiting))
            waiting = self._waiting[sender]
            while waiting and not waiting[0][2].left_bytes:
                heappop(waiting)
            if waiting:
                return waiting[0][2]
            del self._waiting[sender]
        return None

    def _launch(self, transfer: Transfer, now_ns: int) -> None:
        if transfer.opened_ns < 0:
            transfer.begun_ns = now_ns
            transfer.opened_ns = self._arrival_ns(self._up, now_ns, HEADER_BYTES)
        chunk_bytes = min(CHUNK_BYTES, transfer.left_bytes)
        arrival_ns = self._arrival_ns(self._up, now_ns, chunk_bytes)
        self._last_up_ns = arrival_ns = max(arrival_ns, self._last_up_ns)
        transfer.left_bytes -= chunk_bytes
        if not transfer.left_bytes:
            self._clock.at(arrival_ns, transfer.arrived)

    # --- messages ---------------------------------------------------------------------------

    def control_ns(self, size_bytes: int) -> int:
        """Return when a control message that is sent now reaches the cloud agent."""
        now_ns = self._clock.now_ns
        busy_ns = self._up.free_ns - now_ns
        if busy_ns > 0:
            now_ns += busy_ns % self._packet_ns if busy_ns > self._packet_ns else busy_ns
        return self._arrival_ns(self._control, now_ns, size_bytes)

    def down_ns(self, size_bytes: int) -> int:
        """Return when a message that the cloud agent sends now reaches the edge."""
        arrival_ns = self._arrival_ns(self._down, self._clock.now_ns, size_bytes)
        self._last_down_ns = max(arrival_ns, self._last_down_ns)
        return self._last_down_ns

    def _arrival_ns(self, shaper: Shaper, now_ns: int, size_bytes: int) -> int:
        arrival_ns = shaper.arrival_ns(now_ns, size_bytes)
        extra: StepFunction | None = self._extra_rtt_ns
        return arrival_ns if extra is None else arrival_ns + int(extra.at(now_ns)) // 2


def _with_own_jitter(link: LinkSpec) -> LinkSpec:
    """Return the link for control messages, whose jitter is independent of the payloads'."""
    return LinkSpec(link.up, link.down, link.rtt_ns, link.jitter_ns, link.outages, ~link.seed)
