"""The cloud net on the device, for policies that run stages of it, or all of it, here.

Most agents never need it, so it is loaded when it is first asked for; a task that asks first waits
for that. One task at a time runs in it, be it the encoder's or the local executor's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from mc_models.bundle.bundle import Bundle
from mc_models.codec.splits import pack
from mc_models.data.preprocess import Pixels, to_input
from mc_models.inference.runtime import Precision, PreparedCloud, prepare_cloud

Piece = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Run:
    """What the local executor runs: pieces from the input to logits, and what they report."""

    pieces: Sequence[Piece]
    temperature: float
    reported: Sequence[bool]
    """By piece, whether its end says something about progress."""


class CloudNetOnEdge:
    """Stages and heads of a bundle's cloud net, once somebody needs them."""

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self._bundle, self._precision = bundle, precision
        self._exits = {row.name: row for row in bundle.exits}
        self._splits = {row.name: row for row in bundle.splits}
        self._lock = threading.Lock()
        self._net: PreparedCloud | None = None

    def load(self) -> None:
        """Prepare the networks' pieces, in seconds, if that has not been done."""
        with self._prepared():
            pass

    @contextmanager
    def run_to(self, exit_name: str) -> Iterator[Run]:
        """The pieces up to an exit; nobody else runs the net meanwhile."""
        row = self._exits[exit_name]
        with self._prepared() as net:
            pieces = (*net.stages[: row.stage + 1], net.heads[exit_name])
            yield Run(pieces, row.temperature, (False,) * len(pieces))

    @torch.inference_mode()
    def message(self, split: str, pixels: Pixels) -> bytes:
        """The payload of a raw split."""
        with self._prepared() as net:
            x = to_input(pixels)
            for stage in net.stages[: self._splits[split].stage]:
                x = stage(x)
            return pack(x)

    @property
    def encoders(self) -> Mapping[str, Callable[[Pixels], bytes]]:
        """From pixels to payload, by split."""
        return {name: partial(self.message, name) for name in self._splits}

    @contextmanager
    def _prepared(self) -> Iterator[PreparedCloud]:
        with self._lock:
            if self._net is None:
                self._net = prepare_cloud(self._bundle, self._precision)
            yield self._net
