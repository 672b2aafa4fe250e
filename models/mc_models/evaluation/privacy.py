"""Measure privacy: attack what leaves the device, jpeg and features, with the same attackers.

The originals are decoded camera frames. A blind attacker, who sees no message and answers with the
mean of the attackers' own images, is the lower end of the similarity scales.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mc_models.bundle.load import Bundle
from mc_models.codec.cut import before_cut
from mc_models.codec.feature_codec import FEATURES, load_codec
from mc_models.data.image_sets import ImageSet, generated_set, split_folder
from mc_models.data.preprocess import (
    PIXEL_MEAN,
    PIXEL_SCALE,
    Pixels,
    batch_input,
    encode_jpeg,
    through_jpeg,
)
from mc_models.evaluation.attackers import (
    CentreColour,
    View,
    psnr_db,
    ssim,
    train_attribute_inference,
    train_reconstructor,
)
from mc_models.progress import OnStageProgress
from mc_models.training.fit import Budget

JPEG = "jpeg"
SHOWN = 6
"""Number of test images whose reconstructions are kept for the contact sheet."""
_BATCH = 20

_RECONSTRUCT = Budget(steps=600, batch=16, peak_lr=2e-3, seed=1)
_INFER = Budget(steps=300, batch=32, peak_lr=2e-3, seed=2)


@dataclass(frozen=True)
class Attack:
    """Number of images and training of the attackers, the same against each codec."""

    own_count: int = 2000
    """Number of the attackers' own images if they are generated."""
    test_count: int = 200
    reconstruct: Budget = _RECONSTRUCT
    infer: Budget = _INFER


@dataclass(frozen=True)
class CodecPrivacy:
    """One codec: the size of its messages and the success of the attacks.

    PSNR and SSIM compare the reconstructions with the originals; accuracies are in [0, 1].
    """

    codec: str
    mean_bytes: float
    psnr_db: float
    ssim: float
    attribute_accuracy: float
    top5: float
    """Accuracy of the last exit, from the bundle's table."""
    reconstructions: Pixels
    """Reconstructions of the first test images, uint8 [SHOWN, px, px, 3]."""


@dataclass(frozen=True)
class PrivacyReport:
    """Both codecs under the same attack, measured on `images` test images."""

    bundle: str
    images: int
    blind_psnr_db: float
    blind_ssim: float
    """Similarity of the mean of the attackers' own images to the originals."""
    attribute: str
    blind_attribute_accuracy: float
    """Share of the attribute's most frequent value: the accuracy of always guessing it."""
    originals: Pixels
    rows: tuple[CodecPrivacy, ...]


def attack_images(
    bundle: Bundle, folder: ImageSet | None, attack: Attack, seed: int, on_progress: OnStageProgress
) -> tuple[ImageSet, ImageSet]:
    """The attackers' own images and the test images.

    They are a random split of `folder` by `seed`, or generated images if `folder` is None.
    """
    if folder is not None:
        parts = split_folder(folder, seed)
        return parts["train"], parts["test"]

    def generated(split: Literal["train", "test"], count: int) -> ImageSet:
        stage = f"render {split} images"
        return generated_set(
            split,
            count,
            seed,
            bundle.input_px,
            lambda d, n: on_progress(stage, d, n, None),
            jpeg=True,
        )

    return generated("train", attack.own_count), generated("test", attack.test_count)


def measure_privacy(
    bundle: Bundle, own: ImageSet, test: ImageSet, attack: Attack, on_progress: OnStageProgress
) -> PrivacyReport:
    """Train both attackers against both codecs on `own` and measure them on `test`.

    Raises BundleError for a bundle without a features codec.
    """
    row = bundle.codec(FEATURES)
    attribute = CentreColour.of(own.images)
    originals = batch_input(test.images)
    values = attribute(originals)
    mean = batch_input(own.images.mean(0, keepdims=True).round().astype(np.uint8))
    mean = mean.expand_as(originals).contiguous()
    targets = (
        _Target(JPEG, _jpeg_view, (3, bundle.input_px), _jpeg_bytes(test)),
        _Target(FEATURES, _features_view(bundle), (row.channels, row.side), row.message_bytes),
    )
    rows = tuple(
        _attack(
            target, bundle.exits[-1].top5[target.codec], own, test, attribute, attack, on_progress
        )
        for target in targets
    )
    return PrivacyReport(
        bundle=bundle.name,
        images=len(test),
        blind_psnr_db=psnr_db(mean, originals).mean().item(),
        blind_ssim=ssim(mean, originals).mean().item(),
        attribute="colour of the centre",
        blind_attribute_accuracy=values.bincount().max().item() / len(values),
        originals=test.images[:SHOWN],
        rows=rows,
    )


# --- the evidence -----------------------------------------------------------------


@dataclass(frozen=True)
class _Target:
    """A codec under attack; its evidence has `shape` (channels, side)."""

    codec: str
    view: View
    shape: tuple[int, int]
    mean_bytes: float


def _jpeg_view(x: Tensor, rng: torch.Generator) -> Tensor:
    return batch_input(through_jpeg(to_pixels(x)))


def _features_view(bundle: Bundle) -> View:
    net, codec, stage = bundle.cloud_net(), load_codec(bundle), bundle.codec(FEATURES).stage

    @torch.no_grad()
    def view(x: Tensor, rng: torch.Generator) -> Tensor:
        return codec.send(before_cut(net, stage, x), rng)

    return view


def _jpeg_bytes(test: ImageSet) -> float:
    return float(np.mean([len(encode_jpeg(image)) for image in test.images]))


def to_pixels(x: Tensor) -> Pixels:
    """Pixels uint8 [n, px, px, 3] from network inputs [n, 3, px, px]."""
    levels = (x * PIXEL_SCALE + PIXEL_MEAN).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().numpy()


# --- the attack -----------------------------------------------------------------------------


def _attack(
    target: _Target,
    top5: float,
    own: ImageSet,
    test: ImageSet,
    attribute: CentreColour,
    attack: Attack,
    on_progress: OnStageProgress,
) -> CodecPrivacy:
    def stage(name: str) -> Callable[[int, int, float], None]:
        return lambda done, total, loss: on_progress(f"{name}, {target.codec}", done, total, loss)

    reconstructor = train_reconstructor(
        target.view, target.shape, own, attack.reconstruct, stage("train reconstruction")
    )
    inference = train_attribute_inference(
        target.view, target.shape, own, attribute, attack.infer, stage("train attribute inference")
    )
    similarity, ratio_db, right, shown = [], [], [], []
    for x, evidence in _evidence(target, test):
        reconstructed = reconstructor(evidence).clamp(*_BLACK_WHITE)
        similarity.append(ssim(reconstructed, x))
        ratio_db.append(psnr_db(reconstructed, x))
        right.append(inference(evidence).argmax(1) == attribute(x))
        shown.append(to_pixels(reconstructed))
    return CodecPrivacy(
        codec=target.codec,
        mean_bytes=target.mean_bytes,
        psnr_db=torch.cat(ratio_db).mean().item(),
        ssim=torch.cat(similarity).mean().item(),
        attribute_accuracy=torch.cat(right).float().mean().item(),
        top5=top5,
        reconstructions=np.concatenate(shown)[:SHOWN],
    )


def _evidence(target: _Target, test: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    """Originals as network input, and the attackers' evidence, batch by batch."""
    rng = torch.Generator().manual_seed(0)
    for start in range(0, len(test), _BATCH):
        x = batch_input(test.images[start : start + _BATCH])
        yield x, target.view(x, rng)


_BLACK_WHITE = (-PIXEL_MEAN / PIXEL_SCALE, (255 - PIXEL_MEAN) / PIXEL_SCALE)
