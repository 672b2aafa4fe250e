"""Activations of tasks as rows of the batches that computed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """One image's activation, a view of row `number` of `batch` [n, ...]."""

    batch: Tensor
    number: int

    @property
    def activation(self) -> Tensor:
        """The activation [1, ...]; it shares the batch's memory."""
        return self.batch[self.number : self.number + 1]


def join(rows: Sequence[Row]) -> Tensor:
    """Return the rows as one batch [n, ...], without a copy if they are a complete batch.

    Rows of different precisions or devices, such as a decoded payload beside a stage's output,
    take those of the first row on the GPU, or of the first row on a host without one.
    """
    first = rows[0].batch
    if len(rows) == len(first) and all(
        row.batch is first and row.number == index for index, row in enumerate(rows)
    ):
        return first
    like = next((row.batch for row in rows if row.batch.is_cuda), first)
    return torch.cat([row.activation.to(like.device, like.dtype) for row in rows])
