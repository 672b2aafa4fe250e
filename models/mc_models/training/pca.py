"""Start a features codec from the principal components of activations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.codec.feature_codec import FeatureCodec


@torch.no_grad()
def start_from_pca(codec: FeatureCodec, activations: Tensor) -> float:
    """Set both projections to the first principal components of `activations`' patches.

    Projected values then have mean 0 and variance 1. Returns the share of the variance that the
    components keep.
    """
    step, channels = codec.project.kernel_size[0], codec.project.out_channels
    patches = F.unfold(activations.float(), step, stride=step).transpose(1, 2).flatten(0, 1)
    mean = patches.mean(0)
    centred = patches - mean
    variance, axes = torch.linalg.eigh(centred.T @ centred / len(patches))
    kept, axes = variance.flip(0)[:channels].clamp(min=1e-8), axes.flip(1)[:, :channels]
    shape = (channels, activations.shape[1], step, step)
    project = (axes / kept.sqrt()).T
    assert codec.project.bias is not None
    assert codec.restore.bias is not None
    codec.project.weight.copy_(project.reshape(shape))
    codec.project.bias.copy_(-project @ mean)
    codec.restore.weight.copy_((axes * kept.sqrt()).T.reshape(shape))
    codec.restore.bias.copy_(mean.reshape(shape[1], -1).mean(1))
    return float(kept.sum() / variance.sum())
