"""The link as static policies see it: the mean of all measurements since the start."""

from __future__ import annotations

NOMINAL = {"wifi": (18.88e6, 15_000_000), "4g": (5.85e6, 70_000_000), "3g": (1.10e6, 150_000_000)}
"""Uplink in bit/s and round trip in ns by radio, used until a measurement exists. The rates are
JointDNN's means (arXiv 1801.08618), the round trips typical values of these networks."""


class LongRunLink:
    """Mean uplink rate and mean round trip since the start; old samples keep their weight."""

    def __init__(self, radio: str) -> None:
        rate_bps, self._nominal_rtt_ns = NOMINAL.get(radio, NOMINAL["wifi"])
        self._nominal_ns_per_byte = 8e9 / rate_bps
        self._sent_bytes = self._sent_ns = 0
        self._probes = self._probes_ns = 0

    def record_upload(self, size_bytes: int, took_ns: int) -> None:
        """Take an upload: its size and its time on the air."""
        self._sent_bytes += size_bytes
        self._sent_ns += took_ns

    def record_rtt(self, rtt_ns: int) -> None:
        """Take a measured round trip."""
        self._probes += 1
        self._probes_ns += rtt_ns

    def up_ns(self, size_bytes: int) -> int:
        """Mean time to send `size_bytes`."""
        if not self._sent_bytes:
            return int(size_bytes * self._nominal_ns_per_byte)
        return int(size_bytes * self._sent_ns / self._sent_bytes)

    @property
    def rtt_ns(self) -> int:
        """Mean round trip."""
        return self._probes_ns // self._probes if self._probes else self._nominal_rtt_ns
