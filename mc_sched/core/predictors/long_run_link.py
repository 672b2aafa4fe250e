"""The link as static methods know it: the mean over all that was ever measured of it."""

from __future__ import annotations

NOMINAL = {"wifi": (18.88e6, 15_000_000), "4g": (5.85e6, 70_000_000), "3g": (1.10e6, 150_000_000)}
"""By radio, the uplink in bit/s and the round trip in ns that hold until something is measured:
JointDNN's mean rates (arXiv 1801.08618); round trips within what these networks usually have."""


class LongRunLink:
    """Mean uplink rate and mean round trip since the start; nothing fades."""

    def __init__(self, radio: str) -> None:
        rate_bps, self._nominal_rtt_ns = NOMINAL.get(radio, NOMINAL["wifi"])
        self._nominal_ns_per_byte = 8e9 / rate_bps
        self._sent_bytes = self._sent_ns = 0
        self._probes = self._probes_ns = 0

    def sent(self, size_bytes: int, took_ns: int) -> None:
        """So many bytes have left in so long."""
        self._sent_bytes += size_bytes
        self._sent_ns += took_ns

    def probed(self, rtt_ns: int) -> None:
        """A round trip."""
        self._probes += 1
        self._probes_ns += rtt_ns

    def up_ns(self, size_bytes: int) -> int:
        """Mean time for `size_bytes` to leave."""
        if not self._sent_bytes:
            return int(size_bytes * self._nominal_ns_per_byte)
        return int(size_bytes * self._sent_ns / self._sent_bytes)

    @property
    def rtt_ns(self) -> int:
        """Mean round trip."""
        return self._probes_ns // self._probes if self._probes else self._nominal_rtt_ns
