"""Output layers: the head of a branch, and the classifier of GoogLeNet and ResNet."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d


class ExitHead(nn.Module):
    """A branch output layer: pool, convolutions, global average pool, linear.

    [n, channels, h, w] -> logits [n, classes]. A deep exit needs only a 1x1 convolution. Cells of
    a shallow map have a small receptive field, so with `shallow` the map is pooled and two 3x3
    convolutions widen the field, as in BranchyNet's branches.
    """

    def __init__(self, channels: int, hidden: int, classes: int, shallow: bool = False) -> None:
        super().__init__()
        if shallow:
            self.features = nn.Sequential(
                nn.MaxPool2d(3, 2, padding=1),  # channels x 28 x 28, of 56 x 56
                BasicConv2d(
                    channels, hidden, kernel_size=3, stride=2, padding=1
                ),  # hidden x 14 x 14
                BasicConv2d(hidden, hidden, kernel_size=3, padding=1),
            )
        else:
            self.features = nn.Sequential(BasicConv2d(channels, hidden, kernel_size=1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of an activation [n, channels, h, w]."""
        logits: Tensor = self.linear(self.pool(self.features(x)).flatten(1))
        return logits


class FinalHead(nn.Module):
    """The network's own classifier: global average pool, dropout, linear."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of an activation [n, channels, h, w]."""
        logits: Tensor = self.linear(self.dropout(self.pool(x).flatten(1)))
        return logits


def initialise(module: nn.Module) -> None:
    """Initialise every convolution of `module` by its fan-in (He et al. 2015)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
