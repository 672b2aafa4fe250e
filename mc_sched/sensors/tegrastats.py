"""Power and load from the lines of `tegrastats`, NVIDIA's own monitor on a Jetson.

The lines differ by board and release, so no value is found by its position. A rail is a name
followed by `now/average` in milliwatts, with or without the unit; a core is `12%@1479` or `off`.
A truncated line loses the rails that are incomplete, and with them perhaps the total.
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
"""A tegrastats that has written no complete line for this long counts as dead."""
MEMORY = frozenset(("RAM", "SWAP", "IRAM", "CARVEOUT"))
"""Names that are followed by `used/total` and are not rails."""
LONGEST_LINE = 10_000

_RAIL = re.compile(r"(?<!\S)([A-Z][A-Z0-9_]*) ([0-9]+)(?:mW)?/(?:[0-9]+(?:mW)?)?(?!\S)")
_CORES = re.compile(r"(?<!\S)CPU \[([^\]]*)\]")
_CORE = re.compile(r"([0-9]+)%(?:@[0-9]+)?")
_GPU = re.compile(r"(?<!\S)GR3D(?:_FREQ)? ([0-9]+)%(?:@(?:[0-9]+|\[[0-9,]*\]))?(?!\S)")


def parse_line(line: str) -> Reading:
    """Parse a line. Raises BadReading if it has no known total power."""
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
    """A tegrastats process; each reading is the last complete line that it has written.

    Raises SensorAbsent if it cannot be started.
    """

    name = "jetson-tegrastats"

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if shutil.which(command[0]) is None:
            raise SensorAbsent(f"{command[0]} is not installed; on a Jetson it comes with JetPack")
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
        self._last_line_ns = clock_ns()
        self._partial = b""
        self._line = ""

    def read(self) -> Reading:
        """Return the last complete line; an empty reading before the first one."""
        text = (self._partial + self._written())[-LONGEST_LINE:]
        complete, newline, self._partial = text.rpartition(b"\n")
        if newline:
            self._line = complete.rpartition(b"\n")[2].decode(errors="replace")
            self._last_line_ns = self._clock_ns()
        elif self._process.poll() is not None:
            raise SensorLost(f"tegrastats has ended with code {self._process.returncode}")
        elif self._clock_ns() - self._last_line_ns > SILENCE_NS:
            raise SensorLost(f"tegrastats has written nothing for {SILENCE_NS / 1e9:.0f} s")
        return parse_line(self._line) if self._line else Reading()

    def _written(self) -> bytes:
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
