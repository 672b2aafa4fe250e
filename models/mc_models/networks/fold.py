"""Merge batch normalisations into the convolutions and linear layers before them."""

from __future__ import annotations

import itertools
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_Module = TypeVar("_Module", bound=nn.Module)


def fold_norms(net: _Module) -> _Module:
    """Merge every pair of convolution or linear layer and batch norm, in place, in eval mode.

    A pair is two neighbouring children of one module. Outputs agree up to rounding.
    """
    net.eval()
    for module in net.modules():
        children = list(module.named_children())
        for (name, child), (next_name, follower) in itertools.pairwise(children):
            if isinstance(child, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
                fused: nn.Module = fuse_conv_bn_eval(child, follower)
            elif isinstance(child, nn.Linear) and isinstance(follower, nn.BatchNorm1d):
                fused = fuse_linear_bn_eval(child, follower)
            else:
                continue
            setattr(module, name, fused)
            setattr(module, next_name, nn.Identity())
    return net
