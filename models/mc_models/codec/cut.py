"""A cloud net cut in two behind one of its stages: what the edge runs, what the cloud runs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mc_models.codec.feature_codec import FeatureCodec
from mc_models.networks.branches import BranchedNet
from mc_models.networks.ops import count_ops


def before_cut(net: BranchedNet, stage: int, x: Tensor) -> Tensor:
    """Run the stages before stage `stage` (from 0) on network input."""
    for module in net.stages[:stage]:
        x = module(x)
    return x


def behind_cut(net: BranchedNet, stage: int, x: Tensor) -> dict[str, Tensor]:
    """Logits [n, classes] of every exit behind the cut; `x` is the input of stage `stage`."""
    logits = {}
    for name, module in list(zip(net.exit_names, net.stages, strict=True))[stage:]:
        x = module(x)
        logits[name] = net.heads[name](x)
    return logits


def count_edge_ops(stages: Iterable[nn.Module], codec: FeatureCodec, input_px: int) -> int:
    """Operations (MACs) of the edge's half of the codec for one image."""
    x = torch.zeros(1, 3, input_px, input_px)
    total = 0
    for module in (*stages, codec.project):
        ops, x = count_ops(module, x)
        total += ops
    return total
