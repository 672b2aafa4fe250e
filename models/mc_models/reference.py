"""The plain way to classify an image, in one process: the baseline for every overhead."""

from __future__ import annotations

import torch

from mc_models.bundle import Bundle
from mc_models.predict import top5
from mc_models.preprocess import decode_image, to_input
from mc_models.profile_store import host_profile
from mc_models.runtime import prepare_cloud, prepare_local

Answer = tuple[tuple[int, float], ...]


class Reference:
    """Decode, preprocess and forward with nothing around them, in the agents' precision."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self._bundle = bundle
        self._edge = prepare_local(bundle, host_profile(bundle, "edge", threads).precision)
        self._cloud = prepare_cloud(bundle, host_profile(bundle, "cloud", threads).precision)
        self._exits = {row.name: row for row in bundle.exits}

    def prepare(self, image: bytes) -> torch.Tensor:
        """JPEG or PNG bytes to the nets' input, [1, 3, px, px]."""
        return to_input(decode_image(image, self._bundle.input_px))

    @torch.inference_mode()
    def edge(self, image: bytes) -> Answer:
        """The local net's answer."""
        return top5(self._edge(self.prepare(image)), self._bundle.local.temperature)

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
