"""CaffeNet, the local net of set A, as a flat list of named layers.

Caffe's reference model (BVLC `bvlc_reference_caffenet`): AlexNet's layers with pooling before
normalisation, and convolutions 2, 4 and 5 in two groups. Shapes below are for width 1.0 and
224 x 224 input (the padding of 2 in conv1 gives the published 55 x 55 map).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mc_models.networks.local import LocalNet, conv_relu


class NeighbourNorm(nn.Module):
    """Local response normalisation over channels, as `nn.LocalResponseNorm` computes it.

    The windowed sum over channels is a difference of running sums, which is several times faster
    on a CPU than the pooling that torch uses.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Normalised activation, same shape [n, c, h, w]."""
        half = self.size // 2
        square = nn.functional.pad(x * x, (0, 0, 0, 0, half, half))
        channels = x.shape[1]
        total = sum(
            (square[:, i : i + channels] for i in range(1, self.size)), square[:, :channels]
        )
        scale = 1.0 + (self.alpha / self.size) * total
        if self.beta == 0.75:  # two square roots instead of a power: 4 times faster
            root = torch.sqrt(scale)
            return x / (root * torch.sqrt(root))
        return x / scale.pow(self.beta)


def caffenet(
    classes: int,
    width: float = 1.0,
    fc: int = 4096,
    dropout: float | None = None,
    norm: bool = False,
) -> LocalNet:
    """CaffeNet with every convolution's channels scaled by `width` and hidden size `fc`.

    `dropout` defaults to the published 0.5, reduced in proportion if `fc` is below 4096, since a
    narrow layer loses too much by it. `norm` adds batch normalisation behind each convolution for
    training; `fold_norms` then merges it into the weights, so that the network that runs is
    CaffeNet as published.
    """
    if dropout is None:
        dropout = 0.5 * min(1.0, fc / 4096)

    def c(published: int) -> int:
        return 16 * max(1, round(published * width / 16))  # whole registers in both groups

    def conv(
        n_in: int, n_out: int, kernel: int, pad: int, groups: int = 1, step: int = 1
    ) -> nn.Sequential:
        return conv_relu(n_in, n_out, kernel, pad, groups, step, norm)

    return LocalNet(
        [
            ("conv1", conv(3, c(96), 11, 2, step=4)),  # 96 x 55 x 55
            ("pool1", nn.MaxPool2d(3, 2)),  # 96 x 27 x 27
            ("norm1", NeighbourNorm()),  # 96 x 27 x 27
            ("conv2", conv(c(96), c(256), 5, 2, groups=2)),  # 256 x 27 x 27
            ("pool2", nn.MaxPool2d(3, 2)),  # 256 x 13 x 13
            ("norm2", NeighbourNorm()),  # 256 x 13 x 13
            ("conv3", conv(c(256), c(384), 3, 1)),  # 384 x 13 x 13
            ("conv4", conv(c(384), c(384), 3, 1, groups=2)),  # 384 x 13 x 13
            ("conv5", conv(c(384), c(256), 3, 1, groups=2)),  # 256 x 13 x 13
            ("pool5", nn.MaxPool2d(3, 2)),  # 256 x 6 x 6
            ("fc6", nn.Sequential(nn.Flatten(), *_hidden(c(256) * 36, fc, dropout, norm))),  # 4096
            ("fc7", nn.Sequential(*_hidden(fc, fc, dropout, norm))),  # 4096
            ("fc8", nn.Linear(fc, classes)),  # classes
        ]
    )


def _hidden(n_in: int, n_out: int, dropout: float, norm: bool) -> list[nn.Module]:
    linear = nn.Linear(n_in, n_out)
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    norms = [nn.BatchNorm1d(n_out)] if norm else []
    return [linear, *norms, nn.ReLU(inplace=True), nn.Dropout(dropout)]
