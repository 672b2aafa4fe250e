import numpy as np
import pytest
import torch
from mc_models.codec.cut import before_cut, behind_cut
from mc_models.codec.decoder import FeatureDecoder
from mc_models.codec.encoder import load_encoder
from mc_models.codec.feature_codec import load_codec
from mc_models.data.preprocess import to_input
from mc_models.data.synthetic import render
from mc_models.inference import devices, pieces
from mc_models.inference.devices import DeviceError, checked_device, host_device, precisions
from mc_models.inference.prepare import (
    prepare_cloud,
    prepare_decoder,
    prepare_encoder,
    prepare_local,
)

X = to_input(render(0, 0))
BFLOAT16 = "bfloat16" in precisions("auto", "cpu")


def difference(found, expected):
    return float((found.float() - expected).norm() / expected.norm())


def test_prepared_networks_in_float32_give_the_bundles_logits(small_bundle):
    local, cloud = prepare_local(small_bundle), prepare_cloud(small_bundle)
    assert len(local.layers) == len(small_bundle.local.layers)
    assert len(cloud.stages) == len(small_bundle.stages)
    assert [*cloud.heads] == [row.name for row in small_bundle.exits]
    assert difference(local(X), small_bundle.local_net()(X)) < 1e-4
    expected = small_bundle.cloud_net().forward_all(X)
    found = cloud.forward_all(X)
    assert all(difference(found[name], expected[name]) < 1e-4 for name in expected)
    assert torch.equal(cloud(X), found["final"])


@pytest.mark.skipif(not BFLOAT16, reason="this CPU has no bfloat16")
def test_reduced_precision_stays_near_and_gives_float32_logits(small_bundle):
    local = prepare_local(small_bundle, "bfloat16", "cpu")(X)
    cloud = prepare_cloud(small_bundle, "bfloat16", "cpu").forward_all(X)
    assert local.dtype is torch.float32
    assert difference(local, small_bundle.local_net()(X)) < 0.05
    for name, expected in small_bundle.cloud_net().forward_all(X).items():
        assert cloud[name].dtype is torch.float32
        assert difference(cloud[name], expected) < 0.05


def images(count):
    return torch.cat([to_input(render(index, 0)) for index in range(count)])


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [
        ("float32", 1e-4),
        pytest.param(
            "bfloat16",
            0.02,
            marks=pytest.mark.skipif(not BFLOAT16, reason="this CPU has no bfloat16"),
        ),
    ],
)
@torch.inference_mode()
def test_a_batch_gives_the_logits_of_single_images(small_bundle, count, precision, tolerance):
    cloud = prepare_cloud(small_bundle, precision, "cpu")
    x = images(count)
    together = cloud.forward_all(x)
    alone = [cloud.forward_all(x[index : index + 1]) for index in range(count)]
    for name, found in together.items():
        assert found.shape[0] == count
        for index in range(count):
            assert difference(found[index : index + 1], alone[index][name]) < tolerance


@torch.inference_mode()
def test_images_of_a_batch_do_not_affect_each_other(small_bundle):
    cloud, x = prepare_cloud(small_bundle, device="cpu"), images(3)
    other = x.clone()
    other[1] = 1e4
    expected, found = cloud.forward_all(x), cloud.forward_all(other)
    for name in expected:
        assert torch.allclose(found[name][[0, 2]], expected[name][[0, 2]], atol=1e-5)
        assert not torch.allclose(found[name][1], expected[name][1], atol=1e-1)


def test_a_prepared_encoder_sends_what_the_trained_one_sends(coded_bundle):
    found, expected = (
        np.frombuffer(encode(X), np.uint8).astype(int)
        for encode in (prepare_encoder(coded_bundle, seed=1), load_encoder(coded_bundle, seed=1))
    )
    assert found.size == coded_bundle.codec("features").message_bytes
    assert abs(found - expected).max() <= 1  # a value between two levels may go to either


def test_a_prepared_decoder_gives_what_the_trained_one_gives(coded_bundle):
    message = load_encoder(coded_bundle, seed=1)(X)
    expected = FeatureDecoder(load_codec(coded_bundle).receive, coded_bundle.codec("features"))
    assert difference(prepare_decoder(coded_bundle)(message), expected(message)) < 1e-4


@pytest.mark.skipif(not BFLOAT16, reason="this CPU has no bfloat16")
@pytest.mark.parametrize("edge", ["float32", "bfloat16"])
@pytest.mark.parametrize("cloud", ["float32", "bfloat16"])
def test_edge_and_cloud_may_differ_in_precision(coded_bundle, edge, cloud):
    stage = coded_bundle.codec("features").stage
    net, codec = coded_bundle.cloud_net(), load_codec(coded_bundle)
    prepared = prepare_cloud(coded_bundle, cloud, "cpu")
    with torch.inference_mode():
        x = prepare_decoder(coded_bundle, cloud, "cpu")(
            prepare_encoder(coded_bundle, edge, "cpu", seed=1)(X)
        )
        for piece in prepared.stages[stage:]:
            x = piece(x)
        sent = codec(before_cut(net, stage, X), torch.Generator().manual_seed(1))
        expected = behind_cut(net, stage, sent)["final"]
    assert difference(prepared.heads["final"](x), expected) < 0.1


def test_preparing_leaves_the_input_alone(small_bundle):
    local, cloud, before = prepare_local(small_bundle), prepare_cloud(small_bundle), X.clone()
    local(X), cloud.forward_all(X)
    assert torch.equal(X, before)


def test_a_stage_takes_what_a_codec_gives_in_any_layout_and_precision(small_bundle):
    cloud = prepare_cloud(small_bundle, device="cpu")
    with torch.inference_mode():
        activation = cloud.stages[0](X)
        expected = cloud.stages[1](activation)
        restored = activation.contiguous(memory_format=torch.contiguous_format).double()
        assert torch.allclose(cloud.stages[1](restored), expected, atol=1e-5)


def test_a_setting_leaves_precisions_to_choose_from(monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: True)
    assert precisions("auto", "cpu") == ("float32", "bfloat16")
    assert precisions("auto", "cuda") == ("float32", "float16")
    assert precisions("float32", "cpu") == ("float32",)
    assert precisions("bfloat16", "cpu") == ("bfloat16",)


def test_a_cpu_without_bfloat16_refuses_it_and_uses_float32(monkeypatch):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: False)
    assert precisions("auto", "cpu") == ("float32",)
    with pytest.raises(DeviceError, match="no bfloat16; set the precision to auto or float32"):
        precisions("bfloat16", "cpu")


def test_unknown_choices_are_named():
    with pytest.raises(DeviceError, match="'half' is unknown"):
        precisions("half", "cpu")


def test_a_missing_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checked_device("auto") == checked_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="no GPU"):
        checked_device("cuda")


class FakeClock:
    """Time that passes only while a form runs."""

    def __init__(self, monkeypatch):
        self.now_s = 0.0
        monkeypatch.setattr(pieces.time, "perf_counter", lambda: self.now_s)

    def form(self, takes_s, gives):
        def run(x):
            self.now_s += takes_s
            return x * gives

        return run


def test_the_fastest_form_that_agrees_is_chosen(monkeypatch):
    clock, x = FakeClock(monkeypatch), torch.ones(3)
    plain, packed, wrong = clock.form(3.0, 2.0), clock.form(2.0, 2.0), clock.form(1.0, 5.0)
    assert pieces._fastest([plain, packed, wrong], x, 1e-3) is packed
    assert pieces._fastest([packed, plain], x, 1e-3) is packed
    assert pieces._fastest([plain, wrong], x, 1e-3) is plain

    def broken(x):
        raise RuntimeError("no such kernel")

    assert pieces._fastest([plain, broken], x, 1e-3) is plain


@pytest.mark.skipif(host_device() != "cuda", reason="no GPU here")
class TestOnAGpu:
    def test_graphs_give_the_same_and_keep_their_answers_apart(self, small_bundle):
        cloud = prepare_cloud(small_bundle, "float16", "cuda")
        expected = small_bundle.cloud_net().forward_all(X)
        with torch.inference_mode():
            first = cloud.forward_all(X)
            cloud.forward_all(-X)  # a second replay must not change what the first returned
        for name, logits in expected.items():
            assert difference(first[name].cpu(), logits) < 0.05

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
    def test_batches_give_the_logits_of_single_images(self, small_bundle, count):
        cloud = prepare_cloud(small_bundle, "float16", "cuda", batch_sizes=(1, 2, 4))
        x = images(count)
        with torch.inference_mode():
            together = cloud.forward_all(x)
            alone = [cloud.forward_all(x[index : index + 1]) for index in range(count)]
        for name, found in together.items():
            for index in range(count):
                one = alone[index][name]
                assert difference(found[index : index + 1], one.float()) < 0.02

    def test_other_shapes_run_without_the_graph(self, small_bundle):
        local = prepare_local(small_bundle, "float32", "cuda")
        with torch.inference_mode():
            found = local(torch.cat([X, X])).cpu()
        assert difference(found[1:], small_bundle.local_net()(X)) < 1e-2
