"""Remake a shipped bundle: run every stage of its recipe in order.

Each training stage keeps a checkpoint per epoch in OUT.work, so that the same command resumes an
interrupted run. The result is a bundle by the same stages and seeds, not the same bytes: threads,
bfloat16 support and versions of torch change the rounding of sums, and training amplifies it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from mc_models.bundle.load import Bundle, load_bundle
from mc_models.bundle.report import write_report
from mc_models.data.image_sets import DataError, ImageSet, generated_set
from mc_models.data.synthetic import CLASS_NAMES, Split
from mc_models.networks.branches import BranchedNet
from mc_models.networks.sets import build_cloud, build_local
from mc_models.progress import OnProgress, OnStageProgress
from mc_models.training.add_codec import add_codec
from mc_models.training.assemble import save_bundle
from mc_models.training.loop import Net, Progress, train
from mc_models.training.shipped import NetStage, ShippedRecipe

AddPolicyTables = Callable[[Bundle, ImageSet, OnProgress], Bundle]
"""Measures the tables of the baseline policies; `training` may not import `evaluation`."""


def remake(
    recipe: ShippedRecipe,
    out: Path,
    add_policy_tables: AddPolicyTables,
    on_progress: OnStageProgress,
) -> Bundle:
    """Run the stages that are not finished yet; return the finished bundle at `out`.

    Raises DataError if OUT.work belongs to another recipe.
    """
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    record = _Record(work / "stages.json", recipe)
    images = Images(recipe, on_progress)
    for stage in recipe.nets:
        if not record.has(stage.name):
            train_stage(stage, recipe, work, images.split("train", stage.images), on_progress)
            record.add(stage.name)
    if not record.has("tables"):
        _assemble(recipe, out, work, images, on_progress)
        record.add("tables")
    bundle = load_bundle(out.resolve())
    test = images.split("test", recipe.test_images)
    if not record.has("codec"):
        train_images = images.split("train", recipe.codec_images)
        bundle = add_codec(bundle, train_images, test, recipe.codec, on_progress)
        record.add("codec")
    if not record.has("policy tables"):
        bundle = add_policy_tables(
            bundle, test, lambda done, total: on_progress("policy tables", done, total, None)
        )
        record.add("policy tables")
    return bundle


def train_stage(
    stage: NetStage,
    recipe: ShippedRecipe,
    work: Path,
    images: ImageSet,
    on_progress: OnStageProgress,
) -> None:
    """Train one stage up to its last step, from its checkpoint if there is one."""

    def on_step(progress: Progress) -> None:
        on_progress(stage.name, progress.done, progress.work, progress.loss)

    checkpoint = _checkpoint(work, stage.name)
    if stage.continues and not checkpoint.exists():
        partial = checkpoint.with_suffix(".partial")
        shutil.copyfile(_checkpoint(work, stage.continues), partial)
        partial.replace(checkpoint)
    net = build_net(stage, recipe)
    if stage.trunk_from:
        load_trunk(net, _load(work, stage.trunk_from))
    train(net, images, stage.config, checkpoint, on_step)


def build_net(stage: NetStage, recipe: ShippedRecipe) -> Net:
    """The stage's network with fresh weights."""
    torch.manual_seed(recipe.seed)
    if stage.part == "edge":
        return build_local(stage.spec, len(CLASS_NAMES), norm=True)
    return build_cloud(stage.spec, len(CLASS_NAMES))


def load_trunk(net: Net, weights: dict[str, torch.Tensor]) -> None:
    """Fill the stages of `net` with the trunk of a net that is cut into other stages.

    Only the stage number in a weight's name depends on the cut: stages.3.layer2_1.conv1.weight.
    """
    assert isinstance(net, BranchedNet)
    trunk = {_in_trunk(name): tensor for name, tensor in weights.items() if _is_trunk(name)}
    own = {name: trunk[_in_trunk(name)] for name in net.state_dict() if _is_trunk(name)}
    net.load_state_dict(net.state_dict() | own)


def _is_trunk(name: str) -> bool:
    return name.startswith("stages.")


def _in_trunk(name: str) -> str:
    """A weight's name without the number of its stage."""
    return name.split(".", 2)[2]


def _assemble(
    recipe: ShippedRecipe, out: Path, work: Path, images: Images, on_progress: OnStageProgress
) -> None:
    """Write the bundle from the last stage of each part, calibrated and measured."""
    nets: dict[str, Any] = {}
    for part in ("edge", "cloud"):
        stage = recipe.last(part)
        nets[part] = build_net(stage, recipe)
        nets[part].load_state_dict(_load(work, stage.name))
    bundle = save_bundle(
        out,
        recipe.name,
        recipe.last("cloud").spec,
        nets["edge"],
        nets["cloud"],
        images.split("val", recipe.validation_images),
        images.split("test", recipe.test_images),
        {
            "data": "generated",
            "split": "test",
            "count": recipe.test_images,
            "seed": recipe.seed,
        },
        lambda part, done, total: on_progress(f"measure on {part} images", done, total, None),
    )
    write_report(bundle)


def _checkpoint(work: Path, stage_name: str) -> Path:
    return work / f"{stage_name.replace(', ', '-').replace(' ', '-')}.pt"


def _load(work: Path, stage_name: str) -> dict[str, torch.Tensor]:
    """The weights in a stage's checkpoint."""
    state: dict[str, Any] = torch.load(
        _checkpoint(work, stage_name), map_location="cpu", weights_only=True
    )
    weights: dict[str, torch.Tensor] = state["net"]
    return weights


class Images:
    """The generated images; each split is drawn once, and a smaller one is a part of it."""

    def __init__(self, recipe: ShippedRecipe, on_progress: OnStageProgress) -> None:
        self._recipe, self._on_progress = recipe, on_progress
        self._drawn: dict[Split, ImageSet] = {}

    def split(self, name: Split, count: int) -> ImageSet:
        """The first `count` images of a split; training images went through JPEG once."""
        drawn = self._drawn.get(name)
        if drawn is None or len(drawn) < count:
            px = self._recipe.nets[0].spec.input_px
            drawn = self._drawn[name] = generated_set(
                name,
                count,
                self._recipe.seed,
                px,
                lambda done, total: self._on_progress(f"draw {name} images", done, total, None),
                jpeg=name == "train",
            )
        return ImageSet(
            drawn.images[:count], drawn.labels[:count], drawn.class_names, generated=True
        )


class _Record:
    """The finished stages, kept in a file beside the checkpoints."""

    def __init__(self, file: Path, recipe: ShippedRecipe) -> None:
        self._file = file
        # through JSON once, so that tuples compare equal to the lists of the file
        self._recipe = json.loads(json.dumps(asdict(recipe)))
        self._finished: list[str] = []
        if file.exists():
            raw = json.loads(file.read_text(encoding="utf-8"))
            if raw["recipe"] != self._recipe:
                raise DataError(
                    f"{file.parent} holds checkpoints of another recipe; remove it or choose "
                    "another --out"
                )
            self._finished = raw["finished"]
        self._write()

    def has(self, stage: str) -> bool:
        """True if the stage is finished."""
        return stage in self._finished

    def add(self, stage: str) -> None:
        """Record that the stage is finished."""
        self._finished.append(stage)
        self._write()

    def _write(self) -> None:
        partial = self._file.with_suffix(".partial")
        content = {"recipe": self._recipe, "finished": self._finished}
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._file)
