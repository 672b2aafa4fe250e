"""Bundles with narrow, untrained nets for tests: meaningless answers within a millisecond."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from mc_models.bundle.load import Bundle
from mc_models.data.image_sets import generated_set
from mc_models.networks.sets import SETS, build_cloud, build_local
from mc_models.training.assemble import save_bundle

NARROW = dataclasses.replace(
    SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8
)
IMAGES = 8
"""Number of images in each set that the tables are measured on."""
LABELS = 100


def narrow_bundle(path: Path, name: str) -> Bundle:
    """Write the bundle to `path`, which takes a second; its content is always the same."""
    torch.manual_seed(0)
    edge, cloud = build_local(NARROW, LABELS, norm=True), build_cloud(NARROW, LABELS)
    validation, test = (generated_set(s, IMAGES, 0, NARROW.input_px) for s in ("val", "test"))
    measured = {"data": "generated", "split": "test", "count": IMAGES, "seed": 0}
    return save_bundle(path, name, NARROW, edge, cloud, validation, test, measured)
