"""The device's half of the `features` codec: from an image to a message."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mc_models.bundle.files import CLOUD_FILE
from mc_models.bundle.load import Bundle
from mc_models.bundle.weights import build_or_fail, load_weights, ready
from mc_models.codec.feature_codec import FEATURES, load_codec
from mc_models.codec.quantise import to_codes, with_noise
from mc_models.networks.branches import BranchedNet

Piece = Callable[[Tensor], Tensor]


class FeatureEncoder:
    """Encode network input [1, 3, px, px]; `pieces` compute the projected values in order."""

    def __init__(self, pieces: Sequence[Piece], noise: float, seed: int | None = None) -> None:
        self._pieces = pieces
        self._noise = noise
        # predictable noise can be subtracted: by default the seed is a secret of the system
        self._rng = torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> bytes:
        """Return the message of one image."""
        for piece in self._pieces:
            x = piece(x)
        noisy = with_noise(x.float().cpu(), self._noise, self._rng)
        return to_codes(noisy).contiguous().numpy().tobytes()


class _FirstStages(nn.Module):
    """The part of a BranchedNet that the edge needs, its weights under the same names."""

    def __init__(self, net: BranchedNet, count: int) -> None:
        super().__init__()
        self.stages = net.stages[:count]


def load_encoder(bundle: Bundle, seed: int | None = None) -> FeatureEncoder:
    """The encoder with the networks as trained; agents run that of `prepare_encoder`.

    `seed` fixes the noise, for measurements. Raises BundleError.
    """
    codec = load_codec(bundle)
    return FeatureEncoder([*first_stages(bundle), codec.project], codec.noise, seed)


def first_stages(bundle: Bundle) -> list[nn.Module]:
    """The stages before the cut, with their weights, ready to run. Raises BundleError."""
    from mc_models.networks.fold import fold_norms
    from mc_models.networks.sets import build_cloud

    row = bundle.codec(FEATURES)
    net = build_or_fail(lambda: build_cloud(bundle.spec, len(bundle.labels)), bundle.path)
    part = _FirstStages(net, row.stage)
    load_weights(part, bundle.path / CLOUD_FILE)
    return list(ready(fold_norms(part)).stages)
