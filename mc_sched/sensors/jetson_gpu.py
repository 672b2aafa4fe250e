"""Load of a Jetson's GPU, from the kernel's files."""

from __future__ import annotations

from pathlib import Path

from mc_sched.sensors.files import number_in, text_in
from mc_sched.sensors.sensor import BadReading, Reading, Sensor, SensorAbsent, SensorLost

NODES = frozenset(("gv11b", "gp10b", "ga10b", "gb10b", "gpu"))
"""Names of GPUs in the device tree: Xavier, TX2, Orin, Thor; "gpu" is TX1 and Nano."""
OLDER = "sys/devices/gpu.0/load"
FULL = 1000
"""Load files count in per mille (not checked on every board)."""


def find_load(root: Path) -> Path | None:
    """Return the GPU's load file below `root`, which differs from / in tests."""
    for device in sorted((root / "sys/class/devfreq").glob("*")):
        load = device / "device/load"
        try:
            node = text_in(device / "device/of_node/name")
        except OSError:
            continue
        if node in NODES and load.exists():
            return load
    older = root / OLDER
    return older if older.exists() else None


class JetsonGpu(Sensor):
    """Load of the GPU. Raises SensorAbsent if no load file can be read."""

    name = "jetson-gpu"

    def __init__(self, root: Path = Path("/")) -> None:
        load = find_load(root)
        if load is None:
            raise SensorAbsent("no GPU under /sys/class/devfreq; only a Jetson has one")
        self._load = load
        try:
            self.read()
        except (SensorLost, BadReading) as error:
            raise SensorAbsent(str(error)) from None

    def read(self) -> Reading:
        """Return the share of time that the GPU was busy."""
        try:
            share = number_in(self._load) / FULL
        except OSError as error:
            raise SensorLost(f"{error.filename} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise BadReading(str(error)) from None
        if not 0 <= share <= 1:
            raise BadReading(f"{self._load} has {share * FULL:.0f}; the range is 0 to {FULL}")
        return Reading(gpu_busy=share)

    def close(self) -> None:
        """Do nothing, as no file is kept open."""
