"""Checks of any machine that runs an agent: Python, torch, clock."""

from __future__ import annotations

import subprocess
import sys

from mc_sched.doctor.check import Check, failed, ok, warning

OLDEST_PYTHON = (3, 10)


def check_python() -> Check:
    """Check that Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    facts = {"version": version, "executable": sys.executable}
    if sys.version_info < OLDEST_PYTHON:
        return failed("python", version, "install Python 3.10 or newer", facts)
    return ok("python", f"{version}, {sys.executable}", facts)


def check_torch() -> Check:
    """Check that torch can be imported, and name its device."""
    try:
        import torch
        import torchvision
        from mc_models.inference.devices import device_name, host_device
    except (ImportError, OSError, RuntimeError) as error:
        remedy = "install torch and torchvision of one release; on a Jetson, NVIDIA's builds"
        return failed("torch", f"cannot be imported: {error}", remedy)
    device = host_device()
    facts = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": device,
        "name": device_name(device),
    }
    detail = f"{torch.__version__} on {device} ({facts['name']})"
    if torch.version.cuda and device == "cpu" and _has_gpu():
        remedy = "check the driver with nvidia-smi, and the unit's drop-in for the GPU"
        return warning("torch", f"{detail}, but this machine has a GPU", remedy, facts)
    return ok("torch", detail, facts)


def _has_gpu() -> bool:
    from pathlib import Path

    return any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu"))


def check_clock() -> Check:
    """Check that the clock is synchronised; certificates and logs depend on it, tasks do not."""
    try:
        command = ["timedatectl", "show", "--value", "--property", "NTPSynchronized"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    if answer == "yes":
        return ok("clock", "synchronised", {"synchronised": True})
    known = answer == "no"
    detail = (
        "not synchronised"
        if known
        else "timedatectl does not report whether the clock is synchronised"
    )
    remedy = "enable systemd-timesyncd or chrony, so that certificates and logs can be trusted"
    return warning("clock", detail, remedy, {"synchronised": False if known else None})
