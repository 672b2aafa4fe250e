"""Power from a Jetson's INA3221 monitors, through the kernel's hwmon files.

Channel n has `inN_label` (the rail), `inN_input` (millivolts) and `currN_input` (milliamperes).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mc_sched.sensors.files import number_in, text_in
from mc_sched.sensors.rails import total_w
from mc_sched.sensors.sensor import Reading, Sensor, SensorAbsent, SensorLost

CHANNELS = (1, 2, 3)
UNCONNECTED = "NC"


@dataclass(frozen=True)
class Rail:
    """One channel of a monitor."""

    name: str
    millivolts: Path
    milliamperes: Path

    def watts(self) -> float:
        """Return its power. Raises OSError or ValueError if a file is gone or invalid."""
        return number_in(self.millivolts) * number_in(self.milliamperes) / 1e6


def find_rails(root: Path) -> list[Rail]:
    """Return the connected channels of all monitors below `root`, which differs from / in tests."""
    rails = []
    for monitor in sorted((root / "sys/bus/i2c/devices").glob("*/hwmon/hwmon*")):
        for channel in CHANNELS:
            label = monitor / f"in{channel}_label"
            current = monitor / f"curr{channel}_input"
            try:
                name = text_in(label)
            except OSError:
                continue
            if name != UNCONNECTED and current.exists():
                rails.append(Rail(name, monitor / f"in{channel}_input", current))
    return rails


class Ina3221(Sensor):
    """All rails of this board. Raises SensorAbsent if there are none or their total is unknown."""

    name = "jetson-ina3221"

    def __init__(self, root: Path = Path("/")) -> None:
        self._rails = find_rails(root)
        if not self._rails:
            raise SensorAbsent("no power monitor under /sys/bus/i2c; only a Jetson has one")
        try:
            self.read()
        except SensorLost as error:
            raise SensorAbsent(str(error)) from None
        except LookupError as error:
            raise SensorAbsent(f"this board is not supported: {error}") from None

    def read(self) -> Reading:
        """Return the watts of each rail and of the board."""
        try:
            rails_w = {rail.name: rail.watts() for rail in self._rails}
        except OSError as error:
            raise SensorLost(f"{error.filename} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise SensorLost(str(error)) from None
        return Reading(power_w=total_w(rails_w), rails_w=rails_w)

    def close(self) -> None:
        """Do nothing, as no file is kept open."""
