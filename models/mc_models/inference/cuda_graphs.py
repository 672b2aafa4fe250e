"""A piece of a network as CUDA graphs, whose kernels are launched by a single call.

A stage of a small network consists of many short kernels, and launching them one by one takes
longer than running them. They are recorded once per batch size and replayed without Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

WARM_UP_RUNS = 3
"""Passes before the recording, in which cuDNN chooses kernels and allocates its workspace."""


class RecordedGraph:
    """The kernels of `piece` for inputs of the shape of `x`, in memory of their own."""

    def __init__(self, piece: Callable[[Tensor], Tensor], x: Tensor, pool: Any) -> None:
        self._x = x.clone()
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UP_RUNS):
                piece(self._x)
        torch.cuda.current_stream().wait_stream(side_stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._y: Tensor = piece(self._x)

    def run(self, x: Tensor) -> Tensor:
        """Return a copy of the output for the rows of `x`, which may be fewer than recorded."""
        self._x[: len(x)].copy_(x)  # the other rows keep values of earlier tasks
        self._graph.replay()
        return self._y[: len(x)].clone()  # the next replay overwrites the graph's own output


class GraphedPiece:
    """Replays `piece` on the GPU by a graph per batch size; `x` is one row of its input.

    A batch is padded up to the next recorded size. Larger batches and rows of another shape are
    launched kernel by kernel. Batch sizes that the GPU's memory does not hold are not recorded.
    """

    def __init__(
        self, piece: Callable[[Tensor], Tensor], x: Tensor, batch_sizes: Sequence[int] = (1,)
    ) -> None:
        self._piece = piece
        self._row_shape = x.shape[1:]
        self._graphs: list[tuple[int, RecordedGraph]] = []
        # graphs never run side by side, so the smaller ones reuse the memory of the largest
        pool = torch.cuda.graph_pool_handle()
        for size in sorted(batch_sizes, reverse=True):
            try:
                graph = RecordedGraph(piece, torch.cat([x] * size), pool)
            except torch.OutOfMemoryError:
                continue
            self._graphs.insert(0, (size, graph))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the piece's output in memory of its own, after the GPU has computed it."""
        graph = self._graph_for(x)
        y = graph.run(x) if graph else self._piece(x)
        torch.cuda.synchronize()
        return y

    def _graph_for(self, x: Tensor) -> RecordedGraph | None:
        """The graph of the smallest size that holds the rows of `x`."""
        if x.shape[1:] != self._row_shape:
            return None
        return next((graph for size, graph in self._graphs if size >= len(x)), None)
