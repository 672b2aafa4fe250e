"""The network sets: which local net and which cloud net a bundle holds, and at what width."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from mc_models.branches import BranchedNet, insert_branches
from mc_models.networks.caffenet import EdgeNet, caffenet
from mc_models.networks.googlenet import googlenet_modules
from mc_models.ops import count_chain


@dataclass(frozen=True)
class NetSpec:
    """What it takes to build both networks of a set again, stored in the bundle."""

    local: str = "caffenet"
    local_width: float = 0.25
    local_fc: int = 512
    cloud: str = "googlenet"
    cloud_width: float = 0.375
    exits: int = 5
    head_hidden: int = 64
    input_px: int = 224

    def as_dict(self) -> dict[str, object]:
        """Plain values for bundle.json."""
        return asdict(self)


SETS: dict[str, NetSpec] = {"a": NetSpec()}


def build_local(spec: NetSpec, classes: int, norm: bool = False) -> EdgeNet:
    """The local net with fresh weights; `norm` adds training-time batch normalisation."""
    return caffenet(classes, spec.local_width, spec.local_fc, norm=norm)


def build_cloud(spec: NetSpec, classes: int) -> BranchedNet:
    """The cloud net with fresh weights, cut into `spec.exits` stages of similar operations."""
    modules = googlenet_modules(spec.cloud_width)
    for _, module in modules:
        _initialise(module)
    shape = count_chain([m for _, m in modules], spec.input_px)
    net = insert_branches(modules, shape, spec.exits, classes, spec.head_hidden)
    for head in net.heads.values():
        _initialise(head)
    return net


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
