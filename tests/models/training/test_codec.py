import pytest
import torch
from mc_models.codec.feature_codec import FeatureCodec
from mc_models.data.image_sets import DataError, generated_set
from mc_models.training.codec import CodecConfig, train_codec
from mc_models.training.fit import Budget, fit
from mc_models.training.pca import start_from_pca


def silent(codec):
    """The codec without its noise."""
    codec.noise = 0.0
    return codec


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

    def test_training_a_codec_does_not_change_the_network(self, small_bundle):
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
