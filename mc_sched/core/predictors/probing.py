"""When a padded probe is worth its joules, and for which direction of the link.

Tasks that go up measure the uplink; where they stay on the device probes have to. They follow each
other soon until the estimate's prior is silent, and while the estimate alone keeps tasks away from
the cloud. What such a probe finds no faster lets the next one wait twice as long.
"""

from __future__ import annotations

from mc_sched.core.value import value

FRESH_NS, SHOWN_NS = 2 * 10**9, 8 * 10**9
"""An uplink whose last sample is older is worth a padded probe; and a downlink, whose rate decides
nothing and is shown while it is known."""
IN_DOUBT_NS = FRESH_NS // 8
"""The same for an uplink whose estimate alone keeps tasks away; doubled for each probe in a row
that finds it no faster, until it is FRESH_NS."""
FASTER = 1.25
"""How far, as a factor, a sample lies from the mean that says so."""
PADDING_BYTES = 8_000
"""What such a probe carries: 60 ms on 3G, and few enough bytes for one window of a new TCP."""


@value
class Padding:
    """How much a probe shall carry each way beside its few fields."""

    up_bytes: int = 0
    down_bytes: int = 0


class Probing:
    """When the directions were last measured, and what the next probe should carry."""

    def __init__(self, least_samples: int) -> None:
        self._least_samples = least_samples
        self._up_ns: int | None = None
        self._down_ns: int | None = None
        """When it was last measured; None: never."""
        self._samples = self._in_vain = 0
        """Of the uplink so far; padded probes in a row that found it no faster."""

    @property
    def never_done(self) -> bool:
        """Whether some direction lacks the samples, however old, that silence its prior."""
        return self._samples < self._least_samples or self._down_ns is None

    def up_told(self, now_ns: int) -> None:
        """The uplink was measured, by a task, or was found to be slow."""
        self._up_ns, self._in_vain = now_ns, 0
        self._samples += 1

    def up_probed(self, now_ns: int, faster: bool) -> None:
        """A padded probe has measured it, and found it `faster` than was believed."""
        in_vain = 0 if faster else self._in_vain + 1
        self.up_told(now_ns)
        self._in_vain = in_vain

    def down_probed(self, now_ns: int) -> None:
        """A padded probe has measured the downlink."""
        self._down_ns = now_ns

    @property
    def _undoubted_ns(self) -> int:
        """How long the last sample of an uplink in doubt stands."""
        return min(FRESH_NS, IN_DOUBT_NS << self._in_vain)

    def worth_counts(self, now_ns: int) -> bool:
        """Whether it may matter to the next probe that the uplink is in doubt."""
        return _is_stale(self._up_ns, now_ns, self._undoubted_ns)

    def wanted(self, now_ns: int, settled: bool, probe_is_worth_it: bool) -> Padding:
        """For the direction, if any, that is not fresh.

        `settled`: the uplink's prior no longer counts. `probe_is_worth_it`: the next task would be
        offloaded if the uplink were as fast as at its recent best.
        """
        fresh_ns = self._undoubted_ns if probe_is_worth_it else FRESH_NS
        if not settled or _is_stale(self._up_ns, now_ns, fresh_ns):
            return Padding(up_bytes=PADDING_BYTES)
        if _is_stale(self._down_ns, now_ns, SHOWN_NS):
            return Padding(down_bytes=PADDING_BYTES)
        return Padding()


def _is_stale(measured_ns: int | None, now_ns: int, fresh_ns: int) -> bool:
    return measured_ns is None or now_ns - measured_ns > fresh_ns
