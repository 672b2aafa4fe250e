"""The cloud net on the device, for policies that run some or all of its stages on the edge.

Most agents never need it, so it is loaded on first use, and the first task waits for that. The
encoder and the local executor share it; one task at a time runs in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from mc_models.bundle.load import Bundle
from mc_models.codec.splits import pack
from mc_models.data.preprocess import Pixels, to_input
from mc_models.inference.devices import Precision
from mc_models.inference.prepare import PreparedCloud, prepare_cloud

Piece = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Run:
    """A net that the local executor runs: pieces from the input to the logits."""

    pieces: Sequence[Piece]
    temperature: float
    reported: Sequence[bool]
    """One flag per piece: True if its end is reported as progress."""


class CloudNetOnEdge:
    """Stages and heads of a bundle's cloud net, loaded on first use."""

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self._bundle, self._precision = bundle, precision
        self._exits = {row.name: row for row in bundle.exits}
        self._splits = {row.name: row for row in bundle.splits}
        self._lock = threading.Lock()
        self._net: PreparedCloud | None = None

    def load(self) -> None:
        """Prepare the net's pieces unless that has been done; takes seconds."""
        with self._prepared():
            pass

    @contextmanager
    def run_to(self, exit_name: str) -> Iterator[Run]:
        """Hold the net and yield its pieces up to an exit."""
        row = self._exits[exit_name]
        with self._prepared() as net:
            pieces = (*net.stages[: row.stage + 1], net.heads[exit_name])
            yield Run(pieces, row.temperature, (False,) * len(pieces))

    @torch.inference_mode()
    def message(self, split: str, pixels: Pixels) -> bytes:
        """Return the payload of a raw split."""
        with self._prepared() as net:
            x = to_input(pixels)
            for stage in net.stages[: self._splits[split].stage]:
                x = stage(x)
            return pack(x)

    @property
    def encoders(self) -> Mapping[str, Callable[[Pixels], bytes]]:
        """Encoder per split, from pixels to the payload."""
        return {name: partial(self.message, name) for name in self._splits}

    @contextmanager
    def _prepared(self) -> Iterator[PreparedCloud]:
        with self._lock:
            if self._net is None:
                self._net = prepare_cloud(self._bundle, self._precision)
            yield self._net
