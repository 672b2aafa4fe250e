"""Small bundles for the tests of several packages, made once per run."""

import shutil

import pytest


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory):
    """An untrained bundle with narrow nets."""
    from mc_models.training.narrow import narrow_bundle

    return narrow_bundle(tmp_path_factory.mktemp("bundles") / "small", "small")


@pytest.fixture(scope="session")
def coded_bundle(small_bundle, tmp_path_factory):
    """A copy of the small bundle with a features codec after two training steps."""
    from mc_models.bundle.load import load_bundle
    from mc_models.data.image_sets import generated_set
    from mc_models.training.add_codec import add_codec
    from mc_models.training.codec import CodecConfig
    from mc_models.training.fit import Budget

    path = shutil.copytree(small_bundle.path, tmp_path_factory.mktemp("bundles") / "coded")
    sets = [generated_set(split, 8, 0, 224) for split in ("train", "test")]
    config = CodecConfig(budget=Budget(steps=2, crop_px=64, batch=4))
    return add_codec(load_bundle(path), *sets, config, lambda *progress: None)
