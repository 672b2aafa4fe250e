"""An invented /sys, for sensors that take its root."""


def write(root, path, text):
    """Write one file, with the newline that the kernel appends."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")
    return file


def monitor(root, rails, number=0):
    """An INA3221 with up to three (name, mV, mA)."""
    folder = f"sys/bus/i2c/devices/1-004{number}/hwmon/hwmon{number}"
    for channel, (name, millivolts, milliamperes) in enumerate(rails, start=1):
        write(root, f"{folder}/in{channel}_label", name)
        write(root, f"{folder}/in{channel}_input", millivolts)
        write(root, f"{folder}/curr{channel}_input", milliamperes)
    return root / folder


def zone(root, number, name, energy_uj, range_uj=262_143_328_850):
    """A RAPL zone; its counter's file."""
    folder = f"sys/class/powercap/intel-rapl:{number}"
    write(root, f"{folder}/name", name)
    if range_uj is not None:
        write(root, f"{folder}/max_energy_range_uj", range_uj)
    return write(root, f"{folder}/energy_uj", energy_uj)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now_ns = 10**12

    def __call__(self):
        return self.now_ns

    def forward(self, seconds):
        self.now_ns += round(seconds * 1e9)
