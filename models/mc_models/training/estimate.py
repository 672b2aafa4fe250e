"""Estimate how long each stage of a shipped bundle's recipe takes on this machine.

A few steps of each stage are run and their time is multiplied by the number of steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from mc_models.data.image_sets import ImageSet, generated_set
from mc_models.inference.outputs import all_logits
from mc_models.networks.branches import BranchedNet
from mc_models.networks.local import LocalNet
from mc_models.training.codec import train_codec
from mc_models.training.loop import Progress, plan_of, train
from mc_models.training.remake import build_net
from mc_models.training.schedule import Phase
from mc_models.training.shipped import NetStage, ShippedRecipe

_TRIAL_BATCHES = 2  # the first step allocates memory; the second one is timed


@dataclass(frozen=True)
class StageEstimate:
    """One stage: its name, its work in words, and its expected time on this machine."""

    name: str
    work: str
    expected_s: float


def estimate(recipe: ShippedRecipe) -> Iterator[StageEstimate]:
    """Estimate the stages in order, each as soon as its trial has run."""
    px = recipe.nets[0].spec.input_px
    batch = recipe.nets[0].config.batch
    started = time.perf_counter()
    images = generated_set("train", _TRIAL_BATCHES * batch, recipe.seed, px, jpeg=True)
    image_s = (time.perf_counter() - started) / len(images)
    largest = max(recipe.codec_images, *(stage.images for stage in recipe.nets))
    held_out = recipe.validation_images + recipe.test_images
    yield StageEstimate(
        "images", f"draw {largest:,} training and {held_out:,} held-out images of seed "
        f"{recipe.seed}", image_s * (largest + held_out)
    )  # fmt: skip
    for stage in recipe.nets:
        yield StageEstimate(stage.name, describe(stage), _stage_s(stage, recipe, images))
    yield from _estimate_bundle(recipe, images)


def describe(stage: NetStage) -> str:
    """The stage's work in words."""
    network = stage.spec.local if stage.part == "edge" else stage.spec.cloud
    exits = "" if stage.part == "edge" else f" with {stage.spec.exits} exits"
    phases = ", then ".join(
        f"{phase.epochs:g} epochs of "
        + (f"full {phase.px}-pixel frames" if phase.view == "full" else f"{phase.px}-pixel crops")
        for phase in stage.config.phases
    )
    start = f"; continues '{stage.continues}'" if stage.continues else ""
    start += f"; starts with the trunk of '{stage.trunk_from}'" if stage.trunk_from else ""
    return (
        f"{network}{exits} on {stage.images:,} images: {phases}; "
        f"peak learning rate {stage.config.peak_lr:g}{start}"
    )


def _stage_s(stage: NetStage, recipe: ShippedRecipe, images: ImageSet) -> float:
    """Seconds of the steps that the stage adds to the one that it continues."""
    net = build_net(stage, recipe)
    plan = plan_of(net, stage.config, stage.images)
    first = 0
    if stage.continues:
        first = plan_of(net, recipe.stage(stage.continues).config, stage.images).steps
    phases = [plan.at(step).phase for step in range(first, plan.steps)]
    return sum(phases.count(phase) * _step_s(stage, recipe, images, phase) for phase in {*phases})


def _step_s(stage: NetStage, recipe: ShippedRecipe, images: ImageSet, phase: Phase) -> float:
    """Seconds of one training step in a phase."""
    ends: list[float] = []

    def on_step(progress: Progress) -> None:
        ends.append(time.perf_counter())

    config = replace(stage.config, phases=(replace(phase, epochs=1.0),))
    train(build_net(stage, recipe), images, config, on_step=on_step)
    return ends[-1] - ends[-2]


def _estimate_bundle(recipe: ShippedRecipe, images: ImageSet) -> Iterator[StageEstimate]:
    """The stages after the networks: tables, codec, policy tables."""
    local, cloud = (build_net(recipe.last(part), recipe) for part in ("edge", "cloud"))
    assert isinstance(local, LocalNet)
    assert isinstance(cloud, BranchedNet)
    local.eval()
    cloud.eval()
    started = time.perf_counter()
    all_logits(local, cloud, images)
    image_s = (time.perf_counter() - started) / len(images)
    held_out = recipe.validation_images + recipe.test_images
    yield StageEstimate(
        "tables", f"calibrate on {recipe.validation_images:,} images, measure on "
        f"{recipe.test_images:,}", image_s * held_out
    )  # fmt: skip
    budget = recipe.codec.budget
    yield StageEstimate(
        "codec", f"{budget.steps:,} steps on {recipe.codec_images:,} images, the last "
        f"{budget.full_steps:,} on full frames; weight of the rate {recipe.codec.rate_weight:g}",
        _codec_s(recipe, cloud, images) + image_s * recipe.test_images
    )  # fmt: skip
    # each split runs all later stages again: half of the net on average
    passes = (len(cloud.stages) + 1) / 2
    yield StageEstimate(
        "policy tables", f"thresholds and splits for the baseline policies on "
        f"{recipe.test_images:,} images", passes * image_s * recipe.test_images
    )  # fmt: skip


def _codec_s(recipe: ShippedRecipe, cloud: BranchedNet, images: ImageSet) -> float:
    """Seconds of the codec's training: the trial runs two steps on crops and two on frames."""
    ends: list[float] = []
    trial = replace(recipe.codec.budget, steps=4, full_steps=2)
    with torch.random.fork_rng():
        train_codec(
            cloud,
            images,
            replace(recipe.codec, budget=trial),
            lambda done, total, loss: ends.append(time.perf_counter()),
        )
    budget = recipe.codec.budget
    crop_s, full_s = ends[1] - ends[0], ends[3] - ends[2]
    return crop_s * (budget.steps - budget.full_steps) + full_s * budget.full_steps
