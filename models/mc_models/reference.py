"""The plain way to classify an image, in one process: the baseline for every overhead."""

from __future__ import annotations

import torch

from mc_models.bundle import Bundle
from mc_models.predict import top5
from mc_models.preprocess import decode_image, to_input

Answer = tuple[tuple[int, float], ...]


class Reference:
    """Decode, preprocess and forward with nothing around them."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._edge = bundle.edge_net()
        self._cloud = bundle.cloud_net()
        self._exits = {row.name: row for row in bundle.exits}

    def prepare(self, image: bytes) -> torch.Tensor:
        """JPEG or PNG bytes to the nets' input, [1, 3, px, px]."""
        return to_input(decode_image(image, self._bundle.input_px))

    @torch.inference_mode()
    def edge(self, image: bytes) -> Answer:
        """The local net's answer."""
        x = self.prepare(image)
        for layer in self._edge.layers:
            x = layer(x)
        return top5(x, self._bundle.local.temperature)

    @torch.inference_mode()
    def cloud(self, image: bytes, exit_name: str) -> Answer:
        """The cloud net's answer at one exit, in one forward pass."""
        return self.forward(self.prepare(image), exit_name)

    @torch.inference_mode()
    def forward(self, x: torch.Tensor, exit_name: str) -> Answer:
        """The same from a prepared input."""
        exit_ = self._exits[exit_name]
        for index in range(exit_.stage + 1):
            x = self._cloud.stages[index](x)
        return top5(self._cloud.heads[exit_name](x), exit_.temperature)
