"""Network-in-Network, the local net of set B, as a flat list of named layers.

Lin, Chen and Yan 2014, in the ImageNet variant that its authors published for Caffe
(`nin_imagenet`): four convolutions, each followed by two 1 x 1 ones ("cccp"), and a global average
pool instead of fully connected layers. Shapes below are for width 1.0 and 224 x 224 input.
"""

from __future__ import annotations

from torch import nn

from mc_models.networks.local import LocalNet, conv_relu


def nin(classes: int, width: float = 1.0, dropout: float = 0.5, norm: bool = False) -> LocalNet:
    """Network-in-Network with the channels of every hidden layer scaled by `width`.

    `norm` adds batch normalisation behind each hidden convolution for training; `fold_norms` then
    merges it into the weights, so that the network that runs is the published one. The published
    ReLU on the class maps is left out, since it would discard negative evidence.
    """

    def c(published: int) -> int:
        return 8 * max(1, round(published * width / 8))  # whole vector registers

    def conv(n_in: int, n_out: int, kernel: int, pad: int = 0, step: int = 1) -> nn.Sequential:
        return conv_relu(n_in, n_out, kernel, pad, step=step, norm=norm)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)  # Caffe rounds up

    return LocalNet(
        [
            ("conv1", conv(3, c(96), 11, step=4)),  # 96 x 54 x 54
            ("cccp1", conv(c(96), c(96), 1)),  # 96 x 54 x 54
            ("cccp2", conv(c(96), c(96), 1)),  # 96 x 54 x 54
            ("pool1", pool()),  # 96 x 27 x 27
            ("conv2", conv(c(96), c(256), 5, pad=2)),  # 256 x 27 x 27
            ("cccp3", conv(c(256), c(256), 1)),  # 256 x 27 x 27
            ("cccp4", conv(c(256), c(256), 1)),  # 256 x 27 x 27
            ("pool2", pool()),  # 256 x 13 x 13
            ("conv3", conv(c(256), c(384), 3, pad=1)),  # 384 x 13 x 13
            ("cccp5", conv(c(384), c(384), 1)),  # 384 x 13 x 13
            ("cccp6", conv(c(384), c(384), 1)),  # 384 x 13 x 13
            ("pool3", pool()),  # 384 x 6 x 6
            ("drop", nn.Dropout(dropout)),
            ("conv4", conv(c(384), c(1024), 3, pad=1)),  # 1024 x 6 x 6
            ("cccp7", conv(c(1024), c(1024), 1)),  # 1024 x 6 x 6
            ("cccp8", nn.Conv2d(c(1024), classes, 1)),  # classes x 6 x 6
            ("pool4", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),  # classes
        ],
        any_size=True,
    )
