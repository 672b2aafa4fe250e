"""Prepare a bundle's networks for inference on this host, in the form in which the agents run them.

A prepared network consists of the pieces between which an agent decides: the layers of the local
net; the stages and heads of the cloud net; for the features codec, the edge's first stages and
projection, and the cloud's restoration. Each piece is rewritten by `fuse`, channels_last, in one
precision, and optimised for the device (`pieces`).

Precision `auto` is resolved by measurement (`profile_store.host_profile`): reduced precision is
chosen only if it is faster, so a CPU that emulates bfloat16 stays with float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mc_models.bundle.load import Bundle
from mc_models.codec.decoder import FeatureDecoder
from mc_models.codec.encoder import FeatureEncoder, first_stages
from mc_models.codec.feature_codec import FEATURES, FeatureCodec, load_codec
from mc_models.inference.devices import Device, Precision, host_device
from mc_models.inference.pieces import Piece, PiecePreparer


@dataclass(frozen=True)
class PreparedLocal:
    """The local net: layers in order; float32 images in, float32 logits out."""

    layers: tuple[Piece, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, 3, px, px]."""
        for layer in self.layers:
            x = layer(x)
        return x


@dataclass(frozen=True)
class PreparedCloud:
    """The cloud net: stages take the previous stage's output, in any precision; heads by exit.

    Stages and heads take batches: rows [n, ...] of n images.
    """

    stages: tuple[Piece, ...]
    heads: Mapping[str, Piece]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of the last exit for images [n, 3, px, px]."""
        for stage in self.stages:
            x = stage(x)
        return [*self.heads.values()][-1](x)

    def forward_all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every exit, in forward order."""
        logits = {}
        for stage, (name, head) in zip(self.stages, self.heads.items(), strict=True):
            x = stage(x)
            logits[name] = head(x)
        return logits


@torch.inference_mode()
def prepare_local(
    bundle: Bundle, precision: Precision = "float32", device: Device | None = None
) -> PreparedLocal:
    """Prepare the local net in `precision` for torch's present number of threads."""
    device = device or host_device()
    preparer, after_logits = PiecePreparer(precision, device), PiecePreparer("float32", device)
    net = bundle.local_net()
    last = max(i for i, layer in enumerate(net.layers) if _has_weights(layer))
    x = preparer.sample(bundle.input_px)
    layers: list[Piece] = []
    for index, layer in enumerate(net.layers):
        own = preparer if index <= last else after_logits
        piece, x = own.prepare(layer, x, gives_logits=index == last)
        layers.append(own.entrance(piece) if index == 0 else piece)
    return PreparedLocal(tuple(layers))


@torch.inference_mode()
def prepare_cloud(
    bundle: Bundle,
    precision: Precision = "float32",
    device: Device | None = None,
    batch_sizes: Sequence[int] = (1,),
) -> PreparedCloud:
    """Prepare the cloud net in `precision` for torch's present number of threads.

    The net takes batches of any size. On a GPU it has CUDA graphs for `batch_sizes` and pads other
    batches up to the next one.
    """
    preparer = PiecePreparer(precision, device or host_device(), batch_sizes)
    net = bundle.cloud_net()
    x = preparer.sample(bundle.input_px)
    stages, heads = [], {}
    for name, stage in zip(net.exit_names, net.stages, strict=True):
        piece, x = preparer.prepare(stage, x)
        stages.append(preparer.entrance(piece))
        heads[name], _ = preparer.prepare(net.heads[name], x, gives_logits=True)
    return PreparedCloud(tuple(stages), heads)


@torch.inference_mode()
def prepare_encoder(
    bundle: Bundle,
    precision: Precision = "float32",
    device: Device | None = None,
    seed: int | None = None,
) -> FeatureEncoder:
    """Prepare the edge's half of the features codec; the projected values are float32.

    `seed` fixes the noise, for measurements. Raises BundleError.
    """
    preparer = PiecePreparer(precision, device or host_device())
    codec = load_codec(bundle)
    x = preparer.sample(bundle.input_px)
    pieces = []
    for stage in first_stages(bundle):
        piece, x = preparer.prepare(stage, x)
        pieces.append(piece)
    project, _ = preparer.prepare(codec.project, x, gives_logits=True)
    return FeatureEncoder([preparer.entrance(pieces[0]), *pieces[1:], project], codec.noise, seed)


@torch.inference_mode()
def prepare_decoder(
    bundle: Bundle, precision: Precision = "float32", device: Device | None = None
) -> FeatureDecoder:
    """Prepare the cloud's half of the features codec. Raises BundleError."""
    preparer = PiecePreparer(precision, device or host_device())
    row = bundle.codec(FEATURES)
    values = preparer.normal(row.channels, row.side)  # a message's values are nearly normal
    receive, _ = preparer.prepare(_Receive(load_codec(bundle)), values)
    return FeatureDecoder(preparer.entrance(receive), row)


class _Receive(nn.Module):
    """A codec's `receive` as a module, since `fuse` rewrites modules."""

    def __init__(self, codec: FeatureCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, values: Tensor) -> Tensor:
        return self.codec.receive(values)


def _has_weights(module: nn.Module) -> bool:
    return any(isinstance(layer, nn.Conv2d | nn.Linear) for layer in module.modules())
