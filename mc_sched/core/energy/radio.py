"""The declared radio model: energy of a transfer, and of the radio's tail after it.

P = a * Mbps + b in mW during a transfer, and a tail: power that the radio draws for some time
after a transfer. Huang et al., "A Close Examination of Performance and Power Characteristics of
4G LTE Networks", MobiSys 2012. The figures are of phones of that year.
"""

from __future__ import annotations

from mc_sched.core.value import value

REPLY_BYTES = 400
"""Size of a result message; its transfer takes half a round trip."""


@value
class RadioModel:
    """One radio's power during a transfer: slope * rate + base, with a slope per direction."""

    name: str
    up_mw_per_mbps: float
    down_mw_per_mbps: float
    base_mw: float
    tail_mw: float = 0.0
    tail_ns: int = 0
    """Duration of the tail; 0 if no figure is known."""

    def up_j(self, size_bytes: int, duration_ns: int) -> float:
        """Energy of sending `size_bytes` in `duration_ns`, in joules."""
        return self._joules(self.up_mw_per_mbps, size_bytes, duration_ns)

    def down_j(self, size_bytes: int, duration_ns: int) -> float:
        """Energy of receiving `size_bytes` in `duration_ns`, in joules."""
        return self._joules(self.down_mw_per_mbps, size_bytes, duration_ns)

    def round_trip_j(self, up_bytes: int, down_bytes: int, duration_ns: int) -> float:
        """Energy of a message and its answer in a total of `duration_ns`, in joules."""
        return self.up_j(up_bytes, duration_ns) + self.down_j(down_bytes, 0)

    def _joules(self, slope: float, size_bytes: int, duration_ns: int) -> float:
        # mW/Mbps * Mbit is mJ at any rate; the base power counts for the time of the transfer
        return (slope * size_bytes * 8e-6 + self.base_mw * duration_ns * 1e-9) * 1e-3


RADIOS = {
    "wifi": RadioModel("wifi", 283.17, 137.01, 132.86),
    "4g": RadioModel("4g", 438.39, 51.97, 1288.04, tail_mw=1060.0, tail_ns=11_600_000_000),
    "3g": RadioModel("3g", 868.98, 122.12, 817.88),
}


class RadioTail:
    """The tail of one radio, charged to the transfers that prolong it.

    A transfer moves the tail's end from `tail_ns` after the last transfer to `tail_ns` after
    itself. So it is charged for the time since the last transfer, at most for a complete tail. The
    charges add up to the radio's total time in the tail. Only transfers of tasks count, not those
    of probes, although probes keep a real LTE radio awake.
    """

    def __init__(self, radio: RadioModel) -> None:
        self._radio = radio
        self._quiet_since_ns: int | None = None

    def next_j(self, now_ns: int) -> float:
        """Energy that a transfer which begins now adds to the tail, in joules."""
        radio = self._radio
        if self._quiet_since_ns is None:
            added_ns = radio.tail_ns
        else:
            added_ns = min(radio.tail_ns, max(0, now_ns - self._quiet_since_ns))
        return radio.tail_mw * added_ns * 1e-12

    def transferred(self, end_ns: int) -> None:
        """Note the end of a transfer."""
        self._quiet_since_ns = max(end_ns, self._quiet_since_ns or end_ns)


class RadioAir:
    """The air time of one radio, charged to the uploads that lengthen it.

    The radio draws its base power once, however many uploads share the link. So an upload is
    charged for its time after the end of the last one, and the charges add up to the total time of
    sending. Uploads are reported in the order of their ends.
    """

    def __init__(self) -> None:
        self._until_ns = 0

    def sent(self, start_ns: int, end_ns: int) -> int:
        """Take an upload; return the time that it adds, in ns."""
        added_ns = max(0, end_ns - max(start_ns, self._until_ns))
        self._until_ns = max(self._until_ns, end_ns)
        return added_ns
