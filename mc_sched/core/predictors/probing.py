"""Decides which probes carry padding, and for which direction of the link.

Offloaded tasks measure the uplink. While tasks stay on the device, padded probes have to measure
it, and each costs joules. They follow each other quickly until there are enough samples to replace
the prior, and while only the uplink's estimate keeps tasks from the cloud. After each of these
probes that does not find the uplink faster, the pause before the next one doubles, up to half a
second.
"""

from __future__ import annotations

from mc_sched.core.value import value

FRESH_NS, SHOWN_NS = 2 * 10**9, 8 * 10**9
"""Age of the last sample at which the uplink and the downlink are measured again. No decision
depends on the downlink's rate; it is only shown."""
SUSPECT_NS, LONGEST_SUSPECT_NS = FRESH_NS // 8, FRESH_NS // 4
"""Age at which the uplink is measured again while only its estimate keeps tasks from the cloud. It
doubles with each probe in a row that finds the uplink no faster, up to the longest, so that an
uplink that is fast again is found within a second."""
FASTER = 1.25
"""Factor between the mean and a sample that counts as faster."""
PADDING_BYTES = 8_000
"""Padding of a probe: 60 ms on 3G, and small enough for the first window of a TCP connection."""


@value
class Padding:
    """Padding of a probe in each direction, beside its few fields."""

    up_bytes: int = 0
    down_bytes: int = 0


class Probing:
    """Moments of the last measurements, and the padding of the next probe."""

    def __init__(self, least_samples: int) -> None:
        self._least_samples = least_samples
        self._up_ns: int | None = None
        self._down_ns: int | None = None
        """Moments when the directions were last measured; None: never."""
        self._samples = self._fruitless = 0
        """Samples of the uplink so far, and padded probes in a row that found it no faster."""

    @property
    def rests_on_prior(self) -> bool:
        """True while a direction has too few samples, of any age, to replace its prior."""
        return self._samples < self._least_samples or self._down_ns is None

    def up_measured(self, now_ns: int) -> None:
        """Note that a task has measured the uplink, or has found it to be slow."""
        self._up_ns, self._fruitless = now_ns, 0
        self._samples += 1

    def up_probed(self, now_ns: int, faster: bool) -> None:
        """Note that a padded probe has measured the uplink; `faster` than the estimate or not."""
        fruitless = 0 if faster else self._fruitless + 1
        self.up_measured(now_ns)
        self._fruitless = fruitless

    def down_probed(self, now_ns: int) -> None:
        """Note that a padded probe has measured the downlink."""
        self._down_ns = now_ns

    @property
    def _suspect_ns(self) -> int:
        """Age at which the uplink is measured again if the probe is worth it."""
        return min(LONGEST_SUSPECT_NS, SUSPECT_NS << self._fruitless)

    def depends_on_worth(self, now_ns: int) -> bool:
        """Return True if the next padding depends on whether a probe is worth it."""
        return _is_stale(self._up_ns, now_ns, self._suspect_ns)

    def next_padding(self, now_ns: int, warmed_up: bool, probe_is_worth_it: bool) -> Padding:
        """Return the next probe's padding, for the direction whose last sample is too old, if any.

        `warmed_up`: the uplink has enough samples to replace its prior. `probe_is_worth_it`: the
        next task would be offloaded if the uplink were as fast as at its recent best.
        """
        fresh_ns = self._suspect_ns if probe_is_worth_it else FRESH_NS
        if not warmed_up or _is_stale(self._up_ns, now_ns, fresh_ns):
            return Padding(up_bytes=PADDING_BYTES)
        if _is_stale(self._down_ns, now_ns, SHOWN_NS):
            return Padding(down_bytes=PADDING_BYTES)
        return Padding()


def _is_stale(measured_ns: int | None, now_ns: int, fresh_ns: int) -> bool:
    return measured_ns is None or now_ns - measured_ns > fresh_ns
