"""Two attacks on what leaves the device: image reconstruction and attribute inference.

Both attackers know the codec and can make any number of messages from images of their own. They
see `evidence`, a map [n, channels, side, side]: the pixels behind JPEG, or the values of a
features message. They use the same trunk and the same training against either codec.

Pixels are in units of the networks' input, about -2 to 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import PIXEL_MEAN, PIXEL_SCALE, Pixels, batch_input
from mc_models.progress import OnStep
from mc_models.training.fit import Budget, fit

WIDTH = 64
BLOCKS = 3
FACTOR = 4
"""The trunk works on maps with 1/4 of the image's side."""

CENTRE_PX = 32
"""Side of the image's centre, whose colour is the attribute."""

View = Callable[[Tensor, torch.Generator], Tensor]
"""Evidence of network inputs [n, 3, px, px] through a codec; the generator makes its noise."""


class _Block(nn.Module):
    """Residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x to a tensor of its shape."""
        y: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return y


def _trunk(channels: int, side: int, px: int) -> nn.Sequential:
    """Network from evidence [n, channels, side, side] to maps [n, WIDTH, px / 4, px / 4]."""
    scale = px // FACTOR / side
    if scale >= 1:
        entry: list[nn.Module] = [
            nn.Conv2d(channels, WIDTH * round(scale) ** 2, 3, padding=1),
            nn.PixelShuffle(round(scale)),
        ]
    else:
        shrink = round(1 / scale)
        entry = [nn.PixelUnshuffle(shrink), nn.Conv2d(channels * shrink**2, WIDTH, 3, padding=1)]
    return nn.Sequential(*entry, *(_Block(WIDTH) for _ in range(BLOCKS)))


class Reconstructor(nn.Module):
    """Reconstruction attack: from evidence to pixels [n, 3, px, px].

    If the evidence is pixels already, the network starts as the identity and learns a correction.
    """

    def __init__(self, channels: int, side: int, px: int) -> None:
        super().__init__()
        self._is_pixels = (channels, side) == (3, px)
        self.trunk = _trunk(channels, side, px)
        self.to_pixels = nn.Conv2d(WIDTH, 3 * FACTOR**2, 3, padding=1)
        self.unfold = nn.PixelShuffle(FACTOR)
        if self._is_pixels:
            nn.init.zeros_(self.to_pixels.weight)
            if self.to_pixels.bias is not None:
                nn.init.zeros_(self.to_pixels.bias)

    def forward(self, evidence: Tensor) -> Tensor:
        """Reconstructed pixels [n, 3, px, px]."""
        pixels: Tensor = self.unfold(self.to_pixels(self.trunk(evidence)))
        return evidence + pixels if self._is_pixels else pixels


class AttributeInference(nn.Module):
    """Attribute inference attack: from evidence to logits [n, values] of the centre's attribute."""

    def __init__(self, channels: int, side: int, px: int, values: int) -> None:
        super().__init__()
        self.trunk = _trunk(channels, side, px)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.linear = nn.Linear(WIDTH * 9, values)

    def forward(self, evidence: Tensor) -> Tensor:
        """Logits of the attribute's values."""
        centre = _centre(self.trunk(evidence), 2 * CENTRE_PX // FACTOR)
        logits: Tensor = self.linear(self.pool(centre).flatten(1))
        return logits


# --- training -------------------------------------------------------------------------------


def train_reconstructor(
    view: View,
    shape: tuple[int, int],
    images: ImageSet,
    budget: Budget,
    on_step: OnStep | None,
) -> Reconstructor:
    """Train on images of the attacker's own; `shape` is (channels, side) of the evidence."""
    torch.manual_seed(budget.seed)
    attacker = Reconstructor(*shape, images.images.shape[1])

    def loss_of(x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        reconstructed = attacker(view(x, rng))
        return F.l1_loss(reconstructed, x) + 0.5 * (1 - ssim(reconstructed, x).mean())

    fit(attacker, images, budget, loss_of, on_step)
    return attacker


def train_attribute_inference(
    view: View,
    shape: tuple[int, int],
    images: ImageSet,
    attribute: CentreColour,
    budget: Budget,
    on_step: OnStep | None,
) -> AttributeInference:
    """Train to infer `attribute` from the evidence."""
    torch.manual_seed(budget.seed)
    attacker = AttributeInference(*shape, images.images.shape[1], len(attribute.names))

    def loss_of(x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        return F.cross_entropy(attacker(view(x, rng)), attribute(x))

    fit(attacker, images, budget, loss_of, on_step)
    return attacker


# --- measures -------------------------------------------------------------------------------


@dataclass(frozen=True)
class CentreColour:
    """The attribute to infer: the colour of the image's centre, one of eight.

    Red, green and blue are each below or above their median over the attacker's own images. The
    classes of the generated images are independent of it, and every image has a centre.
    """

    medians: Tensor
    """[3], of red, green and blue."""
    names = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

    @classmethod
    def of(cls, images: Pixels) -> CentreColour:
        """The attribute with the medians of these images, uint8 [n, px, px, 3]."""
        top, left = ((side - CENTRE_PX) // 2 for side in images.shape[1:3])
        centre = images[:, top : top + CENTRE_PX, left : left + CENTRE_PX]
        return cls(_centre_colour(batch_input(centre)).median(0).values)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Index into `names`, int64 [n]."""
        above = (_centre_colour(pixels) > self.medians).long()
        return above @ torch.tensor([1, 2, 4])


def _centre_colour(pixels: Tensor) -> Tensor:
    """Mean colour [n, 3] of the image's centre."""
    return _centre(pixels, CENTRE_PX).mean((2, 3))


def _centre(maps: Tensor, side: int) -> Tensor:
    """The central `side` x `side` cells of maps [n, channels, h, w]."""
    top, left = ((n - side) // 2 for n in maps.shape[-2:])
    return maps[:, :, top : top + side, left : left + side]


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), [n], of pixels [n, 3, px, px]."""
    value = structural_similarity_index_measure(
        _unit(first), _unit(second), data_range=1.0, reduction="none"
    )
    assert isinstance(value, Tensor)
    return value


def psnr_db(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, [n], of pixels [n, 3, px, px]."""
    return peak_signal_noise_ratio(
        _unit(first), _unit(second), data_range=1.0, dim=(1, 2, 3), reduction="none"
    )


def _unit(pixels: Tensor) -> Tensor:
    """Pixels scaled to 0..1."""
    return (pixels * PIXEL_SCALE + PIXEL_MEAN) / 255
