"""The plain way to classify an image, in one process: the baseline for every overhead."""

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
    """Decode, preprocess and forward with nothing around them."""

    bundle: Bundle
    local: Piece
    stages: Sequence[Piece]
    heads: Mapping[str, Piece]

    @classmethod
    def plain(cls, bundle: Bundle) -> Reference:
        """The networks as torch runs them by itself, in float32."""
        cloud = bundle.cloud_net()
        return cls(bundle, bundle.local_net(), list(cloud.stages), dict(cloud.heads.items()))

    @classmethod
    def prepared(cls, bundle: Bundle, threads: int = 1) -> Reference:
        """The networks in the very form in which the agents of this host run them."""
        local = prepare_local(bundle, host_profile(bundle, "edge", threads).precision)
        cloud = prepare_cloud(bundle, host_profile(bundle, "cloud", threads).precision)
        return cls(bundle, local, cloud.stages, cloud.heads)

    def prepare(self, image: bytes) -> Tensor:
        """JPEG or PNG bytes to the nets' input, [1, 3, px, px]."""
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
        """The same from a prepared input."""
        last = self.bundle.exits[-1]
        for stage in self.stages:
            x = stage(x)
        return top5(self.heads[last.name](x), last.temperature)
