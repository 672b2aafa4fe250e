"""Plain classification of images in one process: the baseline that overheads are measured by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mc_models.bundle.load import Bundle
from mc_models.data.preprocess import decode_image, to_input
from mc_models.inference.predict import top5
from mc_models.inference.prepare import prepare_cloud, prepare_local
from mc_models.inference.profile_store import host_profile

Answer = tuple[tuple[int, float], ...]
Piece = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reference:
    """Decode, preprocess and run a network, without scheduler or agents."""

    bundle: Bundle
    local: Piece
    stages: Sequence[Piece]
    heads: Mapping[str, Piece]

    @classmethod
    def plain(cls, bundle: Bundle) -> Reference:
        """The networks with torch's own layers, in float32."""
        cloud = bundle.cloud_net()
        return cls(bundle, bundle.local_net(), list(cloud.stages), dict(cloud.heads.items()))

    @classmethod
    def prepared(cls, bundle: Bundle, threads: int = 1) -> Reference:
        """The networks in the form in which the agents run them on this host."""
        local = prepare_local(bundle, host_profile(bundle, "edge", threads).precision)
        cloud = prepare_cloud(bundle, host_profile(bundle, "cloud", threads).precision)
        return cls(bundle, local, cloud.stages, cloud.heads)

    def prepare(self, image: bytes) -> Tensor:
        """Network input [1, 3, px, px] of JPEG or PNG bytes."""
        return to_input(decode_image(image, self.bundle.input_px))

    @torch.inference_mode()
    def edge(self, image: bytes) -> Answer:
        """The local net's answer."""
        return top5(self.local(self.prepare(image)), self.bundle.local.temperature)

    @torch.inference_mode()
    def cloud(self, image: bytes) -> Answer:
        """The cloud net's answer at its last exit, in one forward pass."""
        return self.forward(self.prepare(image))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Answer:
        """The cloud net's answer for network input."""
        last = self.bundle.exits[-1]
        for stage in self.stages:
            x = stage(x)
        return top5(self.heads[last.name](x), last.temperature)
