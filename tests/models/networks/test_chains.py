import pytest
import torch
from mc_models.networks.branches import insert_branches
from mc_models.networks.chains import ChainError, as_chain, torchvision_chain
from mc_models.networks.ops import count_ops
from torch import nn


def with_statistics(net, px):
    """`net` with norms that are not the identity, so that a missing one is noticed."""
    torch.manual_seed(0)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, px, px))
    return net.eval()


@pytest.mark.parametrize("name", ["googlenet", "resnet152", "mobilenet_v3_large"])
def test_a_network_without_code_of_its_own_gets_even_blocks_and_exits(name):
    net = insert_branches(torchvision_chain(name, 7), 4, 7).eval()
    x, stages, modules = torch.zeros(1, 3, 224, 224), [], []
    for stage in net.stages:
        before = len(modules)
        for module in stage:
            count, x = count_ops(module, x)
            modules.append(count)
        stages.append(sum(modules[before:]))
    # no cut can promise less: a block ends at most one module after its even share
    assert max(stages) <= sum(modules) / 4 + max(modules)
    with torch.no_grad():
        logits = net.forward_all(torch.randn(2, 3, 64, 64))
    assert [tuple(v.shape) for v in logits.values()] == [(2, 7)] * 4


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "mnasnet0_5"])
def test_the_branched_network_still_computes_what_the_network_does(name):
    from torchvision.models import get_model

    original = with_statistics(get_model(name, weights=None, num_classes=7), 64)
    net = insert_branches(as_chain(original), 3, 7).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(net(x), original(x), atol=1e-4)


def test_auxiliary_heads_are_left_out():
    from torchvision.models import GoogLeNet

    chain = as_chain(GoogLeNet(num_classes=7, aux_logits=True, init_weights=False))
    assert not [name for name, _ in chain.trunk if name.startswith("aux")]
    assert [name for name, _ in chain.head.named_children()] == ["avgpool", "dropout", "fc"]


def test_a_network_keeps_its_mode():
    from torchvision.models import resnet18

    net = resnet18()
    as_chain(net, 64)
    assert net.training


class Doubled(nn.Module):
    """Computes something between its modules."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.pool(2 * self.conv(x)).flatten(1))


class Twice(nn.Module):
    """Runs one module twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(self.conv(x))


def test_a_network_that_is_not_a_chain_is_named():
    with pytest.raises(ChainError, match="Doubled is not a chain: its output"):
        as_chain(Doubled(), 32)
    with pytest.raises(
        ChainError, match="Twice is not a chain: it runs its module conv more than once"
    ):
        as_chain(Twice(), 32)
    with pytest.raises(ChainError, match="DenseNet"):
        torchvision_chain("densenet121", 7)
    with pytest.raises(ChainError, match="no classifier 'lenet'"):
        torchvision_chain("lenet", 7)
