import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from mc_models.bundle.files import BundleError
from mc_models.bundle.load import load_bundle
from mc_models.data.image_sets import DataError
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from mc_models.training.codec import CodecConfig
from mc_models.training.fit import Budget
from mc_models.training.pipeline import train_codec_part
from mc_models.training.recipe import Recipe

from mc_sched.cli.options.codec import codec_config
from mc_sched.errors import UserError


@pytest.fixture
def row(coded_bundle):
    return coded_bundle.codec("features")


class TestPart:
    """The codec as the last part of `mc-sched train`."""

    RECIPE = Recipe(train_count=8, test_count=8, threads=1)
    CONFIG = CodecConfig(channels=2, noise=0.25)

    @pytest.fixture
    def plain(self, small_bundle, tmp_path):
        return shutil.copytree(small_bundle.path, tmp_path / "plain")

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch):
        short = Budget(steps=1, crop_px=64, batch=4)
        monkeypatch.setattr("mc_models.training.codec._BUDGET", short)

    def test_it_is_added_to_an_existing_bundle(self, plain):
        seen = set()
        bundle = train_codec_part(
            plain, self.RECIPE, self.CONFIG, lambda stage, done, n, loss: seen.add(stage)
        )
        row = bundle.codec("features")
        assert (row.channels, row.noise) == (2, 0.25)
        assert {"train features codec", "measure features codec"} <= seen

    def test_a_second_one_takes_its_place(self, plain):
        train_codec_part(plain, self.RECIPE, self.CONFIG)
        train_codec_part(plain, self.RECIPE, dataclasses.replace(self.CONFIG, stage=2))
        bundle = load_bundle(plain)
        assert [row.stage for row in bundle.codecs] == [2]
        assert ["features" in row.top5 for row in bundle.exits] == [False, False, True, True, True]

    def test_images_of_other_labels_are_refused(self, plain, tmp_path):
        for name in ("cat", "dog"):
            (tmp_path / "photos" / name).mkdir(parents=True)
            for i in range(6):
                file = tmp_path / "photos" / name / f"{i}.jpg"
                file.write_bytes(encode_jpeg(render(i, i, 224)))
        recipe = dataclasses.replace(self.RECIPE, data=str(tmp_path / "photos"))
        with pytest.raises(DataError, match="are not those of the images"):
            train_codec_part(plain, recipe, self.CONFIG)

    def test_a_shipped_bundle_is_not_changed_by_its_name(self):
        with pytest.raises(BundleError, match="is not a bundle"):
            train_codec_part(Path("set-a"), self.RECIPE, self.CONFIG)

    @pytest.mark.parametrize(
        ("option", "value"), [("channels", 0), ("side", 300), ("noise", float("nan")), ("stage", 0)]
    )
    def test_an_option_out_of_range_is_named(self, option, value):
        options = dict.fromkeys(("codec_stage", "codec_channels", "codec_side", "codec_noise"))
        with pytest.raises(UserError, match=f"--codec-{option} .* choose") as caught:
            codec_config(SimpleNamespace(**{**options, f"codec_{option}": value}))
        assert caught.value.exit_code == 2

    def test_options_left_out_keep_the_defaults(self):
        options = dict.fromkeys(("codec_stage", "codec_channels", "codec_side"))
        chosen = codec_config(SimpleNamespace(codec_noise=0.3, **options))
        assert chosen == dataclasses.replace(CodecConfig(), noise=0.3)
