"""One direction of the relayed link, shared by all connections.

Every connection has its own queue of chunks. When the link is free, it takes a chunk of the next
connection in round-robin order. So a few control bytes wait for one chunk of another connection's
image, as packets on a shared radio do. A chunk that has left is delivered after the delay.

    Direction.offer -> lane.waiting -> [Shaper, round robin] -> in flight -> lane.deliver

Departures are computed from the exact times and not from the time at which the event loop wakes.
So a late wake-up adds delay (below a millisecond) and does not reduce the rate.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mc_sched.link.model import PACKET_BYTES, Shaper

WAITING_LIMIT_BYTES = 64 * 1024  # of one connection, before and after the link; then back-pressure
FLIGHT_LIMIT_BYTES = 4 * 1024 * 1024  # of one connection, on the link

# The loop's timers are rounded up to a millisecond: aim half of one early, accept half of one.
_SLACK_NS = 500_000
_LOOK_AHEAD_NS = 1_000_000
_SIGNAL_BYTES = 40  # size of a FIN or RST packet: IPv4 and TCP headers


class Signal(Enum):
    """End of a connection's bytes in one direction."""

    END = "end"  # no more bytes in this direction (FIN)
    RESET = "reset"  # the connection failed (RST)


Item = bytes | Signal


@dataclass(eq=False)
class Lane:
    """One connection's bytes in one direction: waiting, in flight, and not yet written."""

    deliver: Callable[[Item], None]
    waiting: deque[tuple[int, Item]] = field(default_factory=deque)  # (offered at, in ns; item)
    waiting_bytes: int = 0
    flight_bytes: int = 0
    unwritten_bytes: int = 0
    closed: bool = False
    may_read: asyncio.Event = field(default_factory=asyncio.Event)

    def update_gate(self) -> None:
        """Allow reading only while the connection's bytes are within their limits."""
        held_bytes = self.waiting_bytes + self.unwritten_bytes
        if held_bytes < WAITING_LIMIT_BYTES and self.flight_bytes < FLIGHT_LIMIT_BYTES:
            self.may_read.set()
        else:
            self.may_read.clear()


class Direction:
    """The queue, the rate and the delay of one direction."""

    def __init__(self, shaper: Shaper, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._shaper = shaper
        self._clock = clock
        self._turns: deque[Lane] = deque()  # lanes with waiting chunks, in round-robin order
        self._flight: deque[tuple[int, Lane, Item]] = deque()  # (arrives at, in ns; lane; item)
        self._cut_since_ns: int | None = None
        self._not_before_ns = 0  # start of chunks that were offered while the link was cut
        self._last_arrival_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self.delivered_bytes = 0

    def offer(self, lane: Lane, item: Item) -> None:
        """Put bytes or a signal into the connection's queue."""
        if lane.closed:
            return
        now_ns = self._clock()
        if not lane.waiting:
            self._turns.append(lane)
        for chunk in _chunks(item):
            lane.waiting.append((now_ns, chunk))
            lane.waiting_bytes += _size(chunk)
        lane.update_gate()
        self._advance()

    def discard(self, lane: Lane) -> None:
        """Drop the bytes that a closed connection still has on the link."""
        lane.closed = True
        lane.waiting.clear()
        if lane in self._turns:
            self._turns.remove(lane)

    def reshape(self, shaper: Shaper) -> None:
        """Change the rate and the delay; chunks in flight keep their arrival times."""
        self._shaper = shaper
        self._not_before_ns = self._clock()
        self._advance()

    def cut(self) -> None:
        """Hold all chunks, as a link without a signal does."""
        if self._cut_since_ns is None:
            self._cut_since_ns = self._clock()
        self._cancel_timer()

    def restore(self) -> None:
        """End a `cut`; its duration is added to the arrival times of the chunks in flight."""
        if self._cut_since_ns is None:
            return
        now_ns = self._clock()
        cut_ns = now_ns - self._cut_since_ns
        self._flight = deque((at_ns + cut_ns, lane, item) for at_ns, lane, item in self._flight)
        self._last_arrival_ns += cut_ns
        self._not_before_ns = now_ns
        self._cut_since_ns = None
        self._advance()

    def close(self) -> None:
        """Drop all chunks and stop the timer."""
        self._cancel_timer()
        self._flight.clear()
        self._turns.clear()

    def _advance(self) -> None:
        """Launch and deliver all chunks that are due, and set the timer for the next one."""
        self._cancel_timer()
        if self._cut_since_ns is not None:
            return
        now_ns = self._clock()
        while self._turns and self._next_start_ns() <= now_ns + _LOOK_AHEAD_NS:
            self._launch(self._next_lane())
        self._deliver_until(now_ns + _SLACK_NS)
        self._arm(now_ns)

    def _next_start_ns(self) -> int:
        """Return when the link is free and a chunk is waiting."""
        earliest_ns = min(lane.waiting[0][0] for lane in self._turns)
        return max(earliest_ns, self._shaper.free_ns, self._not_before_ns)

    def _next_lane(self) -> Lane:
        """Return the next lane in order whose chunk was waiting when the link became free."""
        start_ns = self._next_start_ns()
        while self._turns[0].waiting[0][0] > start_ns:
            self._turns.rotate(-1)
        return self._turns.popleft()

    def _launch(self, lane: Lane) -> None:
        offered_ns, item = lane.waiting.popleft()
        size_bytes = _size(item)
        arrival_ns = self._shaper.arrival_ns(max(offered_ns, self._not_before_ns), size_bytes)
        self._last_arrival_ns = max(self._last_arrival_ns, arrival_ns)
        self._flight.append((self._last_arrival_ns, lane, item))
        lane.waiting_bytes -= size_bytes
        lane.flight_bytes += size_bytes
        if lane.waiting:
            self._turns.append(lane)
        lane.update_gate()

    def _deliver_until(self, limit_ns: int) -> None:
        while self._flight and self._flight[0][0] <= limit_ns:
            _, lane, item = self._flight.popleft()
            lane.flight_bytes -= _size(item)
            if lane.closed:
                continue
            if isinstance(item, bytes):
                self.delivered_bytes += len(item)
                lane.unwritten_bytes += len(item)
            lane.update_gate()
            lane.deliver(item)

    def _arm(self, now_ns: int) -> None:
        wakes_ns = [self._flight[0][0]] if self._flight else []
        if self._turns:
            wakes_ns.append(self._next_start_ns())
        if wakes_ns:
            wait_ns = max(0, min(wakes_ns) - _SLACK_NS - now_ns)
            self._timer = asyncio.get_running_loop().call_later(wait_ns / 1e9, self._advance)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _chunks(item: Item) -> list[Item]:
    if isinstance(item, Signal):
        return [item]
    return [item[at : at + PACKET_BYTES] for at in range(0, len(item), PACKET_BYTES)]


def _size(item: Item) -> int:
    return _SIGNAL_BYTES if isinstance(item, Signal) else len(item)
