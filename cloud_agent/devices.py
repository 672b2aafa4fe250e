"""The devices of a cloud agent: one worker for each.

The front finds them without torch. A worker sees its own device alone, through the environment
variable CUDA_VISIBLE_DEVICES, so that its device is always the first one there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from mc_sched.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that selects GPUs (CUDA C Programming Guide, section "Environment Variables")."""
Wanted = Literal["auto"] | tuple[str, ...]
"""Value of `devices:`."""
_GPU_FILE = re.compile(r"nvidia\d+")
_NAME = re.compile(r"cpu|cuda:\d{1,3}")


@dataclass(frozen=True)
class Device:
    """A device and how its worker sees it."""

    name: str
    """`cpu`, `cuda:N`, or `auto` for the one that torch finds."""
    visible: str | None
    """Value of CUDA_VISIBLE_DEVICES; None leaves the variable as it is."""

    def environment(self) -> dict[str, str]:
        """Return the environment of its worker."""
        own = {} if self.visible is None else {VISIBLE: self.visible}
        return {**os.environ, **own}


def parse_devices(value: object) -> Wanted:
    """Return the value of `devices:`. Raises ValueError if it is not one."""
    if value == "auto":
        return "auto"
    names = value.split(",") if isinstance(value, str) else value
    if isinstance(names, Sequence) and names:
        devices = tuple(str(name).strip() for name in names)
        if all(_NAME.fullmatch(name) for name in devices):
            return devices
    raise ValueError("must be auto, or a list of cpu, cuda:0, cuda:1 and so on")


def find_devices(
    wanted: Wanted,
    environment: Mapping[str, str] = os.environ,
    count_gpus: Callable[[], int] | None = None,
) -> tuple[Device, ...]:
    """Return the devices that `devices:` names, or all of this machine for `auto`.

    Raises UserError for a GPU that this machine does not have.
    """
    gpus = _visible_gpus(environment, count_gpus or count_gpus_of_machine)
    if isinstance(wanted, str):
        found = tuple(Device(f"cuda:{number}", gpu) for number, gpu in enumerate(gpus))
        # a Jetson's GPU is in no list, but torch finds it
        return found or (Device("auto", None),)
    return tuple(_named(name, gpus) for name in wanted)


def _named(name: str, gpus: Sequence[str]) -> Device:
    if name == "cpu":
        return Device(name, "")
    number = int(name.partition(":")[2])
    if number < len(gpus):
        return Device(name, gpus[number])
    if number == 0 and not gpus:
        return Device(name, None)  # its worker fails if torch finds no GPU either
    count = {0: "no GPU", 1: "1 GPU"}.get(len(gpus), f"{len(gpus)} GPUs")
    raise UserError(f"devices: {name}: this machine has {count}")


def _visible_gpus(environment: Mapping[str, str], count: Callable[[], int]) -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES would name each."""
    allowed = environment.get(VISIBLE)
    if allowed is None:
        return [str(number) for number in range(count())]
    entries = [entry.strip() for entry in allowed.split(",")]
    # CUDA ignores the entries from the first invalid one on
    ended = next((i for i, entry in enumerate(entries) if entry in ("", "-1")), len(entries))
    return entries[:ended]


def count_gpus_of_machine(
    load: Callable[[], Any] = lambda: import_module("pynvml"), folder: Path = Path("/dev")
) -> int:
    """Return the number of NVIDIA GPUs, from NVML or else from the device files."""
    try:
        api = load()
        api.nvmlInit()
        try:
            return int(api.nvmlDeviceGetCount())
        finally:
            api.nvmlShutdown()
    except Exception:  # the package or the driver is missing, or has another version
        try:
            return sum(_GPU_FILE.fullmatch(file.name) is not None for file in folder.iterdir())
        except OSError:
            return 0
