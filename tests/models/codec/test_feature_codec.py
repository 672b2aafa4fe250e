import dataclasses
import json
import shutil

import pytest
import torch
from mc_models.bundle.files import BundleError
from mc_models.bundle.load import load_bundle
from mc_models.codec.cut import before_cut, behind_cut
from mc_models.codec.decoder import FeatureDecoder
from mc_models.codec.encoder import first_stages, load_encoder
from mc_models.codec.feature_codec import load_codec
from mc_models.codec.quantise import LIMIT, to_codes, to_values
from mc_models.data.image_sets import generated_set
from mc_models.data.preprocess import to_input
from mc_models.data.synthetic import render
from mc_models.inference.outputs import features_logits
from safetensors.torch import load_file, save_file

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
    def test_every_image_has_a_message_of_the_same_size(self, coded_bundle, row):
        encode = load_encoder(coded_bundle)
        assert {len(encode(x)) for x in (X, BLACK)} == {row.message_bytes}

    def test_the_cloud_continues_with_the_activation_of_the_edge(self, coded_bundle, row):
        encoder, codec = load_encoder(coded_bundle), silent(load_codec(coded_bundle))
        encoder._noise = 0.0
        with torch.inference_mode():
            activation = FeatureDecoder(codec.receive, row)(encoder(X))
            net = coded_bundle.cloud_net()
            assert torch.allclose(activation, codec(before_cut(net, row.stage, X)), atol=1e-5)
            logits = behind_cut(net, row.stage, activation)
        assert list(logits) == [e.name for e in coded_bundle.exits[row.stage :]]

    def test_noise_makes_messages_of_the_same_image_differ(self, coded_bundle):
        encode = load_encoder(coded_bundle)
        assert encode(X) != encode(X)

    def test_noise_of_two_agents_differs_unless_they_are_seeded(self, coded_bundle):
        assert load_encoder(coded_bundle)(X) != load_encoder(coded_bundle)(X)
        assert load_encoder(coded_bundle, seed=1)(X) == load_encoder(coded_bundle, seed=1)(X)

    def test_a_message_of_another_size_is_refused_with_both_sizes(self, coded_bundle, row):
        decode = FeatureDecoder(load_codec(coded_bundle).receive, row)
        with pytest.raises(ValueError, match=rf"{row.message_bytes} bytes, this one has 3"):
            decode(b"\xff\xd8\xff")

    def test_values_have_256_levels_and_are_restored_to_half_a_level(self):
        values = torch.linspace(-LIMIT, LIMIT, 1000)
        codes = to_codes(values)
        assert codes.unique().numel() == 256
        assert (to_values(codes) - values).abs().max() <= LIMIT / 255 + 1e-6


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

    def test_the_error_for_a_bundle_without_codec_names_the_command(self, small_bundle):
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
