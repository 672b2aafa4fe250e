"""Training of the `features` codec; the networks around it stay as they are.

The codec starts from the principal components of training activations. Then both halves learn
under their own noise: every exit behind the cut shall answer as it does without a codec
(distillation, Hinton et al. 2015) and shall find the label (the task loss), while a message shall
tell as little as it can (the rate of an information bottleneck). The cloud net's weights are
frozen, so the jpeg path keeps its accuracy to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mc_models.bundle.rows import CodecRow
from mc_models.codec.cut import before_cut, behind_cut, count_edge_ops
from mc_models.codec.feature_codec import FEATURES, FeatureCodec
from mc_models.codec.quantise import information_nats
from mc_models.data.image_sets import DataError, ImageSet
from mc_models.data.preprocess import batch_input
from mc_models.networks.branches import BranchedNet
from mc_models.progress import OnStep
from mc_models.training.devices import mixed_precision, training_device
from mc_models.training.fit import Budget, fit
from mc_models.training.pca import start_from_pca

_PCA_IMAGES = 128
# generated images have their object near the centre; a folder's may have it anywhere
_BUDGET = Budget(steps=1800, full_steps=225)
_FOLDER_BUDGET = Budget(steps=240, full_steps=30, reach_px=1000)


@dataclass(frozen=True)
class CodecConfig:
    """Where to cut, what to send, and how long to train.

    Chosen on set A: at most 2 points of top-5 lost, and a reconstruction at most half as similar as
    one from jpeg (ARCHITECTURE.md).
    """

    stage: int = 1
    """The cloud goes on at this stage; the edge runs those before it."""
    channels: int = 8
    side: int = 28
    """Wished side of the message's map; the largest up to it that divides the activation's."""
    noise: float = 1.2
    """Standard deviation of the noise, where values reach from -3 to 3."""
    task_weight: float = 0.3
    """Weight of the task loss beside the distillation loss."""
    rate_weight: float = 2.5
    """Weight of what a value tells, in nats: what no exit needs is not worth telling."""
    budget: Budget = _BUDGET

    def on(self, generated: bool, seed: int) -> CodecConfig:
        """The same for generated images, or else for a folder's, from `seed`."""
        budget = _BUDGET if generated else _FOLDER_BUDGET
        return replace(self, budget=replace(budget, seed=seed))


def train_codec(
    net: BranchedNet, images: ImageSet, config: CodecConfig, on_step: OnStep | None = None
) -> tuple[FeatureCodec, CodecRow]:
    """A codec for the frozen `net`, and its table row. Raises DataError for an impossible cut."""
    if not 0 < config.stage < len(net.stages):
        last = len(net.stages) - 1
        raise DataError(f"no codec can cut before stage {config.stage}; choose 1 to {last}")
    net.eval().requires_grad_(False)
    torch.manual_seed(config.budget.seed)
    codec, row = _start(net, images, config)
    home, device = next(net.parameters()).device, training_device()
    net.to(device)
    codec.to(device)
    with torch.enable_grad():
        fit(codec, images, config.budget, _Loss(net, codec, config), on_step)
    net.to(home)
    return codec.to(home), row


@torch.no_grad()
def _start(
    net: BranchedNet, images: ImageSet, config: CodecConfig
) -> tuple[FeatureCodec, CodecRow]:
    """An untrained codec that fits the activation at the cut, set by its principal components."""
    activation = before_cut(net, config.stage, batch_input(images.images[:_PCA_IMAGES]))
    channels_in, side_in = activation.shape[1], activation.shape[-1]
    side = max(n for n in range(1, min(config.side, side_in) + 1) if side_in % n == 0)
    codec = FeatureCodec(channels_in, config.channels, side_in // side, config.noise)
    start_from_pca(codec, activation)
    edge_ops = count_edge_ops(net.stages[: config.stage], codec, images.images.shape[1])
    row = CodecRow(
        name=FEATURES,
        stage=config.stage,
        channels_in=channels_in,
        channels=config.channels,
        side=side,
        step=side_in // side,
        noise=config.noise,
        edge_ops=edge_ops,
    )
    return codec, row


class _Loss:
    """Distillation and task loss, the mean over the exits behind the cut; and the rate."""

    def __init__(self, net: BranchedNet, codec: FeatureCodec, config: CodecConfig) -> None:
        self._net, self._codec, self._config = net, codec, config

    def __call__(self, x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        stage = self._config.stage
        with torch.no_grad(), mixed_precision(x.device):
            activation = before_cut(self._net, stage, x).float()
            wanted = behind_cut(self._net, stage, activation)
        projected = self._codec.project(activation)
        restored = self._codec.receive(self._codec.noisy(projected, rng))
        with mixed_precision(x.device):
            answers = behind_cut(self._net, stage, restored)
        losses = [
            _divergence(logits.float(), wanted[name].float())
            + self._config.task_weight * F.cross_entropy(logits.float(), labels)
            for name, logits in answers.items()
        ]
        rate = information_nats(projected, self._codec.noise)
        return torch.stack(losses).mean() + self._config.rate_weight * rate


def _divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the answers from the wanted ones, mean over the batch."""
    return F.kl_div(
        logits.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean"
    )
