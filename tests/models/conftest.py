"""Small nets and a small bundle, made once."""

import dataclasses
import shutil

import pytest
import torch
from mc_models.add_codec import add_codec
from mc_models.assemble import save_bundle
from mc_models.bundle import load_bundle
from mc_models.data import generated_set
from mc_models.fit import Budget
from mc_models.sets import SETS, build_cloud, build_local
from mc_models.train_codec import CodecConfig

SMALL = dataclasses.replace(SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
MEASURED = {"data": "generated", "split": "test", "count": 8, "seed": 0}


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory):
    """An untrained bundle with narrow nets."""
    torch.manual_seed(0)
    edge, cloud = build_local(SMALL, 100, norm=True), build_cloud(SMALL, 100)
    sets = [generated_set(split, 8, 0, 224) for split in ("val", "test")]
    path = tmp_path_factory.mktemp("bundles") / "small"
    return save_bundle(path, "small", SMALL, edge, cloud, *sets, MEASURED)


@pytest.fixture(scope="session")
def coded_bundle(small_bundle, tmp_path_factory):
    """The same with a hardly trained features codec."""
    path = shutil.copytree(small_bundle.path, tmp_path_factory.mktemp("bundles") / "coded")
    sets = [generated_set(split, 8, 0, 224) for split in ("train", "test")]
    config = CodecConfig(budget=Budget(steps=2, crop_px=64, batch=4))
    return add_codec(load_bundle(path), *sets, config, lambda *progress: None)
