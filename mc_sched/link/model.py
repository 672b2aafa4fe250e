"""Link models as pure code: the time is an argument, there is no socket and no clock.

A direction of a link is a queue that drains at a rate, followed by a delay:

    bytes handed over -> [queue at the rate] -> departure -> [rtt / 2 + jitter] -> arrival

`Shaper` holds the state of one direction. The relay drives it with real time, a simulator with
virtual time. All times are nanoseconds on the caller's clock.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from mc_sched.core.value import value

PACKET_BYTES = 1500  # the size of one Mahimahi delivery opportunity, and of an Ethernet packet
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_64_BITS = (1 << 64) - 1


@value
class Cursor:
    """Position in a rate after the bytes so far; times in ns from the start of the link."""

    free_ns: int = 0  # when the last byte so far leaves
    opportunity: int = -1  # traces: the last delivery opportunity used
    spare_bytes: int = 0  # traces: bytes that this opportunity can still carry


class Rate(Protocol):
    """A rate model without state; the cursor holds the state."""

    @property
    def mean_bps(self) -> float:
        """Mean bits per second in the long run; inf for an unlimited link."""

    def send(self, cursor: Cursor, now_ns: int, size_bytes: int) -> Cursor:
        """Queue `size_bytes` at `now_ns`; return the cursor after their last byte."""


@dataclass(frozen=True)
class Unlimited:
    """Bytes leave at once."""

    @property
    def mean_bps(self) -> float:
        """Infinite."""
        return float("inf")

    def send(self, cursor: Cursor, now_ns: int, size_bytes: int) -> Cursor:
        """See `Rate`."""
        return Cursor(max(now_ns, cursor.free_ns))


@dataclass(frozen=True)
class ConstantRate:
    """A fixed number of bits per second."""

    rate_bps: int

    def __post_init__(self) -> None:
        if self.rate_bps <= 0:
            raise ValueError(f"a rate of {self.rate_bps} bit/s carries nothing; set one above 0")

    @property
    def mean_bps(self) -> float:
        """The rate itself."""
        return float(self.rate_bps)

    def send(self, cursor: Cursor, now_ns: int, size_bytes: int) -> Cursor:
        """See `Rate`; rounds up, so that no byte leaves early."""
        start_ns = max(now_ns, cursor.free_ns)
        return Cursor(start_ns - (-size_bytes * 8 * _NS_PER_S // self.rate_bps))


@dataclass(frozen=True)
class TraceRate:
    """Mahimahi delivery opportunities: at each time up to 1500 bytes leave; repeats at the end.

    `times_ns` never decreases and ends above 0; its last entry is the length of the loop, as in
    Mahimahi (Netravali et al., USENIX ATC 2015). An opportunity without waiting bytes is lost.
    """

    times_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.times_ns or self.times_ns[-1] <= 0:
            raise ValueError("a trace needs at least one delivery opportunity later than time 0")

    @property
    def mean_bps(self) -> float:
        """Capacity of the loop over its length."""
        return len(self.times_ns) * PACKET_BYTES * 8 * _NS_PER_S / self.times_ns[-1]

    def time_ns(self, opportunity: int) -> int:
        """Return the time of an opportunity, counted from 0 over all loops."""
        loops, index = divmod(opportunity, len(self.times_ns))
        return loops * self.times_ns[-1] + self.times_ns[index]

    def first_at(self, now_ns: int) -> int:
        """Return the first opportunity at `now_ns` or later."""
        if now_ns <= 0:
            return 0
        # the last entry of a loop is at time 0 of the next, hence the interval (0, period]
        loops = (now_ns - 1) // self.times_ns[-1]
        within_ns = now_ns - loops * self.times_ns[-1]
        return loops * len(self.times_ns) + bisect_left(self.times_ns, within_ns)

    def send(self, cursor: Cursor, now_ns: int, size_bytes: int) -> Cursor:
        """See `Rate`."""
        used, spare_bytes = cursor.opportunity, cursor.spare_bytes
        if used < 0 or self.time_ns(used) < now_ns:
            used, spare_bytes = self.first_at(max(now_ns, cursor.free_ns)) - 1, 0
        more = max(0, -(-(size_bytes - spare_bytes) // PACKET_BYTES))
        used += more
        spare_bytes += more * PACKET_BYTES - size_bytes
        return Cursor(self.time_ns(used), used, spare_bytes)


@dataclass(frozen=True)
class Outage:
    """Pause of `duration_ns` in which no byte leaves; `start_ns` counts from the link's start."""

    start_ns: int
    duration_ns: int

    def __post_init__(self) -> None:
        if self.start_ns < 0 or self.duration_ns <= 0:
            raise ValueError("an outage starts at 0 or later and lasts longer than 0")

    @property
    def end_ns(self) -> int:
        """First time at which bytes may leave again."""
        return self.start_ns + self.duration_ns


@dataclass(frozen=True)
class LinkSpec:
    """A link between an edge device and a cloud."""

    up: Rate
    down: Rate
    rtt_ns: int = 0
    jitter_ns: int = 0  # each chunk's one-way delay is rtt / 2 plus 0 to jitter_ns
    outages: tuple[Outage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rtt_ns < 0 or self.jitter_ns < 0:
            raise ValueError("round trip and jitter must be 0 or more")

    def uplink(self, start_ns: int) -> "Shaper":
        """Return the direction from edge to cloud of a link that starts at `start_ns`."""
        return Shaper(self, self.up, start_ns, f"{self.seed}-up")

    def downlink(self, start_ns: int) -> "Shaper":
        """Return the direction from cloud to edge."""
        return Shaper(self, self.down, start_ns, f"{self.seed}-down")

    def with_outages(self, outages: tuple[Outage, ...]) -> "LinkSpec":
        """Return this link with other outages."""
        return replace(self, outages=outages)


class Shaper:
    """One direction of a link: FIFO at the rate, around the outages, then the delay."""

    def __init__(self, spec: LinkSpec, rate: Rate, start_ns: int, seed: str) -> None:
        self._rate = rate
        self._outages = tuple(sorted(spec.outages, key=lambda outage: outage.start_ns))
        self._start_ns = start_ns
        self._delay_ns = spec.rtt_ns // 2
        self._jitter_ns = spec.jitter_ns
        self._seed = zlib.crc32(seed.encode())
        self._cursor = Cursor()
        self._last_arrival_ns = 0

    @property
    def free_ns(self) -> int:
        """Time at which the last byte queued so far leaves."""
        return self._start_ns + self._cursor.free_ns

    def departure_ns(self, now_ns: int, size_bytes: int) -> int:
        """Queue `size_bytes` at `now_ns`; return when the last of them leaves."""
        since_start_ns = now_ns - self._start_ns
        if self._outages:
            for packet_bytes in _packets(size_bytes):
                self._cursor = self._send_between_outages(since_start_ns, packet_bytes)
        else:
            self._cursor = self._rate.send(self._cursor, since_start_ns, size_bytes)
        return self.free_ns

    def arrival_ns(self, now_ns: int, size_bytes: int) -> int:
        """Queue bytes; return when they arrive. Later bytes never overtake earlier ones."""
        jitter_ns = 0
        if self._jitter_ns:
            jitter_ns = _mixed(now_ns - self._start_ns, self._seed) % (self._jitter_ns + 1)
        arrival_ns = self.departure_ns(now_ns, size_bytes) + self._delay_ns + jitter_ns
        self._last_arrival_ns = max(self._last_arrival_ns, arrival_ns)
        return self._last_arrival_ns

    def _send_between_outages(self, now_ns: int, packet_bytes: int) -> Cursor:
        """Send one packet; one that an outage would interrupt is sent after it."""
        start_ns = max(now_ns, self._cursor.free_ns)
        for outage in self._outages:
            if start_ns >= outage.end_ns:
                continue
            sent = self._rate.send(self._cursor, start_ns, packet_bytes)
            if sent.free_ns <= outage.start_ns:
                return sent
            start_ns = outage.end_ns
        return self._rate.send(self._cursor, start_ns, packet_bytes)


def _mixed(time_ns: int, seed: int) -> int:
    """Return a pseudorandom 32-bit number that depends only on the time and the seed.

    So the jitter does not depend on what else is sent. The mixing is MurmurHash3's finaliser
    (Appleby 2011), on 64 bits.
    """
    mixed = (time_ns * 0x9E3779B97F4A7C15 ^ seed * 0xC2B2AE3D27D4EB4F) & _64_BITS
    mixed = (mixed ^ mixed >> 33) * 0xFF51AFD7ED558CCD & _64_BITS
    mixed = (mixed ^ mixed >> 33) * 0xC4CEB9FE1A85EC53 & _64_BITS
    return mixed >> 32


def _packets(size_bytes: int) -> Iterator[int]:
    """Split a size into packets of at most `PACKET_BYTES`."""
    while size_bytes > PACKET_BYTES:
        yield PACKET_BYTES
        size_bytes -= PACKET_BYTES
    yield size_bytes


def mbps(rate_mbps: float) -> ConstantRate:
    """Return a constant rate in megabits (10^6 bits) per second."""
    return ConstantRate(round(rate_mbps * 1e6))


class LinkKind(str, Enum):
    """Names of predefined links."""

    WIFI = "wifi"
    LTE = "4g"
    UMTS = "3g"
    IDEAL = "ideal"


def _kind(down_mbps: float, up_mbps: float, rtt_ms: int) -> LinkSpec:
    return LinkSpec(up=mbps(up_mbps), down=mbps(down_mbps), rtt_ns=rtt_ms * _NS_PER_MS)


# Mean rates: JointDNN, arXiv 1801.08618. Round trips: within the usual range of each network
# (Wi-Fi 5 to 30 ms, 4G about 70 ms, 3G 100 to 200 ms).
KINDS: dict[str, LinkSpec] = {
    LinkKind.WIFI.value: _kind(down_mbps=54.97, up_mbps=18.88, rtt_ms=10),
    LinkKind.LTE.value: _kind(down_mbps=13.76, up_mbps=5.85, rtt_ms=70),
    LinkKind.UMTS.value: _kind(down_mbps=2.03, up_mbps=1.10, rtt_ms=150),
    LinkKind.IDEAL.value: LinkSpec(up=Unlimited(), down=Unlimited()),
}
