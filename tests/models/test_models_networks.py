import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mc_models.branches import cut_points, exit_names
from mc_models.fold import fold_norms
from mc_models.networks.caffenet import NeighbourNorm, caffenet
from mc_models.networks.googlenet import googlenet_modules
from mc_models.ops import count_ops
from mc_models.sets import NetSpec, build_cloud
from torch import nn

SMALL = NetSpec(local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8, input_px=224)


def sums(ops, ends):
    return [sum(ops[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def greedy_fits(ops, n, limit):
    """Whether `ops` fit into n blocks of at most `limit` each."""
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


def test_blocks_of_set_a_are_even():
    net = build_cloud(NetSpec(), 100)
    x, counts = torch.zeros(1, 3, 224, 224), []
    for stage in net.stages:
        count, x = count_ops(stage, x)
        counts.append(count)
    assert max(counts) < 1.5 * min(counts)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("kernel", "step"), [(1, 1), (3, 1), (5, 2)])
def test_counted_operations_equal_the_closed_form(groups, kernel, step):
    conv = nn.Conv2d(8, 12, kernel, stride=step, padding=kernel // 2, groups=groups)
    count, y = count_ops(conv, torch.zeros(1, 8, 20, 20))
    assert count == 8 * kernel**2 * 12 * y.shape[2] * y.shape[3] // groups
    assert count_ops(nn.MaxPool2d(2), y)[0] == 0
    assert count_ops(nn.Linear(30, 7), torch.zeros(1, 30))[0] == 210


def test_googlenet_at_full_width_is_the_published_one():
    from torchvision.models import GoogLeNet

    published = GoogLeNet(num_classes=10, aux_logits=False, init_weights=False)
    wanted = {k: v.shape for k, v in published.state_dict().items() if not k.startswith("fc")}
    ours = {
        f"{name}.{k}": v.shape
        for name, module in googlenet_modules(1.0)
        for k, v in module.state_dict().items()
    }
    assert ours == wanted
    order = [n for n, _ in published.named_children() if n not in ("avgpool", "dropout", "fc")]
    assert [name for name, _ in googlenet_modules(1.0)] == [n for n in order if "aux" not in n]


def test_googlenet_at_full_width_computes_as_torchvision_does():
    from torchvision.models import GoogLeNet

    published = GoogLeNet(num_classes=10, aux_logits=False, init_weights=False).eval()
    trunk = nn.Sequential()
    for name, module in googlenet_modules(1.0):
        trunk.add_module(name, module)
    trunk.load_state_dict(published.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        y = trunk.eval()(x)
        logits = published.fc(y.mean((2, 3)))
        assert torch.allclose(logits, published(x), atol=1e-4)


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


def test_merging_norms_keeps_the_results():
    edge = caffenet(7, 0.1, 32, norm=True)
    cloud = build_cloud(SMALL, 7)
    x = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        edge.train()(x), cloud.train().forward_all(x[:, :, :64, :64])  # non-trivial statistics
        for net in (edge.eval(), cloud.eval()):
            before = net(x[:1])
            after = fold_norms(net)(x[:1])
            assert torch.allclose(before, after, atol=1e-4)
            assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d) for m in net.modules())
