import pytest
import torch
from mc_models.inference.fuse import fuse
from mc_models.inference.kernels import BandedNorm, InFloat32, PackedConv, PackedLinear, packed
from mc_models.networks.caffenet import NeighbourNorm, caffenet
from mc_models.networks.fold import fold_norms
from mc_models.networks.net_spec import NetSpec
from mc_models.networks.sets import build_cloud
from torch import fx, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v3_small, resnet18
from torchvision.models.resnet import Bottleneck

SMALL = NetSpec(local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
HAS_PACKED = packed(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 2, 2), relu=False) is not None
needs_packed = pytest.mark.skipif(not HAS_PACKED, reason="this torch has no oneDNN operators")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def image(px=96, count=1):
    return torch.randn(count, 3, px, px).contiguous(memory_format=torch.channels_last)


def called(piece):
    """The calls of a fused piece in order: types of layers and kernels, or functions."""
    module = piece.__self__
    if not isinstance(module, fx.GraphModule):
        return [type(module)]
    steps = [node for node in module.graph.nodes if node.op not in ("placeholder", "output")]
    return [
        type(module.get_submodule(node.target)) if node.op == "call_module"
        else type(getattr(node.target, "__self__", node.target))
        for node in steps
    ]  # fmt: skip


NETS = {
    "googlenet": lambda: build_cloud(SMALL, 7),
    "resnet": lambda: resnet18(num_classes=7),
    "mobilenet": lambda: mobilenet_v3_small(num_classes=7),
}


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_a_fused_network_gives_the_same_logits_for_one_image_and_for_many(name, pack):
    net = fold_norms(NETS[name]().train())
    fused = fuse(net, image(), torch.float32, pack, gives_logits=True)
    for x in (image(), image(count=3)):
        assert torch.allclose(fused(x), net(x), atol=1e-4)


@pytest.mark.parametrize("pack", [False, True])
def test_every_layer_of_the_local_net_gives_the_same(pack):
    net = fold_norms(caffenet(7, 0.1, 32, norm=True))
    x = image(224)
    for layer in net.layers:
        fused = fuse(layer, x, torch.float32, pack)
        expected = layer(x.clone())
        assert torch.allclose(fused(x.clone()), expected, atol=1e-4)
        x = expected


@needs_packed
def test_a_residual_block_becomes_one_call_per_convolution():
    block = fold_norms(Bottleneck(32, 8)).to(memory_format=torch.channels_last)
    x = torch.randn(1, 32, 14, 14).contiguous(memory_format=torch.channels_last)
    fused = fuse(block, x, torch.float32, pack=True)
    assert called(fused) == [PackedConv] * 3
    assert torch.allclose(fused(x), block(x), atol=1e-5)


@needs_packed
def test_a_sum_of_other_shapes_stays_a_sum():
    class Broadcasting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bias = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 96)

        def forward(self, x):
            return F.relu(self.bias(x) + self.conv(x))

    piece, x = Broadcasting().eval(), image()
    assert torch.allclose(fuse(piece, x, torch.float32, pack=True)(x), piece(x), atol=1e-4)


@needs_packed
def test_a_relu_is_not_merged_if_the_sum_has_other_users():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            y = self.conv(x)
            return F.relu(y) - y

    piece, x = Both().eval(), image()
    assert torch.allclose(fuse(piece, x, torch.float32, pack=True)(x), piece(x), atol=1e-5)


@needs_packed
def test_a_linear_layer_with_dropout_becomes_one_call():
    piece = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.ReLU(inplace=True), nn.Dropout(0.5))
    x = torch.randn(1, 3, 4, 4)
    fused = fuse(piece.eval(), x, torch.float32, pack=True)
    assert called(fused) == [nn.Flatten, PackedLinear]
    assert torch.allclose(fused(x), piece(x), atol=1e-5)


@needs_packed
@pytest.mark.parametrize(
    "options", [{"padding_mode": "reflect", "padding": 1}, {"padding": "same"}]
)
def test_a_convolution_that_onednn_does_not_know_stays_torchs(options):
    conv, x = nn.Conv2d(3, 4, 3, **options).eval(), image(16)
    fused = fuse(conv, x, torch.float32, pack=True)
    assert called(fused) == [nn.Conv2d]
    assert torch.equal(fused(x), conv(x))


def test_without_the_operators_packing_changes_nothing(monkeypatch):
    monkeypatch.delattr(torch.ops, "mkldnn", raising=False)
    monkeypatch.setattr(torch.ops, "mkldnn", object(), raising=False)
    conv, x = nn.Conv2d(3, 4, 3).eval(), image(16)
    assert packed(conv, x, relu=True) is None
    assert called(fuse(conv, x, torch.float32, pack=True)) == [nn.Conv2d]


def test_the_layer_that_makes_logits_stays_float32():
    head = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))
    fused = fuse(head.eval(), image(), torch.bfloat16, pack=False, gives_logits=True)
    logits = fused(image().bfloat16())
    assert logits.dtype is torch.float32
    assert called(fused)[-1] is InFloat32


def test_the_weights_that_make_logits_are_not_rounded():
    layer, x = nn.Linear(4, 7).eval(), torch.randn(1, 4).bfloat16()
    fused = fuse(layer, x.float(), torch.bfloat16, pack=True, gives_logits=True)
    assert torch.equal(fused(x), layer(x.float()))


def test_fusing_leaves_the_piece_as_it_was():
    piece = fold_norms(build_cloud(SMALL, 7)).stages[0]
    before = {name: tensor.clone() for name, tensor in piece.state_dict().items()}
    fuse(piece, image(), torch.bfloat16, pack=True)
    after = piece.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_module_that_cannot_be_traced_runs_in_the_new_precision():
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.conv(x) if x.sum() > 0 else self.conv(-x)

    piece, x = Deciding().eval(), image()
    y = fuse(piece, x, torch.bfloat16, pack=True)(x.bfloat16())
    assert y.dtype is torch.bfloat16
    assert torch.allclose(y.float(), piece(x), atol=0.1)
    assert piece.conv.weight.dtype is torch.float32


@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_the_banded_norm_equals_torchs(beta):
    x = torch.randn(2, 16, 5, 5) * 30
    banded = BandedNorm(NeighbourNorm(beta=beta), x, torch.float32).forward
    assert torch.allclose(banded(x), nn.LocalResponseNorm(5, beta=beta)(x), rtol=1e-4, atol=1e-5)


def test_the_banded_norm_survives_squares_beyond_half_precision():
    x = torch.full((1, 8, 2, 2), 1000.0, dtype=torch.float16)
    y = BandedNorm(NeighbourNorm(), x, torch.float16).forward(x)
    expected = NeighbourNorm()(x.float())
    assert y.dtype is torch.float16
    assert torch.allclose(y.float(), expected, rtol=2e-3)
