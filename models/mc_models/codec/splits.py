"""Raw splits: the activation behind a stage as a message, for policies that cut the net in two.

A message is the activation in 8 bits between its own least and largest value, which lead it as two
float32: linear quantisation per tensor, as SPINN (arXiv 2008.06402) and JointDNN (arXiv 1801.08618)
send theirs. Nothing is hidden in it: a picture can be painted from it, so it is no private codec.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mc_models.bundle.rows import SplitRow

_HEADER = struct.Struct("<ff")
_STEPS = 255.0


def pack(activation: Tensor) -> bytes:
    """The message of one activation [1, channels, side, side]."""
    x = activation.float()
    low, high = x.min(), x.max()
    codes = _codes(x, low, high).contiguous(memory_format=torch.contiguous_format)
    return _HEADER.pack(low.item(), high.item()) + codes.cpu().numpy().tobytes()


def unpack(message: bytes, row: SplitRow) -> Tensor:
    """Activation [1, channels, side, side], channels_last; ValueError on bad size or range."""
    if len(message) != row.message_bytes:
        raise ValueError(
            f"a {row.name} message has {row.message_bytes} bytes, this one has {len(message)}"
        )
    low, high = _HEADER.unpack_from(message)
    if not low <= high or abs(low) == float("inf") or high == float("inf"):
        raise ValueError(f"a {row.name} message cannot reach from {low} to {high}")
    codes = torch.frombuffer(bytearray(message), dtype=torch.uint8, offset=_HEADER.size)
    x: Tensor = codes.reshape(1, row.channels, row.side, row.side).float()
    x = x * ((high - low) / _STEPS) + low
    return x.contiguous(memory_format=torch.channels_last)


def quantised(activations: Tensor) -> Tensor:
    """What arrives of activations [n, channels, side, side], each image in its own range."""
    low = activations.amin((1, 2, 3), keepdim=True)
    high = activations.amax((1, 2, 3), keepdim=True)
    arrived: Tensor = _codes(activations, low, high).float() * ((high - low) / _STEPS) + low
    return arrived


def _codes(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return ((x - low) * (_STEPS / (high - low).clamp(min=1e-12))).round().to(torch.uint8)


@torch.inference_mode()
def split_rows(stages: Sequence[nn.Module], input_px: int) -> tuple[SplitRow, ...]:
    """The boundary behind every stage but the last, which leaves the cloud nothing to do."""
    x = torch.zeros(1, 3, input_px, input_px)
    rows = []
    for number, stage in enumerate(stages[:-1], start=1):
        x = stage(x)
        rows.append(SplitRow(f"split{number}", number, x.shape[1], x.shape[2]))
    return tuple(rows)
