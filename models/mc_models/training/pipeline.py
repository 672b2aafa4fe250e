"""`mc-sched train` without the command line: data, both networks, calibration, bundle.

The two networks are independent, so two processes may train one each (`parts`) into the same
folder; the process that finds both finished writes the bundle. Checkpoints are in OUT.work beside
the bundle, and a repeated start resumes from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mc_models.bundle.load import Bundle, load_bundle
from mc_models.bundle.report import write_report
from mc_models.data.image_sets import DataError, ImageSet, folder_set, generated_set, split_folder
from mc_models.data.synthetic import CLASS_NAMES, Split
from mc_models.networks.local import LocalNet
from mc_models.networks.sets import build_cloud, build_local
from mc_models.progress import OnProgress, OnStageProgress
from mc_models.training.add_codec import add_codec
from mc_models.training.assemble import save_bundle
from mc_models.training.codec import CodecConfig
from mc_models.training.loop import Net, Progress, plan_of, train
from mc_models.training.recipe import GENERATED, Recipe
from mc_models.training.schedule import TrainConfig

PARTS = ("edge", "cloud")


class ImageSource:
    """The recipe's images; a folder is read once, generated splits are drawn on each call."""

    def __init__(self, recipe: Recipe, on_progress: OnStageProgress | None = None) -> None:
        self._recipe, self._on_progress = recipe, on_progress
        self.unreadable: tuple[str, ...] = ()

    def split(self, name: Split) -> ImageSet:
        """The images of "train", "val" or "test". Raises DataError."""
        recipe = self._recipe
        if recipe.data != GENERATED:
            return self._folder[name]
        counts = {"train": recipe.train_count, "val": recipe.val_count, "test": recipe.test_count}
        progress = _for_stage(self._on_progress, f"draw {name} images")
        px = recipe.spec().input_px
        jpeg = name == "train"  # the other splits go through JPEG when they are measured
        return generated_set(name, counts[name], recipe.seed, px, progress, jpeg)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels, in the order of their index."""
        if self._recipe.data == GENERATED:
            return CLASS_NAMES
        return self._folder["train"].class_names

    @cached_property
    def _folder(self) -> Mapping[str, ImageSet]:
        recipe = self._recipe
        progress = _for_stage(self._on_progress, "read images")
        found = folder_set(Path(recipe.data), recipe.spec().input_px, progress)
        self.unreadable = found.unreadable
        return split_folder(found, recipe.seed)


def train_bundle(
    out: Path,
    recipe: Recipe,
    parts: tuple[str, ...] = PARTS,
    on_progress: OnStageProgress | None = None,
    source: ImageSource | None = None,
) -> Bundle | None:
    """Train `parts` and, if both networks are then finished, write the bundle to `out`.

    Returns None if the other part is not finished. Raises DataError, BackboneError, ChainError.
    """
    torch.set_num_threads(recipe.threads)
    source = source or ImageSource(recipe, on_progress)
    work = _work(out)
    classes = len(source.class_names)
    nets = {part: _build(part, recipe, classes) for part in parts}  # raises before images are drawn
    images = source.split("train")
    work.mkdir(parents=True, exist_ok=True)
    for part, net in nets.items():
        _check_recipe(work / f"{part}.json", recipe, len(images))
        train(net, images, _config(net, recipe, len(images)), *_reported(part, work, on_progress))
    del nets
    finished = [_is_finished(part, work, recipe, images) for part in PARTS]
    return assemble(out, recipe, on_progress, source) if all(finished) else None


def assemble(
    out: Path,
    recipe: Recipe,
    on_progress: OnStageProgress | None = None,
    source: ImageSource | None = None,
) -> Bundle:
    """Calibrate, measure and write the bundle and its report from the present checkpoints."""
    source = source or ImageSource(recipe, on_progress)
    nets: dict[str, Net] = {}
    for part in PARTS:
        nets[part] = _build(part, recipe, len(source.class_names))
        nets[part].load_state_dict(_checkpoint(part, _work(out))["net"])
    test = source.split("test")
    bundle = save_bundle(
        out,
        out.name,
        recipe.spec(),
        nets["edge"],  # type: ignore[arg-type]
        nets["cloud"],  # type: ignore[arg-type]
        source.split("val"),
        test,
        _origin(recipe, len(test)),
        lambda part, done, total: (
            on_progress and on_progress(f"measure on {part} images", done, total, None)
        ),
    )
    write_report(bundle)
    return bundle


def _work(out: Path) -> Path:
    return out.with_name(out.name + ".work")


def _build(part: str, recipe: Recipe, classes: int) -> Net:
    torch.manual_seed(recipe.seed)
    if part == "edge":
        return build_local(recipe.spec(), classes, norm=True)
    return build_cloud(recipe.spec(), classes, recipe.backbone_file())


def _config(net: Net, recipe: Recipe, count: int) -> TrainConfig:
    if isinstance(net, LocalNet):
        return recipe.config("edge", count, net.any_size)
    return recipe.config("cloud", count)


def _reported(
    part: str, work: Path, on_progress: OnStageProgress | None
) -> tuple[Path, Callable[[Progress], None]]:
    """The checkpoint file of `part`, and the callback after each step."""
    name = {"edge": "train local net", "cloud": "train cloud net"}[part]

    def on_step(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(name, progress.done, progress.work, progress.loss)

    return work / f"{part}.pt", on_step


def _check_recipe(file: Path, recipe: Recipe, count: int) -> None:
    """Refuse to resume with another recipe or other data; the epochs may change."""
    fixed = replace(recipe, local_epochs=None, cloud_epochs=None, full_epochs=None, threads=0)
    expected = {**asdict(fixed), "images": count}
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != expected:
        raise DataError(
            f"{file.parent} holds checkpoints of other options or images; remove it or choose "
            "another --out"
        )
    file.write_text(json.dumps(expected), encoding="utf-8")


def _is_finished(part: str, work: Path, recipe: Recipe, images: ImageSet) -> bool:
    if not (work / f"{part}.pt").exists():
        return False
    net = _build(part, recipe, len(images.class_names))
    plan = plan_of(net, _config(net, recipe, len(images)), len(images))
    done: int = _checkpoint(part, work)["step"]
    return done >= plan.steps


def _checkpoint(part: str, work: Path) -> dict[str, Any]:
    file = work / f"{part}.pt"
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def train_codec_part(
    out: Path,
    recipe: Recipe,
    config: CodecConfig,
    on_progress: OnStageProgress | None = None,
    source: ImageSource | None = None,
) -> Bundle:
    """Train the features codec of the bundle at `out` and add it; the networks do not change.

    Raises BundleError, DataError.
    """
    torch.set_num_threads(recipe.threads)
    bundle = load_bundle(out.resolve())  # resolved, so that it never means a shipped name
    source = source or ImageSource(recipe, on_progress)
    if source.class_names != bundle.labels:
        raise DataError(
            f"the labels of {out} are not those of the images; use the images it was trained on"
        )
    config = config.on(recipe.data == GENERATED, recipe.seed)
    images = source.split("train")
    return add_codec(bundle, images, source.split("test"), config, on_progress or _silent)


def _silent(stage: str, done: int, total: int, loss: float | None) -> None:
    pass


def _origin(recipe: Recipe, count: int) -> Mapping[str, object]:
    """The origin of the tables; the path of a folder stays private."""
    data = "generated" if recipe.data == GENERATED else "folder"
    return {"data": data, "split": "test", "count": count, "seed": recipe.seed}


def _for_stage(on_progress: OnStageProgress | None, name: str) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(name, done, total, None)
