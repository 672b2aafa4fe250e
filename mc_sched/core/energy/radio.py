"""The declared radio: joules of a transfer, and of the tail behind it.

P = a * Mbps + b in mW while transferring, and a tail: power that the radio draws for some time
after a transfer. Huang et al., "A Close Examination of Performance and Power Characteristics of
4G LTE Networks", MobiSys 2012. These are phone radios of that year.
"""

from __future__ import annotations

from mc_sched.core.value import value

REPLY_BYTES = 400
"""Size of a result message; its transfer is the radio's base time of half a round trip."""


@value
class RadioModel:
    """One radio's power while it transfers: `up_mw_per_mbps` * rate + `base_mw`, and likewise."""

    name: str
    up_mw_per_mbps: float
    down_mw_per_mbps: float
    base_mw: float
    tail_mw: float = 0.0
    tail_ns: int = 0
    """How long the tail lasts; 0 where we have no figure for it."""

    def up_j(self, size_bytes: int, duration_ns: int) -> float:
        """Joules for sending `size_bytes` within `duration_ns`."""
        return self._joules(self.up_mw_per_mbps, size_bytes, duration_ns)

    def down_j(self, size_bytes: int, duration_ns: int) -> float:
        """Joules for receiving `size_bytes` within `duration_ns`."""
        return self._joules(self.down_mw_per_mbps, size_bytes, duration_ns)

    def round_trip_j(self, up_bytes: int, down_bytes: int, duration_ns: int) -> float:
        """Joules for a message and its answer, within `duration_ns` altogether."""
        return self.up_j(up_bytes, duration_ns) + self.down_j(down_bytes, 0)

    def _joules(self, slope: float, size_bytes: int, duration_ns: int) -> float:
        # mW/Mbps * Mbit is millijoule, whatever the rate; the base counts while the transfer lasts
        return (slope * size_bytes * 8e-6 + self.base_mw * duration_ns * 1e-9) * 1e-3


RADIOS = {
    "wifi": RadioModel("wifi", 283.17, 137.01, 132.86),
    "4g": RadioModel("4g", 438.39, 51.97, 1288.04, tail_mw=1060.0, tail_ns=11_600_000_000),
    "3g": RadioModel("3g", 868.98, 122.12, 817.88),
}


class RadioTail:
    """The tail of one radio, shared out to the transfers that prolong it.

    A transfer moves the tail's end from `tail_ns` behind the last transfer to `tail_ns` behind
    itself, so it pays for the time since the last one, and for a whole tail at most. These
    payments add up to all the time that the radio spent in its tail. Transfers are those of tasks:
    the probes, which keep a real LTE radio awake, are nobody's.
    """

    def __init__(self, radio: RadioModel) -> None:
        self._radio = radio
        self._quiet_since_ns: int | None = None

    def next_j(self, now_ns: int) -> float:
        """What a transfer that begins now adds to the tail, in joules."""
        radio = self._radio
        if self._quiet_since_ns is None:
            added_ns = radio.tail_ns
        else:
            added_ns = min(radio.tail_ns, max(0, now_ns - self._quiet_since_ns))
        return radio.tail_mw * added_ns * 1e-12

    def transferred(self, end_ns: int) -> None:
        """A transfer has ended."""
        self._quiet_since_ns = max(end_ns, self._quiet_since_ns or end_ns)


class RadioAir:
    """The time that one radio sends, shared out to the uploads that lengthen it.

    Its base power is drawn once, however many uploads wait for the link at the same time. So an
    upload pays for what lies behind the end of the last one, and payments add up to the time that
    something was being sent. Uploads are told in the order of their ends.
    """

    def __init__(self) -> None:
        self._until_ns = 0

    def sent(self, start_ns: int, end_ns: int) -> int:
        """What an upload in this time adds."""
        added_ns = max(0, end_ns - max(start_ns, self._until_ns))
        self._until_ns = max(self._until_ns, end_ns)
        return added_ns
