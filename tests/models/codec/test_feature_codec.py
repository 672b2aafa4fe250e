import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mc_models.bundle.files import BundleError
from mc_models.bundle.load import load_bundle
from mc_models.codec.cut import before_cut, behind_cut
from mc_models.codec.decoder import FeatureDecoder
from mc_models.codec.encoder import first_stages, load_encoder
from mc_models.codec.feature_codec import FeatureCodec, load_codec
from mc_models.codec.quantise import LIMIT, to_codes, to_values
from mc_models.data.image_sets import DataError, generated_set
from mc_models.data.preprocess import encode_jpeg, to_input
from mc_models.data.synthetic import render
from mc_models.inference.outputs import features_logits
from mc_models.training.codec import CodecConfig, train_codec
from mc_models.training.fit import Budget, fit
from mc_models.training.pca import start_from_pca
from mc_models.training.pipeline import train_codec_part
from mc_models.training.recipe import Recipe
from safetensors.torch import load_file, save_file

from mc_sched.cli.options.codec import codec_config
from mc_sched.errors import UserError

X = to_input(render(0, 0))
BLACK = torch.full((1, 3, 224, 224), -2.0)


@pytest.fixture
def row(coded_bundle):
    return coded_bundle.codec("features")


@pytest.fixture
def copied(coded_bundle, tmp_path):
    """A copy to tamper with."""
    return shutil.copytree(coded_bundle.path, tmp_path / "copy")


def edit(path, change):
    file = path / "bundle.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    change(raw)
    file.write_text(json.dumps(raw), encoding="utf-8")


def silent(codec):
    """The codec without its noise."""
    codec.noise = 0.0
    return codec


class TestMessages:
    def test_every_picture_makes_a_message_of_the_same_size(self, coded_bundle, row):
        encode = load_encoder(coded_bundle)
        assert {len(encode(x)) for x in (X, BLACK)} == {row.message_bytes}

    def test_the_cloud_goes_on_with_what_the_edge_computed(self, coded_bundle, row):
        encoder, codec = load_encoder(coded_bundle), silent(load_codec(coded_bundle))
        encoder._noise = 0.0
        with torch.inference_mode():
            activation = FeatureDecoder(codec.receive, row)(encoder(X))
            net = coded_bundle.cloud_net()
            assert torch.allclose(activation, codec(before_cut(net, row.stage, X)), atol=1e-5)
            logits = behind_cut(net, row.stage, activation)
        assert list(logits) == [e.name for e in coded_bundle.exits[row.stage :]]

    def test_noise_makes_each_message_of_one_picture_another(self, coded_bundle):
        encode = load_encoder(coded_bundle)
        assert encode(X) != encode(X)

    def test_noise_of_two_agents_differs_unless_they_are_seeded(self, coded_bundle):
        assert load_encoder(coded_bundle)(X) != load_encoder(coded_bundle)(X)
        assert load_encoder(coded_bundle, seed=1)(X) == load_encoder(coded_bundle, seed=1)(X)

    def test_a_message_of_another_size_is_refused_with_both_sizes(self, coded_bundle, row):
        decode = FeatureDecoder(load_codec(coded_bundle).receive, row)
        with pytest.raises(ValueError, match=rf"{row.message_bytes} bytes, this one has 3"):
            decode(b"\xff\xd8\xff")

    def test_values_take_256_levels_and_come_back_to_half_a_step(self):
        values = torch.linspace(-LIMIT, LIMIT, 1000)
        codes = to_codes(values)
        assert codes.unique().numel() == 256
        assert (to_values(codes) - values).abs().max() <= LIMIT / 255 + 1e-6


class TestStart:
    def test_all_components_restore_the_activation(self):
        torch.manual_seed(0)
        activation = torch.rand(4, 3, 8, 8)
        codec = silent(FeatureCodec(3, 12, 2, noise=0.0))
        assert start_from_pca(codec, activation) == pytest.approx(1.0)
        assert torch.allclose(codec(activation), activation, atol=0.1)

    def test_values_start_with_unit_variance_and_the_largest_components(self):
        torch.manual_seed(0)
        activation = torch.rand(64, 2, 8, 8)
        activation[:, 0] *= 10
        codec = FeatureCodec(2, 1, 1, noise=0.0)
        assert start_from_pca(codec, activation) > 0.9
        values = codec.project(activation)
        assert values.mean().item() == pytest.approx(0.0, abs=1e-3)
        assert values.var().item() == pytest.approx(1.0, rel=0.01)


class TestTraining:
    def test_the_same_seed_trains_the_same_codec(self, small_bundle):
        images = generated_set("train", 8, 0, 96)
        config = CodecConfig(budget=Budget(steps=3, crop_px=64, batch=4))
        first, second = (train_codec(small_bundle.cloud_net(), images, config)[0] for _ in range(2))
        assert torch.equal(first.project.weight, second.project.weight)

    def test_training_brings_the_exits_closer_to_their_answers_without_codec(self, small_bundle):
        images = generated_set("train", 16, 0, 96)
        config = CodecConfig(
            task_weight=0.0, budget=Budget(steps=40, crop_px=0, batch=16, peak_lr=1e-2)
        )
        losses = []
        train_codec(
            small_bundle.cloud_net(), images, config, lambda step, steps, loss: losses.append(loss)
        )
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5])

    def test_the_network_itself_is_left_alone(self, small_bundle):
        net = small_bundle.cloud_net()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        images = generated_set("train", 8, 0, 96)
        train_codec(net, images, CodecConfig(budget=Budget(steps=2, crop_px=64, batch=4)))
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())

    @pytest.mark.parametrize("stage", [0, 5])
    def test_a_cut_outside_the_network_is_refused(self, small_bundle, stage):
        images = generated_set("train", 4, 0, 96)
        with pytest.raises(DataError, match="choose 1 to 4"):
            train_codec(small_bundle.cloud_net(), images, CodecConfig(stage=stage))

    def test_fitting_shows_its_progress_and_learns(self):
        images = generated_set("train", 8, 0, 32)
        torch.manual_seed(0)
        module, seen = torch.nn.Conv2d(3, 3, 1), []

        def loss_of(x, labels, rng):
            return (module(x) - x).square().mean()

        budget = Budget(60, crop_px=0, batch=4, peak_lr=0.1)
        fit(module, images, budget, loss_of, lambda *done: seen.append(done))
        assert [step for step, _, _ in seen] == list(range(1, 61))
        assert seen[-1][2] < 0.5 * seen[0][2]


class TestBundle:
    def test_a_codec_changes_nothing_but_its_own_column(self, small_bundle, coded_bundle, row):
        for name in ("edge.safetensors", "cloud.safetensors"):
            old, new = (bundle.path / name for bundle in (small_bundle, coded_bundle))
            assert old.read_bytes() == new.read_bytes()
        assert coded_bundle.local == small_bundle.local
        for old, new in zip(small_bundle.exits, coded_bundle.exits, strict=True):
            assert new.top5["jpeg"] == old.top5["jpeg"]
            assert ("features" in new.top5) == ("features" in new.top1) == (new.stage >= row.stage)

    def test_a_codec_changes_the_hash(self, small_bundle, coded_bundle):
        assert coded_bundle.hash != small_bundle.hash
        assert load_bundle(coded_bundle.path).hash == coded_bundle.hash

    def test_its_column_can_be_measured_again(self, coded_bundle, row):
        images = generated_set("test", 8, 0, 224)
        logits = features_logits(
            coded_bundle.cloud_net(), load_codec(coded_bundle), row.stage, images
        )
        hits = (logits["final"].topk(5).indices == torch.from_numpy(images.labels)[:, None]).any(1)
        assert hits.float().mean().item() == coded_bundle.exits[-1].top5["features"]

    def test_a_bundle_without_codec_says_how_to_add_one(self, small_bundle):
        assert small_bundle.codecs == ()
        with pytest.raises(BundleError, match=r"no codec 'features'.*--part codec"):
            small_bundle.codec("features")

    def test_the_edge_needs_the_first_stages_only(self, coded_bundle, copied):
        weights = load_file(copied / "cloud.safetensors")
        first = {name: value for name, value in weights.items() if name.startswith("stages.0.")}
        assert 0 < len(first) < len(weights)
        save_file(first, copied / "cloud.safetensors")
        alone = load_encoder(load_bundle(copied, verify=False), seed=1)
        assert alone(X) == load_encoder(coded_bundle, seed=1)(X)
        assert len(first_stages(coded_bundle)) == 1

    def test_an_altered_codec_is_named(self, copied):
        data = bytearray((copied / "codec.safetensors").read_bytes())
        data[-1] ^= 1
        (copied / "codec.safetensors").write_bytes(data)
        with pytest.raises(BundleError, match=r"codec\.safetensors: its SHA-256 differs"):
            load_bundle(copied)

    def test_a_missing_codec_is_named(self, copied):
        (copied / "codec.safetensors").unlink()
        with pytest.raises(BundleError, match=r"codec\.safetensors is missing"):
            load_bundle(copied)

    def test_a_codec_whose_hash_was_left_out_is_refused(self, copied):
        edit(copied, lambda raw: raw["sha256"].pop("codec.safetensors"))
        with pytest.raises(BundleError, match=r"codec\.safetensors"):
            load_bundle(copied)

    def test_a_message_size_that_does_not_follow_is_refused(self, copied):
        edit(copied, lambda raw: raw["codecs"][0].update(message_bytes=1))
        with pytest.raises(BundleError, match="message_bytes"):
            load_bundle(copied)

    def test_weights_of_another_codec_name_the_weight(self, copied, row):
        other = dataclasses.replace(row, channels=row.channels + 1)
        edit(
            copied,
            lambda raw: raw["codecs"][0].update(
                channels=other.channels, message_bytes=other.message_bytes
            ),
        )
        with pytest.raises(BundleError, match=r"codec\.safetensors: weight .*shape"):
            load_codec(load_bundle(copied))


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

    def test_it_is_added_to_a_bundle_that_is_there(self, plain):
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
        wanted = dict.fromkeys(("codec_stage", "codec_channels", "codec_side", "codec_noise"))
        with pytest.raises(UserError, match=f"--codec-{option} .* choose") as caught:
            codec_config(SimpleNamespace(**{**wanted, f"codec_{option}": value}))
        assert caught.value.exit_code == 2

    def test_options_left_out_keep_the_defaults(self):
        wanted = dict.fromkeys(("codec_stage", "codec_channels", "codec_side"))
        chosen = codec_config(SimpleNamespace(codec_noise=0.3, **wanted))
        assert chosen == dataclasses.replace(CodecConfig(), noise=0.3)
