"""Power and load from the lines of `tegrastats`, NVIDIA's own monitor on a Jetson.

The lines differ by board and release, so nothing is taken by its place: a rail is a name with
`now/average` behind it, in milliwatts with or without the unit; a core is `12%@1479` or `off`.
A line that was cut loses the rails that are not whole in it, and with them perhaps its total.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence

from mc_sched.sensors.rails import total_w
from mc_sched.sensors.sensor import BadReading, Reading, Sensor, SensorAbsent, SensorLost

COMMAND = ("tegrastats", "--interval", "100")
SILENCE_NS = 5_000_000_000
"""A tegrastats that has said nothing whole for this long is taken for dead."""
MEMORY = frozenset(("RAM", "SWAP", "IRAM", "CARVEOUT"))
"""Names that have `used/total` behind them and are no rails."""
LONGEST_LINE = 10_000

_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) ([0-9]+)(?:mW)?/(?:[0-9]+(?:mW)?)?(?!\S)")
_CORES = re.compile(r"(?<!\S)CPU \[([^\]]*)\]")
_CORE = re.compile(r"([0-9]+)%(?:@[0-9]+)?")
_GPU = re.compile(r"(?<!\S)GR3D(?:_FREQ)? ([0-9]+)%(?:@(?:[0-9]+|\[[0-9,]*\]))?(?!\S)")


def parse_line(line: str) -> Reading:
    """What a line says. BadReading if it holds no total power that we know of."""
    found = ((name, int(mw) / 1e3) for name, mw in _RAIL.findall(line))
    rails_w = {name: watts for name, watts in found if name not in MEMORY}
    try:
        power_w = total_w(rails_w)
    except LookupError as error:
        raise BadReading(f"a line of tegrastats: {error}") from None
    gpu = _GPU.search(line)
    return Reading(
        power_w=power_w,
        rails_w=rails_w,
        cpu_busy=_mean_of_cores(line),
        gpu_busy=min(1.0, int(gpu[1]) / 100) if gpu else None,
    )


def _mean_of_cores(line: str) -> float | None:
    cores = _CORES.search(line)
    if cores is None:
        return None
    busy = [int(found[1]) for core in cores[1].split(",") if (found := _CORE.fullmatch(core))]
    return min(1.0, sum(busy) / len(busy) / 100) if busy else None


class Tegrastats(Sensor):
    """A tegrastats process of our own; each read takes the last whole line that it has written.

    Raises SensorAbsent if it cannot be started.
    """

    name = "jetson-tegrastats"

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if shutil.which(command[0]) is None:
            raise SensorAbsent(f"there is no {command[0]}; it comes with JetPack, on a Jetson")
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise SensorAbsent(f"{command[0]} cannot be started: {error.strerror}") from None
        assert self._process.stdout is not None
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._clock_ns = clock_ns
        self._heard_ns = clock_ns()
        self._begun = b""
        self._line = ""

    def read(self) -> Reading:
        """The last whole line; an empty reading until the first one has come."""
        said = self._said()
        whole, newline, self._begun = (self._begun + said)[-LONGEST_LINE:].rpartition(b"\n")
        if newline:
            self._line = whole.rpartition(b"\n")[2].decode(errors="replace")
            self._heard_ns = self._clock_ns()
        elif self._process.poll() is not None:
            raise SensorLost(f"tegrastats has ended with code {self._process.returncode}")
        elif self._clock_ns() - self._heard_ns > SILENCE_NS:
            raise SensorLost(f"tegrastats has said nothing for {SILENCE_NS / 1e9:.0f} s")
        return parse_line(self._line) if self._line else Reading()

    def _said(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._out.fileno(), 1 << 16)
        return b""

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()
