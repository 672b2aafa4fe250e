"""Two attackers on what leaves the device: one wants the picture back, one wants to know a colour.

Both know the codec and can make as many messages as they like from pictures of their own. They
see `evidence`: a map [n, channels, side, side], the pixels behind JPEG or the values of a
features message. Against either codec they get the same trunk and the same training.

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
"""The trunk works on maps of 1/4 of the picture's side."""

MIDDLE_PX = 32
"""Side of the picture's middle, whose colour is asked for."""

View = Callable[[Tensor, torch.Generator], Tensor]
"""What the attacker sees of network inputs [n, 3, px, px], by a codec with fresh noise."""


class _Block(nn.Module):
    """Residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        y: Tensor = x + self.second(F.relu(self.first(F.relu(x))))
        return y


def _trunk(channels: int, side: int, px: int) -> nn.Sequential:
    """Evidence [n, channels, side, side] to maps [n, WIDTH, px / 4, px / 4]."""
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
    """From evidence to pixels [n, 3, px, px].

    Where the evidence is pixels already, it starts as the identity and learns a correction.
    """

    def __init__(self, channels: int, side: int, px: int) -> None:
        super().__init__()
        self._is_pixels = (channels, side) == (3, px)
        self.trunk = _trunk(channels, side, px)
        self.paint = nn.Conv2d(WIDTH, 3 * FACTOR**2, 3, padding=1)
        self.unfold = nn.PixelShuffle(FACTOR)
        if self._is_pixels:
            nn.init.zeros_(self.paint.weight)
            if self.paint.bias is not None:
                nn.init.zeros_(self.paint.bias)

    def forward(self, evidence: Tensor) -> Tensor:
        """Pixels of the pictures behind the evidence."""
        pixels: Tensor = self.unfold(self.paint(self.trunk(evidence)))
        return evidence + pixels if self._is_pixels else pixels


class Guesser(nn.Module):
    """From evidence to logits [n, values] of an attribute of the picture's middle."""

    def __init__(self, channels: int, side: int, px: int, values: int) -> None:
        super().__init__()
        self.trunk = _trunk(channels, side, px)
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.linear = nn.Linear(WIDTH * 9, values)

    def forward(self, evidence: Tensor) -> Tensor:
        """Logits of the attribute's values."""
        middle = _middle(self.trunk(evidence), 2 * MIDDLE_PX // FACTOR)
        logits: Tensor = self.linear(self.pool(middle).flatten(1))
        return logits


# --- training -------------------------------------------------------------------------------


def train_reconstructor(
    view: View,
    shape: tuple[int, int],
    images: ImageSet,
    budget: Budget,
    on_step: OnStep | None,
) -> Reconstructor:
    """Train on pictures of the attacker's own. `shape`: channels and side of the evidence."""
    torch.manual_seed(budget.seed)
    attacker = Reconstructor(*shape, images.images.shape[1])

    def loss_of(x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        guess = attacker(view(x, rng))
        return F.l1_loss(guess, x) + 0.5 * (1 - ssim(guess, x).mean())

    fit(attacker, images, budget, loss_of, on_step)
    return attacker


def train_guesser(
    view: View,
    shape: tuple[int, int],
    images: ImageSet,
    attribute: CentreColour,
    budget: Budget,
    on_step: OnStep | None,
) -> Guesser:
    """Train to tell `attribute` of a picture."""
    torch.manual_seed(budget.seed)
    attacker = Guesser(*shape, images.images.shape[1], len(attribute.names))

    def loss_of(x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        return F.cross_entropy(attacker(view(x, rng)), attribute(x))

    fit(attacker, images, budget, loss_of, on_step)
    return attacker


# --- measures -------------------------------------------------------------------------------


@dataclass(frozen=True)
class CentreColour:
    """The attribute that is attacked: the colour of the picture's middle, one of eight.

    Red, green and blue are each below or above their median over the attacker's own pictures.
    No class of the generated images depends on it; and any picture has a middle.
    """

    medians: Tensor
    """[3], of red, green and blue."""
    names = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

    @classmethod
    def of(cls, images: Pixels) -> CentreColour:
        """The attribute with the medians of these pictures, uint8 [n, px, px, 3]."""
        top, left = ((side - MIDDLE_PX) // 2 for side in images.shape[1:3])
        middle = images[:, top : top + MIDDLE_PX, left : left + MIDDLE_PX]
        return cls(_middle_colour(batch_input(middle)).median(0).values)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Index into `names`, int64 [n]."""
        above = (_middle_colour(pixels) > self.medians).long()
        return above @ torch.tensor([1, 2, 4])


def _middle_colour(pixels: Tensor) -> Tensor:
    """Mean colour [n, 3] of the picture's middle."""
    return _middle(pixels, MIDDLE_PX).mean((2, 3))


def _middle(maps: Tensor, side: int) -> Tensor:
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
    """Pixels as 0 to 1."""
    return (pixels * PIXEL_SCALE + PIXEL_MEAN) / 255
