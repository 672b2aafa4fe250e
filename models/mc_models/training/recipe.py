"""The options of a training run, and the defaults that follow from the data.

Defaults are budgets: the number of images that a network sees, at small size and then at full
size. Epochs are the budget divided by the number of training images, so that training takes about
as long on a small folder as on a large one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mc_models.networks.net_spec import NetSpec
from mc_models.networks.sets import SETS
from mc_models.training.schedule import Phase, Strategy, TrainConfig

GENERATED = "generated"
_LEAST_EPOCHS, _MOST_EPOCHS = 2, 80


@dataclass(frozen=True)
class Budget:
    """Numbers of images to train on, small (if the net accepts it) and full-size, and the rate."""

    small: int
    full: int
    peak_lr: float = 2e-3


# (set, part), for generated images; `shipped` has the recipes of the shipped bundles
GENERATED_BUDGETS: dict[tuple[str, str], Budget] = {
    ("a", "edge"): Budget(32_000, 8_000),
    ("a", "cloud"): Budget(64_000, 8_000, 3e-3),
    ("b", "edge"): Budget(48_000, 6_000),
    ("b", "cloud"): Budget(144_000, 8_000),
}
# for folders: set A takes less than ten minutes on two cores
FOLDER_BUDGETS: dict[tuple[str, str], Budget] = {
    ("a", "edge"): Budget(10_000, 1_500),
    ("a", "cloud"): Budget(12_000, 1_500, 3e-3),
    ("b", "edge"): Budget(30_000, 3_000),
    ("b", "cloud"): Budget(20_000, 3_000),
}


@dataclass(frozen=True)
class Recipe:
    """The options that, with the images, determine the trained networks.

    Epochs of None follow from the budget. `backbone` is a file with torchvision's weights for the
    cloud net, which then has its published width unless `cloud_width` is given.
    """

    set_name: str = "a"
    data: str = GENERATED
    train_count: int = 16_000
    val_count: int = 1000
    test_count: int = 2000
    seed: int = 0
    strategy: Strategy = "joint"
    local_epochs: float | None = None
    cloud_epochs: float | None = None
    full_epochs: float | None = None
    cloud: str | None = None
    cloud_width: float | None = None
    exits: int | None = None
    backbone: str | None = None
    mirror: bool = True
    threads: int = 2

    def spec(self) -> NetSpec:
        """The networks to train: those of the set, with this recipe's changes."""
        spec = SETS[self.set_name]
        published = self.backbone is not None or self.cloud is not None
        width = self.cloud_width or (1.0 if published else spec.cloud_width)
        return replace(
            spec,
            cloud=self.cloud or spec.cloud,
            cloud_width=width,
            exits=self.exits or spec.exits,
        )

    def backbone_file(self) -> Path | None:
        """`backbone` as a path."""
        return None if self.backbone is None else Path(self.backbone)

    def config(self, part: str, count: int, any_size: bool = True) -> TrainConfig:
        """The training of `part` ("edge" or "cloud") on `count` images.

        `any_size` is True if the net accepts images of other sizes than its own.
        """
        budgets = GENERATED_BUDGETS if self.data == GENERATED else FOLDER_BUDGETS
        budget = budgets[self.set_name, part]
        chosen = self.local_epochs if part == "edge" else self.cloud_epochs
        small = _epochs(budget.small, count) if chosen is None else chosen
        full = _epochs(budget.full, count, 0.5) if self.full_epochs is None else self.full_epochs
        phases = (*self._small_phases(small, any_size), Phase(self.spec().input_px, full))
        phases = tuple(phase for phase in phases if phase.epochs > 0)
        if not phases:
            raise ValueError(f"0 epochs in all for the {part} net; set a number above 0")
        return TrainConfig(
            phases=phases,
            peak_lr=budget.peak_lr,
            strategy=self.strategy,
            mirror=self.mirror,
            seed=self.seed,
        )

    def _small_phases(self, epochs: float, any_size: bool) -> tuple[Phase, ...]:
        """The phases before the last: crops for generated images, whose object is central."""
        px = self.spec().input_px
        if self.data == GENERATED:
            return (Phase(px // 2, epochs, "crop") if any_size else Phase(px, epochs),)
        if not any_size:
            return (Phase(px, epochs, "zoom"),)
        sizes = (round(px * 3 / 7), round(px * 5 / 7))  # 96 and 160 of 224
        return tuple(Phase(size, epochs / len(sizes), "zoom") for size in sizes)


def _epochs(images: int, count: int, least: float = _LEAST_EPOCHS) -> float:
    """The number of epochs of `count` images that show about `images` in all."""
    return round(min(_MOST_EPOCHS, max(least, images / count)), 2)
