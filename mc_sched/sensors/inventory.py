"""The supported sensors, best first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mc_sched.sensors.chooser import POWER, Candidate, Chooser
from mc_sched.sensors.cpu import CpuLoad
from mc_sched.sensors.ina3221 import Ina3221
from mc_sched.sensors.jetson_gpu import JetsonGpu
from mc_sched.sensors.nvml import Nvml
from mc_sched.sensors.rapl import Rapl
from mc_sched.sensors.tegrastats import Tegrastats

POWER_NAMES = (Ina3221.name, Tegrastats.name, Nvml.name, Rapl.name)


def power_candidates(
    on_gpu: bool, only: str | None = None, root: Path = Path("/")
) -> list[Candidate]:
    """Return the power sensors for work on the GPU or the processor, or the one named `only`.

    A Jetson's rails cover the whole board. Elsewhere NVML covers the GPUs only and RAPL the
    processor only, so a sensor that does not cover the work must be named to be used.
    """
    known = [
        Candidate(Ina3221.name, lambda: Ina3221(root)),
        Candidate(Tegrastats.name, Tegrastats),
        Candidate(Nvml.name, Nvml),
        Candidate(Rapl.name, lambda: Rapl(root)),
    ]
    if only is not None:
        return [candidate for candidate in known if candidate.name == only]
    blind = Rapl.name if on_gpu else Nvml.name
    return [candidate for candidate in known if candidate.name != blind]


def power_chooser(wanted: str, on_gpu: bool, report: Callable[[str], None]) -> Chooser | None:
    """Return a chooser of power sensors: all for "auto", one for its name, None for "none"."""
    if wanted == "none":
        return None
    return Chooser(POWER, power_candidates(on_gpu, None if wanted == "auto" else wanted), report)


def load_candidates() -> list[Candidate]:
    """Return the sensors of the load by other processes."""
    return [Candidate(CpuLoad.name, CpuLoad)]


def all_candidates(root: Path = Path("/")) -> list[Candidate]:
    """Return every supported sensor, for `mc-sched doctor`."""
    power = [only for name in POWER_NAMES for only in power_candidates(False, name, root)]
    return [*power, *load_candidates(), Candidate(JetsonGpu.name, lambda: JetsonGpu(root))]
