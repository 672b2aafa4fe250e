"""The base of every local net: a flat list of named layers that run in order."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class LocalNet(nn.Module):
    """Named layers that, run in order, give logits [n, classes].

    `any_size` is True if the net accepts images of other sizes than its own, because no layer
    depends on the size of the map.
    """

    def __init__(
        self, named_layers: Sequence[tuple[str, nn.Module]], any_size: bool = False
    ) -> None:
        super().__init__()
        self.names = tuple(name for name, _ in named_layers)
        self.layers = nn.ModuleList(layer for _, layer in named_layers)
        self.any_size = any_size

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, 3, px, px]."""
        for layer in self.layers:
            x = layer(x)
        return x


def conv_relu(
    n_in: int,
    n_out: int,
    kernel: int,
    pad: int = 0,
    groups: int = 1,
    step: int = 1,
    norm: bool = False,
) -> nn.Sequential:
    """Convolution and ReLU; `norm` puts batch normalisation between them, for training."""
    conv = nn.Conv2d(n_in, n_out, kernel, stride=step, padding=pad, groups=groups)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    norms = [nn.BatchNorm2d(n_out)] if norm else []
    return nn.Sequential(conv, *norms, nn.ReLU(inplace=True))
