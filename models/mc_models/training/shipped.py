"""The recipes of the shipped bundles: every stage of their training, in order.

A recipe holds all its numbers itself, so that a later change of the defaults in `recipe` or
`codec` does not change how a shipped bundle is remade. `remake` runs the stages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mc_models.networks.net_spec import NetSpec
from mc_models.networks.sets import SETS
from mc_models.training.codec import CodecConfig
from mc_models.training.fit import Budget
from mc_models.training.schedule import Phase, TrainConfig


@dataclass(frozen=True)
class NetStage:
    """One training run of the local net or the cloud net; `name` also names its checkpoint."""

    name: str
    part: str
    """"edge" or "cloud"."""
    spec: NetSpec
    images: int
    """Number of generated training images, the first of the split."""
    config: TrainConfig
    continues: str = ""
    """Name of an earlier stage: continue its run, weights, optimiser and step included."""
    trunk_from: str = ""
    """Name of an earlier stage: start with its trunk, cut anew, and with fresh heads."""


@dataclass(frozen=True)
class ShippedRecipe:
    """The stages that made one shipped bundle. The last stage of each part goes into it."""

    name: str
    nets: tuple[NetStage, ...]
    codec: CodecConfig
    codec_images: int
    validation_images: int = 1000
    test_images: int = 2000
    seed: int = 0
    """Seed of the images, the initial weights and the order of training."""
    not_recorded: tuple[str, ...] = ()
    """Choices of the original run that no record states, and what is assumed for each."""

    def last(self, part: str) -> NetStage:
        """The stage whose net of `part` goes into the bundle."""
        return [stage for stage in self.nets if stage.part == part][-1]

    def stage(self, name: str) -> NetStage:
        """A net's stage by its name."""
        return next(stage for stage in self.nets if stage.name == name)


def _crops_then_frames(crop_epochs: float, full_epochs: float, peak_lr: float) -> TrainConfig:
    """Epochs of 112-pixel crops, then epochs of full 224-pixel frames."""
    phases = (Phase(112, crop_epochs, "crop"), Phase(224, full_epochs))
    return TrainConfig(phases=phases, peak_lr=peak_lr)


_A, _B = SETS["a"], SETS["b"]
_B_SIX_EXITS = replace(_B, exits=6)

SHIPPED: dict[str, ShippedRecipe] = {
    "set-a": ShippedRecipe(
        name="set-a",
        nets=(
            # CaffeNet takes full frames only. 48,000 images would bring it to 98.0% of top-5,
            # which leaves the cloud nothing to add; these 24,000 bring it to 89.7%.
            NetStage("local", "edge", _A, 8000, TrainConfig((Phase(224, 2), Phase(224, 1)),
                                                            peak_lr=2e-3)),
            NetStage("cloud", "cloud", _A, 8000, _crops_then_frames(8, 1, 3e-3)),
        ),
        codec=CodecConfig(task_weight=0.3, rate_weight=2.5,
                          budget=Budget(steps=1800, full_steps=225)),
        codec_images=8000,
    ),
    "set-b": ShippedRecipe(
        name="set-b",
        nets=(
            NetStage("local", "edge", _B, 16_000, _crops_then_frames(3, 0.5, 2e-3)),
            NetStage("cloud, six exits", "cloud", _B_SIX_EXITS, 16_000,
                     _crops_then_frames(4, 0.5, 2e-3)),
            NetStage("cloud, six exits, continued", "cloud", _B_SIX_EXITS, 16_000,
                     _crops_then_frames(9, 0.5, 2e-3), continues="cloud, six exits"),
            # the first of six exits was within 11 points of the last, so the trunk was cut again
            NetStage("cloud, eight exits", "cloud", _B, 8000, _crops_then_frames(3, 0.6, 2e-3),
                     trunk_from="cloud, six exits, continued"),
        ),
        codec=CodecConfig(task_weight=0.3, rate_weight=1.0,
                          budget=Budget(steps=1200, full_steps=150)),
        codec_images=8000,
        not_recorded=(
            "which 8,000 of the 16,000 images the eight-exit stage saw: the first 8,000 are used",
            "whether the last head was kept when the trunk was cut again: all heads start fresh",
            "how many of the codec's 1,200 steps saw full frames: 150, the default then",
        ),
    ),
}  # fmt: skip
