"""The `features` codec: noisy features leave the device instead of the image.

After Osia et al. 2020 (arXiv 1703.02952), a hybrid of two sites: the edge runs the first stages
of the cloud net and sends a small noisy projection of their output; the cloud restores the
activation and continues with the stage behind the cut.

    edge    pixels -> stages before the cut -> project -> clip -> + noise -> clip -> 8 bits
    cloud   8 bits -> restore -> stages behind the cut -> exits

Every message has the same size, so its length reveals nothing about the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mc_models.bundle.files import CODEC_FILE
from mc_models.bundle.load import Bundle
from mc_models.bundle.weights import load_weights, ready
from mc_models.codec.quantise import nearest_levels, with_noise

FEATURES = "features"
_HIDDEN = 48


class FeatureCodec(nn.Module):
    """Both halves of the codec for an activation [n, channels_in, side_in, side_in].

    `project` is one strided convolution: each patch of `step` x `step` cells becomes one cell of
    `channels` numbers. `restore` is its transpose plus a correction that looks at neighbours.
    """

    def __init__(self, channels_in: int, channels: int, step: int, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.project = nn.Conv2d(channels_in, channels, step, stride=step)
        self.restore = nn.ConvTranspose2d(channels, channels_in, step, stride=step)
        last = nn.ConvTranspose2d(_HIDDEN, channels_in, step, stride=step)
        self.correct = nn.Sequential(
            nn.Conv2d(channels, _HIDDEN, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_HIDDEN, _HIDDEN, 3, padding=1),
            nn.ReLU(),
            last,
        )
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def send(self, activation: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Message values float [n, channels, side, side] in +-LIMIT: noisy, on 256 levels."""
        return self.noisy(self.project(activation), rng)

    def noisy(self, projected: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Message values of projected values; the gradient passes through the rounding."""
        values = with_noise(projected, self.noise, rng)
        return values + (nearest_levels(values) - values).detach()

    def receive(self, values: Tensor) -> Tensor:
        """Activation [n, channels_in, side_in, side_in] restored from message values."""
        return F.relu(self.restore(values) + self.correct(values))

    def forward(self, activation: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The activation that the cloud restores when the edge computed `activation`."""
        return self.receive(self.send(activation, rng))


def load_codec(bundle: Bundle) -> FeatureCodec:
    """A bundle's codec with its weights, ready to run. Raises BundleError."""
    row = bundle.codec(FEATURES)
    codec = FeatureCodec(row.channels_in, row.channels, row.step, row.noise)
    load_weights(codec, bundle.path / CODEC_FILE)
    return ready(codec)
