"""The devices and precisions that this host can compute with."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]
Setting = Literal["auto", "float32", "bfloat16"]
"""The values of the setting `precision`; only `auto` may choose float16, on a GPU."""


class DeviceError(ValueError):
    """This host lacks the device or precision; the sentence says what to choose."""


def host_device() -> Device:
    """The GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def checked_device(choice: str) -> Device:
    """Return the device that "cpu", "cuda" or "auto" means on this host. Raises DeviceError."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise DeviceError("torch finds no GPU on this host; choose the device cpu or auto")
    return "cpu" if choice == "cpu" else host_device()


def device_name(device: Device) -> str:
    """The device and what decides its speed, as profiles record it: 'cpu (AVX512)'."""
    detail = (
        torch.cuda.get_device_name()
        if device == "cuda"
        else torch.backends.cpu.get_cpu_capability()
    )
    return f"{device} ({detail})"


def precisions(setting: str, device: Device) -> tuple[Precision, ...]:
    """The precisions that a setting leaves to choose from, float32 first. Raises DeviceError."""
    if setting not in get_args(Setting):
        raise DeviceError(f"precision {setting!r} is unknown; use {', '.join(get_args(Setting))}")
    if setting == "float32":
        return ("float32",)
    has_bfloat16 = _has_bfloat16(device)
    if setting == "auto":
        if device == "cuda":
            return ("float32", "float16")
        return ("float32", "bfloat16") if has_bfloat16 else ("float32",)
    if not has_bfloat16:
        raise DeviceError(f"this {device} has no bfloat16; set the precision to auto or float32")
    return ("bfloat16",)


def _has_bfloat16(device: Device) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False  # a build of torch without oneDNN
