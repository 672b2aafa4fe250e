"""The device and the precision of training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def training_device() -> torch.device:
    """The first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast to bfloat16 if `device` computes it in hardware; otherwise float32.

    bfloat16 has the range of float32, so no loss scaling is needed.
    """
    if not _computes_bf16(device):
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
