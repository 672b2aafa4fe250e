"""Small nets and a small bundle, made once."""

import shutil

import pytest
from mc_models.add_codec import add_codec
from mc_models.bundle import load_bundle
from mc_models.data import generated_set
from mc_models.fit import Budget
from mc_models.narrow import narrow_bundle
from mc_models.train_codec import CodecConfig


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory):
    """An untrained bundle with narrow nets."""
    return narrow_bundle(tmp_path_factory.mktemp("bundles") / "small", "small")


@pytest.fixture(scope="session")
def coded_bundle(small_bundle, tmp_path_factory):
    """The same with a hardly trained features codec."""
    path = shutil.copytree(small_bundle.path, tmp_path_factory.mktemp("bundles") / "coded")
    sets = [generated_set(split, 8, 0, 224) for split in ("train", "test")]
    config = CodecConfig(budget=Budget(steps=2, crop_px=64, batch=4))
    return add_codec(load_bundle(path), *sets, config, lambda *progress: None)
