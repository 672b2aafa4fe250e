"""Training of the `features` codec for a trained, frozen cloud net.

The codec starts from the principal components of training activations. Then both halves train
under the codec's noise with three losses: every exit behind the cut shall answer as it does without
a codec (distillation, Hinton et al. 2015) and shall find the label (the task loss), and a message
shall carry as little information as possible (the rate of an information bottleneck). The cloud
net's weights are frozen, so its accuracy on jpeg does not change.
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
# the object is near the centre of generated images, and anywhere in a folder's
_BUDGET = Budget(steps=1800, full_steps=225)
_FOLDER_BUDGET = Budget(steps=240, full_steps=30, reach_px=1000)


@dataclass(frozen=True)
class CodecConfig:
    """The cut, the size of the messages, and the training.

    The defaults were chosen on set A so that at most 2 points of top-5 are lost and a
    reconstruction is at most half as similar to the original as one from jpeg.
    """

    stage: int = 1
    """The cloud continues at this stage; the edge runs those before it."""
    channels: int = 8
    side: int = 28
    """Largest side of the message's map; the side used divides the activation's."""
    noise: float = 1.2
    """Standard deviation of the noise; values are within -3 to 3."""
    task_weight: float = 0.3
    """Weight of the task loss beside the distillation loss."""
    rate_weight: float = 2.5
    """Weight of the information per value, in nats, so that messages omit what no exit needs."""
    budget: Budget = _BUDGET

    def on(self, generated: bool, seed: int) -> CodecConfig:
        """This configuration with the budget for generated images or a folder, and `seed`."""
        budget = _BUDGET if generated else _FOLDER_BUDGET
        return replace(self, budget=replace(budget, seed=seed))


def train_codec(
    net: BranchedNet, images: ImageSet, config: CodecConfig, on_step: OnStep | None = None
) -> tuple[FeatureCodec, CodecRow]:
    """Train a codec for the frozen `net`; return it with its table row. Raises DataError."""
    if not 0 < config.stage < len(net.stages):
        last = len(net.stages) - 1
        raise DataError(f"the codec cannot cut before stage {config.stage}; choose 1 to {last}")
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
    """A codec for the activation at the cut, initialised with its principal components."""
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
    """Distillation and task loss, averaged over the exits behind the cut, plus the rate."""

    def __init__(self, net: BranchedNet, codec: FeatureCodec, config: CodecConfig) -> None:
        self._net, self._codec, self._config = net, codec, config

    def __call__(self, x: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        stage = self._config.stage
        with torch.no_grad(), mixed_precision(x.device):
            activation = before_cut(self._net, stage, x).float()
            targets = behind_cut(self._net, stage, activation)
        projected = self._codec.project(activation)
        restored = self._codec.receive(self._codec.noisy(projected, rng))
        with mixed_precision(x.device):
            answers = behind_cut(self._net, stage, restored)
        losses = [
            _divergence(logits.float(), targets[name].float())
            + self._config.task_weight * F.cross_entropy(logits.float(), labels)
            for name, logits in answers.items()
        ]
        rate = information_nats(projected, self._codec.noise)
        return torch.stack(losses).mean() + self._config.rate_weight * rate


def _divergence(logits: Tensor, targets: Tensor) -> Tensor:
    """Kullback-Leibler divergence of answers from targets, averaged over the batch."""
    return F.kl_div(
        logits.log_softmax(1), targets.log_softmax(1), log_target=True, reduction="batchmean"
    )
