"""GoogLeNet, the cloud net of set A, from torchvision's blocks as a chain of modules.

Every channel count is the published one times `width`, so width 1.0 is the published network.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.googlenet import BasicConv2d, Inception

from mc_models.networks.chains import Chain
from mc_models.networks.heads import FinalHead, initialise

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection: table 1 of Szegedy et al. 2015
# (torchvision computes the "5x5" branch with 3x3 kernels)
INCEPTIONS: dict[str, tuple[int, int, int, int, int, int]] = {
    "inception3a": (64, 96, 128, 16, 32, 32),  # 256 x 28 x 28
    "inception3b": (128, 128, 192, 32, 96, 64),  # 480 x 28 x 28
    "inception4a": (192, 96, 208, 16, 48, 64),  # 512 x 14 x 14
    "inception4b": (160, 112, 224, 24, 64, 64),  # 512 x 14 x 14
    "inception4c": (128, 128, 256, 24, 64, 64),  # 512 x 14 x 14
    "inception4d": (112, 144, 288, 32, 64, 64),  # 528 x 14 x 14
    "inception4e": (256, 160, 320, 32, 128, 128),  # 832 x 14 x 14
    "inception5a": (256, 160, 320, 32, 128, 128),  # 832 x 7 x 7
    "inception5b": (384, 192, 384, 48, 128, 128),  # 1024 x 7 x 7
}


def _pool(kernel: int) -> nn.Module:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)


POOL_AFTER: dict[str, Callable[[], tuple[str, nn.Module]]] = {
    "inception3b": lambda: ("maxpool3", _pool(3)),  # 480 x 14 x 14
    "inception4e": lambda: ("maxpool4", _pool(2)),  # 832 x 7 x 7
}


def _concat(branches: tuple[int, ...], c: Callable[[int], int]) -> int:
    """Output channels of an inception block with the published branch widths `branches`."""
    ch1x1, _, ch3x3, _, ch5x5, pool = branches
    return c(ch1x1) + c(ch3x3) + c(ch5x5) + c(pool)


def googlenet(classes: int, width: float = 1.0) -> Chain:
    """GoogLeNet with fresh weights, under torchvision's names."""

    def c(published: int) -> int:
        return 8 * max(1, round(published * width / 8))  # whole vector registers

    trunk: list[tuple[str, nn.Module]] = [
        ("conv1", BasicConv2d(3, c(64), kernel_size=7, stride=2, padding=3)),  # 64 x 112 x 112
        ("maxpool1", _pool(3)),  # 64 x 56 x 56
        ("conv2", BasicConv2d(c(64), c(64), kernel_size=1)),  # 64 x 56 x 56
        ("conv3", BasicConv2d(c(64), c(192), kernel_size=3, padding=1)),  # 192 x 56 x 56
        ("maxpool2", _pool(3)),  # 192 x 28 x 28
    ]
    n_in = c(192)
    for name, branches in INCEPTIONS.items():
        trunk.append((name, Inception(n_in, *map(c, branches))))
        n_in = _concat(branches, c)
        if name in POOL_AFTER:
            trunk.append(POOL_AFTER[name]())
    for _, module in trunk:
        initialise(module)
    return Chain(tuple(trunk), FinalHead(n_in, classes))
