"""ResNet-152, the cloud net of set B, from torchvision's blocks as a chain of modules.

Every channel count is the published one times `width`, so width 1.0 is the published network
(He et al. 2016, table 1). The depth is always 152 layers.
"""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import Bottleneck

from mc_models.networks.chains import Chain
from mc_models.networks.heads import FinalHead

# bottleneck blocks of each layer, and their inner channels
DEPTHS, PLANES = (3, 8, 36, 3), (64, 128, 256, 512)


def resnet152(classes: int, width: float = 1.0) -> Chain:
    """ResNet-152 with fresh weights; shapes below are for width 1.0 and 224 x 224 input."""

    def c(published: int) -> int:
        return 8 * max(1, round(published * width / 8))  # whole vector registers

    trunk: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, c(64), 7, stride=2, padding=3, bias=False)),  # 64 x 112 x 112
        ("bn1", nn.BatchNorm2d(c(64))),
        ("relu", nn.ReLU(inplace=True)),
        ("maxpool", nn.MaxPool2d(3, stride=2, padding=1)),  # 64 x 56 x 56
    ]
    n_in = c(64)
    for layer, (depth, planes) in enumerate(zip(DEPTHS, PLANES, strict=True), start=1):
        for block in range(depth):  # 256 x 56 x 56, 512 x 28 x 28, 1024 x 14 x 14, 2048 x 7 x 7
            stride = 2 if block == 0 and layer > 1 else 1
            trunk.append((f"layer{layer}.{block}", _bottleneck(n_in, c(planes), stride)))
            n_in = c(planes) * Bottleneck.expansion
    for _, module in trunk:
        _initialise(module)
    return Chain(tuple(trunk), FinalHead(n_in, classes, dropout=0.0))


def _bottleneck(n_in: int, planes: int, stride: int) -> nn.Module:
    """One residual block; if the shape changes, a 1 x 1 convolution adapts the shortcut."""
    n_out = planes * Bottleneck.expansion
    shortcut = None
    if stride != 1 or n_in != n_out:
        shortcut = nn.Sequential(
            nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
        )
    block: nn.Module = Bottleneck(n_in, planes, stride, shortcut)
    return block


def _initialise(module: nn.Module) -> None:
    """Initialise as He et al. 2015; each block starts as the identity (Goyal et al. 2017)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, Bottleneck):
            nn.init.zeros_(layer.bn3.weight)
