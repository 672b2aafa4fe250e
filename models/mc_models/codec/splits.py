"""Raw splits: the activation behind a stage as a message, for policies that partition the net.

A message is the activation in 8 bits between its own least and largest value, which lead it as two
float32: linear quantisation per tensor, as SPINN (arXiv 2008.06402) and JointDNN (arXiv 1801.08618)
send theirs. It hides nothing: an image can be reconstructed from it, so it is not a private codec.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mc_models.bundle.rows import SplitRow

_RANGE = struct.Struct("<ff")
_LEVELS = 255.0
MAX_VALUE = 65504.0
"""Largest magnitude of a value in a message, that of half precision: far more than a network's own
activations have, and too little to overflow in the layers that follow."""


def pack(activation: Tensor) -> bytes:
    """Return the message of one activation [1, channels, side, side]."""
    x = activation.float()
    low, high = x.min(), x.max()
    codes = _codes(x, low, high).contiguous(memory_format=torch.contiguous_format)
    return _RANGE.pack(low.item(), high.item()) + codes.cpu().numpy().tobytes()


def unpack(message: bytes, row: SplitRow) -> Tensor:
    """Activation [1, channels, side, side], channels_last; ValueError on a bad size or range."""
    if len(message) != row.message_bytes:
        raise ValueError(
            f"a {row.name} message has {row.message_bytes} bytes, this one has {len(message)}"
        )
    low, high = _RANGE.unpack_from(message)
    if not -MAX_VALUE <= low <= high <= MAX_VALUE:
        raise ValueError(
            f"a {row.name} message has the value range from {low:g} to {high:g}; "
            f"it must be within {-MAX_VALUE:g} to {MAX_VALUE:g}"
        )
    codes = torch.frombuffer(bytearray(message), dtype=torch.uint8, offset=_RANGE.size)
    x: Tensor = codes.reshape(1, row.channels, row.side, row.side).float()
    x = x * ((high - low) / _LEVELS) + low
    return x.contiguous(memory_format=torch.channels_last)


def quantised(activations: Tensor) -> Tensor:
    """Pack and unpack activations [n, channels, side, side], each image in its own range."""
    low = activations.amin((1, 2, 3), keepdim=True)
    high = activations.amax((1, 2, 3), keepdim=True)
    unpacked: Tensor = _codes(activations, low, high).float() * ((high - low) / _LEVELS) + low
    return unpacked


def _codes(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return ((x - low) * (_LEVELS / (high - low).clamp(min=1e-12))).round().to(torch.uint8)


@torch.inference_mode()
def split_rows(stages: Sequence[nn.Module], input_px: int) -> tuple[SplitRow, ...]:
    """The boundary behind every stage but the last, which leaves the cloud nothing to do."""
    x = torch.zeros(1, 3, input_px, input_px)
    rows = []
    for number, stage in enumerate(stages[:-1], start=1):
        x = stage(x)
        rows.append(SplitRow(f"split{number}", number, x.shape[1], x.shape[2]))
    return tuple(rows)
