"""The network sets: pairs of a local net and a cloud net, with their widths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mc_models.networks.backbone import load_backbone
from mc_models.networks.branches import BranchedNet, insert_branches
from mc_models.networks.caffenet import caffenet
from mc_models.networks.chains import Chain, ChainError, torchvision_chain
from mc_models.networks.googlenet import googlenet
from mc_models.networks.local import LocalNet
from mc_models.networks.net_spec import NetSpec
from mc_models.networks.nin import nin
from mc_models.networks.resnet import resnet152

# CaffeNet keeps its published convolutions, so that the local net has CaffeNet's running time; the
# other widths keep the shipped weights of both sets below 32 MB in all (set A takes 14 of them)
SETS: dict[str, NetSpec] = {
    "a": NetSpec(),
    "b": NetSpec(local="nin", local_width=0.25, cloud="resnet152", cloud_width=0.25, exits=8),
}
# (spec, classes, with training-time norms)
LOCAL_NETS: dict[str, Callable[[NetSpec, int, bool], LocalNet]] = {
    "caffenet": lambda s, classes, norm: caffenet(classes, s.local_width, s.local_fc, norm=norm),
    "nin": lambda s, classes, norm: nin(classes, s.local_width, norm=norm),
}
# (classes, width); any other name is one of torchvision's, at the published width
CLOUD_NETS: dict[str, Callable[[int, float], Chain]] = {
    "googlenet": googlenet,
    "resnet152": resnet152,
}


def build_local(spec: NetSpec, classes: int, norm: bool = False) -> LocalNet:
    """The local net with fresh weights; `norm` adds training-time batch normalisation."""
    if spec.local not in LOCAL_NETS:
        raise ValueError(f"'{spec.local}' is not a local net; choose from {', '.join(LOCAL_NETS)}")
    return LOCAL_NETS[spec.local](spec, classes, norm)


def build_cloud(spec: NetSpec, classes: int, backbone: Path | None = None) -> BranchedNet:
    """The cloud net with fresh weights, cut into `spec.exits` stages of similar operations.

    `backbone` is a file with torchvision's ImageNet weights for the trunk.
    """
    chain = _cloud_chain(spec, classes)
    if backbone is not None:
        load_backbone(chain, spec.cloud, backbone)
    return insert_branches(chain, spec.exits, classes, spec.head_hidden, spec.input_px)


def _cloud_chain(spec: NetSpec, classes: int) -> Chain:
    if spec.cloud in CLOUD_NETS:
        return CLOUD_NETS[spec.cloud](classes, spec.cloud_width)
    if spec.cloud_width != 1.0:
        raise ChainError(
            f"{spec.cloud} is available only at its published width; set the width to 1"
        )
    return torchvision_chain(spec.cloud, classes)
