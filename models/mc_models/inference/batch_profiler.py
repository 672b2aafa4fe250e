"""Measure the cloud net's stages and heads at growing batch sizes, as long as batches pay."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mc_models.bundle.load import Bundle
from mc_models.bundle.rows import ExitRow
from mc_models.inference.predict import top5_and_entropy
from mc_models.inference.profile import BatchTimes, Times
from mc_models.inference.stopwatch import Stopwatch

if TYPE_CHECKING:
    from torch import Tensor

    from mc_models.inference.devices import Device
    from mc_models.inference.prepare import PreparedCloud

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
GAIN = 1.03
"""Least gain in images per second, against the best smaller batch, for which a size is kept."""
MOST_STAGE_NS = 250_000_000
"""Longest stage that is measured on a CPU; a task behind it would wait too long to be of use."""
BUDGET_S = 0.3
"""Time for the passes of one network at one batch size."""
LEAST_PASSES, MOST_PASSES = 3, 30
WARM_UP_PASSES = 2


def time_stages_and_heads(
    bundle: Bundle,
    stages: Sequence[Callable[[Any], Any]],
    heads: Mapping[str, Callable[[Tensor], Tensor]],
    x: Any,
    stopwatch: Stopwatch,
) -> list[Tensor]:
    """Time every stage and every head once; return the stages' outputs."""
    activations = []
    for stage_row, stage in zip(bundle.stages, stages, strict=True):
        x = stopwatch.time("stages", stage_row.name, stage, x)
        activations.append(x)
    for row, activation in zip(bundle.exits, activations, strict=True):
        stopwatch.time("heads", row.name, partial(_head, heads[row.name], row), activation)
    return activations


def _head(head: Callable[[Tensor], Tensor], row: ExitRow, x: Tensor) -> object:
    return top5_and_entropy(head(x), row.temperature)


def measure_batches(
    bundle: Bundle,
    nets: Sequence[PreparedCloud],
    singles: Sequence[Mapping[str, Mapping[str, Times]]],
    x: Tensor,
    device: Device,
) -> list[tuple[BatchTimes, ...]]:
    """Return the times of each net at every batch size above 1 that pays.

    `singles` are the times of one image, by kind and name, and `x` is one image. The passes of all
    nets alternate, as those of `measure_profiles` do.
    """
    all_series = [
        _Series(bundle, net, BatchTimes(1, single["stages"], single["heads"]), device)
        for net, single in zip(nets, singles, strict=True)
    ]
    for size in BATCH_SIZES[1:]:
        growing = [series for series in all_series if series.may_grow_to(size)]
        _measure(growing, size, x.repeat(size, *[1] * (x.dim() - 1)))
    return [tuple(series.kept[1:]) for series in all_series]


class _Series:
    """The times of one net at growing batch sizes."""

    def __init__(
        self, bundle: Bundle, net: PreparedCloud, single: BatchTimes, device: Device
    ) -> None:
        self._bundle, self._net, self._device = bundle, net, device
        self.kept = [single]
        self._ended = False

    def may_grow_to(self, size: int) -> bool:
        """Return True if the last size paid and no stage is expected to take too long."""
        last = self.kept[-1]
        slowest_ns = max(times.p50_ns for times in last.stages.values()) * size / last.size
        return not self._ended and (self._device != "cpu" or slowest_ns <= MOST_STAGE_NS)

    def run(self, x: Tensor, stopwatch: Stopwatch) -> None:
        """Run one batch; the series ends if the GPU's memory does not hold it."""
        import torch

        try:
            time_stages_and_heads(self._bundle, self._net.stages, self._net.heads, x, stopwatch)
        except torch.OutOfMemoryError:
            self._ended = True

    def keep(self, size: int, stopwatch: Stopwatch) -> None:
        """Keep the times of a size if it pays; otherwise the series ends."""
        if self._ended:
            return
        times = stopwatch.times()
        batch = BatchTimes(size, times["stages"], times["heads"])
        if _per_image_ns(batch) * GAIN > _per_image_ns(self.kept[-1]):
            self._ended = True
        else:
            self.kept.append(batch)

    @property
    def is_open(self) -> bool:
        """Return True until a size has failed or has not paid."""
        return not self._ended


def _measure(growing: Sequence[_Series], size: int, x: Tensor) -> None:
    for series in [*growing] * WARM_UP_PASSES:
        series.run(x, Stopwatch())
    growing = [series for series in growing if series.is_open]
    stopwatches = [Stopwatch() for _ in growing]
    end_s = time.monotonic() + BUDGET_S * len(growing)
    for number in range(MOST_PASSES):
        if number >= LEAST_PASSES and time.monotonic() > end_s:
            break
        for series, stopwatch in zip(growing, stopwatches, strict=True):
            series.run(x, stopwatch)
    for series, stopwatch in zip(growing, stopwatches, strict=True):
        series.keep(size, stopwatch)


def _per_image_ns(batch: BatchTimes) -> float:
    """Time per image of all stages and the last head."""
    last_head = [*batch.heads.values()][-1]
    return (sum(times.p50_ns for times in batch.stages.values()) + last_head.p50_ns) / batch.size
