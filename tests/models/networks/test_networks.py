import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_models.networks.branches import cut_points, exit_names, insert_branches
from mc_models.networks.caffenet import NeighbourNorm, caffenet
from mc_models.networks.chains import Chain, torchvision_chain
from mc_models.networks.fold import fold_norms
from mc_models.networks.googlenet import googlenet
from mc_models.networks.net_spec import NetSpec
from mc_models.networks.nin import nin
from mc_models.networks.ops import count_ops
from mc_models.networks.resnet import resnet152
from mc_models.networks.sets import SETS, build_cloud, build_local
from torch import nn

SMALL = NetSpec(local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8, input_px=224)


def sums(ops, ends):
    return [sum(ops[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def greedy_fits(ops, n, limit):
    """True if `ops` fit into n blocks of at most `limit` each."""
    blocks, filled = 1, 0
    for count in ops:
        if count > limit:
            return False
        if filled + count > limit:
            blocks, filled = blocks + 1, 0
        filled += count
    return blocks <= n


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_cuts_are_whole_and_no_cut_has_a_smaller_largest_block(ops, data):
    n = data.draw(st.integers(1, len(ops)))
    ends = cut_points(ops, n)
    assert len(ends) == n
    assert ends[-1] == len(ops)
    assert all(a < b for a, b in zip([0, *ends], ends, strict=False))
    largest = max(sums(ops, ends))
    assert largest == 0 or not greedy_fits(ops, n, largest - 1)


def test_more_blocks_than_modules_is_an_error():
    with pytest.raises(ValueError, match="ask for 1 to 3"):
        cut_points([1, 2, 3], 4)


@pytest.mark.parametrize("name", SETS)
def test_no_block_of_either_set_is_much_above_its_share(name):
    net = build_cloud(SETS[name], 100).eval()
    x, counts = torch.zeros(1, 3, 224, 224), []
    for stage in net.stages:
        count, x = count_ops(stage, x)
        counts.append(count)
    assert max(counts) < 1.3 * sum(counts) / len(counts)


def test_a_norm_or_an_activation_stays_with_its_convolution():
    trunk = []
    for i in range(3):
        conv = nn.Conv2d(3 if i == 0 else 8, 8, 3, padding=1)
        trunk += [(f"conv{i}", conv), (f"bn{i}", nn.BatchNorm2d(8)), (f"act{i}", nn.Hardswish())]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    net = insert_branches(Chain(tuple(trunk), head), 3, 5, input_px=32)
    assert [[n for n, _ in stage.named_children()] for stage in net.stages] == [
        [f"conv{i}", f"bn{i}", f"act{i}"] for i in range(3)
    ]
    assert net.heads["final"] is head


def closed_form(net, x):
    """MACs of all convolutions and linear layers of `net` from their shapes."""
    total = 0

    def count(layer, _, y):
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            kernel = layer.kernel_size[0] * layer.kernel_size[1]
            total += layer.in_channels * kernel * y[0].numel() // layer.groups
        else:
            total += layer.in_features * layer.out_features

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(x)
    return total


@pytest.mark.parametrize("name", ["googlenet", "resnet152", "mobilenet_v3_large"])
def test_operations_of_complete_networks_equal_the_closed_form(name):
    chain = torchvision_chain(name, 10)
    net = nn.Sequential(*(module for _, module in chain.trunk), chain.head).eval()
    x = torch.zeros(1, 3, 224, 224)
    counted, _ = count_ops(net, x)
    assert counted == pytest.approx(closed_form(net, x), rel=0.01)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "step"), [(1, 1), (3, 1), (5, 2)])
def test_counted_operations_equal_the_closed_form(groups, kernel, step):
    conv = nn.Conv2d(8, 12, kernel, stride=step, padding=kernel // 2, groups=groups)
    count, y = count_ops(conv, torch.zeros(1, 8, 20, 20))
    assert count == 8 * kernel**2 * 12 * y.shape[2] * y.shape[3] // groups
    assert count_ops(nn.MaxPool2d(2), y)[0] == 0
    assert count_ops(nn.Linear(30, 7), torch.zeros(1, 30))[0] == 210


@pytest.mark.parametrize("ours", [googlenet, resnet152])
def test_at_full_width_a_cloud_net_is_the_published_one(ours):
    chain, theirs = ours(10, 1.0), torchvision_chain(ours.__name__, 10)
    assert [name for name, _ in chain.trunk] == [name for name, _ in theirs.trunk]
    for (_, module), (_, published) in zip(chain.trunk, theirs.trunk, strict=True):
        module.load_state_dict(published.state_dict())  # strict: names and shapes agree
    x = y = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for (_, module), (_, published) in zip(chain.trunk, theirs.trunk, strict=True):
            x, y = module.eval()(x), published.eval()(y)
    assert torch.allclose(x, y, atol=1e-4)


def test_resnet152_keeps_its_layers_when_narrow():
    def convolutions(chain):
        return sum(isinstance(m, nn.Conv2d) for _, top in chain.trunk for m in top.modules())

    narrow = resnet152(10, 0.125)
    # 50 blocks of three, the first, and the fit of four shortcuts; the linear layer is the 152nd
    assert convolutions(narrow) == 50 * 3 + 1 + 4
    assert sum(p.numel() for _, m in narrow.trunk for p in m.parameters()) < 2e6


def test_nin_at_full_width_has_the_published_shapes():
    with torch.device("meta"):
        net = nin(1000).eval()
        shapes = [tuple(p.shape) for n, p in net.named_parameters() if n.endswith("weight")]
        x, sides = torch.zeros(1, 3, 224, 224), {}
        for name, layer in zip(net.names, net.layers, strict=True):
            x = layer(x)
            sides[name] = x.shape[-1]
    assert shapes == [
        (96, 3, 11, 11), (96, 96, 1, 1), (96, 96, 1, 1),
        (256, 96, 5, 5), (256, 256, 1, 1), (256, 256, 1, 1),
        (384, 256, 3, 3), (384, 384, 1, 1), (384, 384, 1, 1),
        (1024, 384, 3, 3), (1024, 1024, 1, 1), (1000, 1024, 1, 1),
    ]  # fmt: skip
    assert [sides[f"conv{i}"] for i in range(1, 5)] == [54, 27, 13, 6]
    assert x.shape == (1, 1000)


def test_an_unknown_local_net_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'lenet'.*caffenet, nin"):
        build_local(NetSpec(local="lenet"), 10)


def test_caffenet_at_full_width_has_the_published_shapes():
    with torch.device("meta"):
        net = caffenet(1000, 1.0, 4096)
    shapes = [tuple(p.shape) for n, p in net.named_parameters() if n.endswith("weight")]
    assert shapes == [
        (96, 3, 11, 11),
        (256, 48, 5, 5),
        (384, 256, 3, 3),
        (384, 192, 3, 3),
        (256, 192, 3, 3),
        (4096, 9216),
        (4096, 4096),
        (1000, 4096),
    ]


@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_the_quick_normalisation_equals_torchs(beta):
    x = torch.randn(2, 16, 5, 5) * 30
    ours, theirs = NeighbourNorm(beta=beta), nn.LocalResponseNorm(5, beta=beta)
    assert torch.allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_exits_are_named_in_forward_order():
    net = build_cloud(SMALL, 7)
    assert net.exit_names == exit_names(5) == ("exit1", "exit2", "exit3", "exit4", "final")
    logits = net.eval().forward_all(torch.randn(2, 3, 64, 64))
    assert {name: tuple(v.shape) for name, v in logits.items()} == dict.fromkeys(
        net.exit_names, (2, 7)
    )


@pytest.mark.parametrize(
    ("edge", "spec"),
    [
        (lambda: caffenet(7, 0.1, 32, norm=True), SMALL),
        (lambda: nin(7, 0.1, norm=True), NetSpec(cloud="resnet152", cloud_width=0.1)),
    ],
)
def test_merging_norms_keeps_the_results(edge, spec):
    edge, cloud = edge(), build_cloud(spec, 7)
    x = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        edge.train()(x), cloud.train().forward_all(x[:, :, :64, :64])  # non-trivial statistics
        for net in (edge.eval(), cloud.eval()):
            before = net(x[:1])
            after = fold_norms(net)(x[:1])
            assert torch.allclose(before, after, atol=1e-4)
            assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in net.modules())
