"""`mc-sched train` without the command line: data, both networks, calibration, bundle.

The two networks are independent, so two processes may train one each (`parts`) into the same
folder; whoever finds both finished writes the bundle. Checkpoints lie in OUT.work beside the
bundle, and a second start goes on from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from mc_models.add_codec import add_codec
from mc_models.assemble import save_bundle
from mc_models.bundle import Bundle, load_bundle
from mc_models.data import DataError, ImageSet, folder_set, generated_set, split_folder
from mc_models.sets import SETS, NetSpec, build_cloud, build_local
from mc_models.train import Net, Plan, Progress, Strategy, TrainConfig, train
from mc_models.train_codec import CodecConfig

PARTS = ("edge", "cloud")
# (stage of the work, done, total, loss or None)
Report = Callable[[str, int, int, float | None], None]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out, beside the data."""

    set_name: str = "a"
    data: str = "generated"
    train_count: int = 8000
    val_count: int = 1000
    test_count: int = 2000
    seed: int = 0
    strategy: Strategy = "joint"
    local_epochs: int = 4
    cloud_epochs: int = 8
    full_epochs: float = 1.0
    threads: int = 2

    def spec(self) -> NetSpec:
        """The networks of the set."""
        return SETS[self.set_name]

    def config(self, part: str) -> TrainConfig:
        """How `part` ("edge" or "cloud") trains.

        The local net always sees the full frame: its first hidden layer is tied to places.
        """
        if part == "edge":
            return TrainConfig(
                epochs=self.local_epochs, full_epochs=0, crop_px=0, peak_lr=2e-3, seed=self.seed
            )
        # crops are for generated images only, whose object is known to be near the centre
        crop_px = 112 if self.data == "generated" else 0
        return TrainConfig(
            epochs=self.cloud_epochs,
            full_epochs=self.full_epochs,
            crop_px=crop_px,
            strategy=self.strategy,
            seed=self.seed,
        )


def train_bundle(
    out: Path, recipe: Recipe, parts: tuple[str, ...] = PARTS, report: Report | None = None
) -> Bundle | None:
    """Train `parts` and, once both networks are finished, write the bundle to `out`.

    None if the other part is not finished yet. Raises DataError.
    """
    torch.set_num_threads(recipe.threads)
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    sets = load_sets(recipe, ("train",), report)
    for part in parts:
        _train_part(part, work, recipe, sets["train"], report)
    finished = [_is_finished(part, work, recipe, sets["train"]) for part in PARTS]
    return assemble(out, recipe, report) if all(finished) else None


def load_sets(
    recipe: Recipe, wanted: tuple[str, ...], report: Report | None = None
) -> dict[str, ImageSet]:
    """The image sets named in `wanted` (train, val, test)."""
    px = recipe.spec().input_px
    if recipe.data != "generated":
        found = folder_set(Path(recipe.data), px, _stage(report, "read images"))
        if found.unreadable and report is not None:
            report(f"{len(found.unreadable)} unreadable files left out", 1, 1, None)
        parts = split_folder(found, recipe.seed)
        return {name: parts[name] for name in wanted}
    counts = {"train": recipe.train_count, "val": recipe.val_count, "test": recipe.test_count}
    return {
        name: generated_set(
            name,  # type: ignore[arg-type]
            counts[name],
            recipe.seed,
            px,
            _stage(report, f"render {name} images"),
        )
        for name in wanted
    }


def _build(part: str, recipe: Recipe, classes: int) -> Net:
    torch.manual_seed(recipe.seed)
    if part == "edge":
        return build_local(recipe.spec(), classes, norm=True)
    return build_cloud(recipe.spec(), classes)


def _train_part(
    part: str, work: Path, recipe: Recipe, images: ImageSet, report: Report | None
) -> None:
    _check_recipe(work / f"{part}.json", recipe)
    net = _build(part, recipe, len(images.class_names))
    name = {"edge": "train local net", "cloud": "train cloud net"}[part]

    def on_step(progress: Progress) -> None:
        if report is not None:
            report(name, progress.step, progress.steps, progress.loss)

    train(net, images, recipe.config(part), work / f"{part}.pt", on_step)


def _check_recipe(file: Path, recipe: Recipe) -> None:
    """Refuse to go on from the checkpoint of another recipe; epochs may change."""
    lasting = asdict(replace(recipe, local_epochs=0, cloud_epochs=0, full_epochs=0, threads=0))
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != lasting:
        raise DataError(
            f"{file.parent} holds checkpoints of other options; remove it or choose another --out"
        )
    file.write_text(json.dumps(lasting), encoding="utf-8")


def _is_finished(part: str, work: Path, recipe: Recipe, images: ImageSet) -> bool:
    file = work / f"{part}.pt"
    if not file.exists():
        return False
    done = int(torch.load(file, weights_only=True)["step"])
    return done >= Plan.of(recipe.config(part), len(images)).steps


def assemble(out: Path, recipe: Recipe, report: Report | None = None) -> Bundle:
    """Calibrate, measure and write the bundle from the checkpoints as they are."""
    work = out.with_name(out.name + ".work")
    sets = load_sets(recipe, ("val", "test"), report)
    nets: dict[str, Net] = {}
    for part in PARTS:
        nets[part] = _build(part, recipe, len(sets["test"].class_names))
        nets[part].load_state_dict(torch.load(work / f"{part}.pt", weights_only=True)["net"])
    return save_bundle(
        out,
        out.name,
        recipe.spec(),
        nets["edge"],  # type: ignore[arg-type]
        nets["cloud"],  # type: ignore[arg-type]
        sets["val"],
        sets["test"],
        _origin(recipe, len(sets["test"])),
        lambda part, done, total: report and report(f"measure on {part} images", done, total, None),
    )


def train_codec_part(
    out: Path, recipe: Recipe, config: CodecConfig, report: Report | None = None
) -> Bundle:
    """The last part: make the features codec of the bundle at `out` and put it in.

    Nothing else in the bundle changes. Raises BundleError, DataError.
    """
    torch.set_num_threads(recipe.threads)
    bundle = load_bundle(out.resolve())  # never a shipped one by its name
    sets = load_sets(recipe, ("train", "test"), report)
    if sets["train"].class_names != bundle.labels:
        raise DataError(f"{out} has other labels than the images; use those it was trained on")
    config = config.on(recipe.data == "generated", recipe.seed)
    return add_codec(bundle, sets["train"], sets["test"], config, report or _silent)


def _silent(stage: str, done: int, total: int, loss: float | None) -> None:
    pass


def _origin(recipe: Recipe, count: int) -> Mapping[str, object]:
    """What the tables were measured on; a folder's place is nobody else's business."""
    data = "generated" if recipe.data == "generated" else "folder"
    return {"data": data, "split": "test", "count": count, "seed": recipe.seed}


def _stage(report: Report | None, name: str) -> Callable[[int, int], None] | None:
    if report is None:
        return None
    return lambda done, total: report(name, done, total, None)
