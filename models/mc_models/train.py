"""Training of a set's two networks, each with checkpoints, from a seed.

The cloud net trains on all its exits at once (`joint`, one weighted loss) or in rounds
(`multi-round`, the paper's way: the first block with its head, then the next block and head merged
onto the trained ones, in forward order). Most epochs see the centre crop of the image at its own
scale, which costs a fraction of the full frame; the last ones see the full frame, so that pooled
statistics fit the input that the deployed network gets. The learning rate follows one cycle over
the crop epochs and decays over the full-frame ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mc_models.branches import BranchedNet
from mc_models.data import ImageSet
from mc_models.networks.local import EdgeNet
from mc_models.preprocess import PIXEL_MEAN, PIXEL_SCALE
from mc_models.textures import TEXTURES

Strategy = Literal["joint", "multi-round"]
Net = EdgeNet | BranchedNet


@dataclass(frozen=True)
class TrainConfig:
    """How one network trains. `crop_px` 0 means the full frame in every epoch."""

    epochs: int = 12
    full_epochs: float = 0.5
    crop_px: int = 112
    batch: int = 32
    peak_lr: float = 3e-3
    full_lr: float = 1e-3
    weight_decay: float = 0.02
    smoothing: float = 0.03
    clip_norm: float = 5.0
    strategy: Strategy = "joint"
    final_weight: float = 3.0
    """Weight of the last exit in the joint loss during the full-frame epochs; else all count 1."""
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """After each step: where training stands."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Moment:
    """Where in the run a step lies: share done in [0, 1), and the phase."""

    done: float
    full_frame: bool


@dataclass(frozen=True)
class Plan:
    """Steps of both phases for a training set of `count` images."""

    per_epoch: int
    crop_steps: int
    full_steps: int

    @classmethod
    def of(cls, config: TrainConfig, count: int) -> Plan:
        """The plan of `config` for `count` images."""
        per_epoch = max(1, count // config.batch)
        return cls(per_epoch, config.epochs * per_epoch, round(config.full_epochs * per_epoch))

    @property
    def steps(self) -> int:
        """All steps of the run."""
        return self.crop_steps + self.full_steps

    def learning_rate(self, step: int, config: TrainConfig) -> float:
        """One cycle (warm up for 15 %, then cosine), then a cosine decay from `full_lr`."""
        if step >= self.crop_steps:
            part = (step - self.crop_steps) / max(1, self.full_steps)
            return config.full_lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))
        part, warm = step / self.crop_steps, 0.15
        if part < warm:
            return config.peak_lr * (0.05 + 0.95 * part / warm)
        return config.peak_lr * (
            0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (part - warm) / (1 - warm)))
        )


def train(
    net: Net,
    data: ImageSet,
    config: TrainConfig,
    checkpoint: Path | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[int], None] = lambda _: None,
) -> Net:
    """Train `net` on `data`; resumes from `checkpoint` if that file exists."""
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=config.weight_decay)
    plan = Plan.of(config, len(data))
    start = _resume(checkpoint, net, optimizer)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for step in range(start, plan.steps):
        epoch, place = divmod(step, plan.per_epoch)
        if place == 0 or step == start:
            order = _epoch_order(config.seed, epoch, len(data))
        rows = order[place * config.batch : (place + 1) * config.batch]
        torch.manual_seed(_key(config.seed, step, 2))  # dropout repeats after a resume, too
        _set_rate(optimizer, plan.learning_rate(step, config))
        moment = Moment(step / plan.steps, full_frame=step >= plan.crop_steps)
        crop_px = 0 if moment.full_frame else config.crop_px
        x = augment(images[rows], crop_px, _rng(config.seed, step))
        loss = _step(net, x, labels[rows], optimizer, config, moment, data.generated)
        on_step(Progress(step + 1, plan.steps, loss))
        if place == plan.per_epoch - 1 or step == plan.steps - 1:
            _save(checkpoint, net, optimizer, step + 1)
            on_epoch(epoch)
    net.eval()
    return net


def _step(
    net: Net,
    x: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    moment: Moment,
    grouped: bool,
) -> float:
    net.train()
    loss = _loss(net, x, labels, config, moment, grouped)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
    optimizer.step()
    return loss.item()


def _loss(
    net: Net, x: Tensor, labels: Tensor, config: TrainConfig, moment: Moment, grouped: bool
) -> Tensor:
    """Mean loss over the exits that train now."""
    if isinstance(net, EdgeNet):
        return class_loss(net(x), labels, config.smoothing, grouped)
    count = len(net.stages)
    if config.strategy == "multi-round":
        last = min(count - 1, int(moment.done * count))
        for stage in net.stages[: last + 1]:
            x = stage(x)
        return class_loss(net.heads[net.exit_names[last]](x), labels, config.smoothing, grouped)
    losses = [
        class_loss(logits, labels, config.smoothing, grouped)
        for logits in net.forward_all(x).values()
    ]
    last_weight = config.final_weight if moment.full_frame else 1.0
    weights = torch.tensor([1.0] * (count - 1) + [last_weight])
    return (torch.stack(losses) * weights).sum() / weights.sum()


def class_loss(logits: Tensor, labels: Tensor, smoothing: float, grouped: bool) -> Tensor:
    """Cross-entropy of the class; for generated images also of its shape and its texture.

    The probability of a shape is the sum over its ten classes, so no layer is added. Classes that
    share a shape or texture learn from each other's images, which speeds up the first epochs.
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    if not grouped:
        return loss
    log_p = logits.log_softmax(1).view(len(logits), -1, len(TEXTURES))  # [n, shapes, textures]
    shape = F.nll_loss(log_p.logsumexp(2), labels // len(TEXTURES))
    texture = F.nll_loss(log_p.logsumexp(1), labels % len(TEXTURES))
    return loss + 0.5 * (shape + texture)


def augment(images: Tensor, crop_px: int, rng: torch.Generator) -> Tensor:
    """Batch input float32 [n, 3, px, px] of uint8 [n, h, w, 3]: near-centre crop, random mirror."""
    size = images.shape[1]
    if 0 < crop_px < size:
        reach = min(5, (size - crop_px) // 2)
        shift = torch.randint(-reach, reach + 1, (2,), generator=rng).tolist()
        top, left = ((size - crop_px) // 2 + s for s in shift)
        images = images[:, top : top + crop_px, left : left + crop_px]
    x = images.permute(0, 3, 1, 2).float().sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
    mirrored = torch.rand(len(x), generator=rng) < 0.5
    x[mirrored] = x[mirrored].flip(3)
    return x.contiguous(memory_format=torch.channels_last)


def _key(*parts: int) -> int:
    """One seed from several numbers."""
    value = 0
    for part in parts:
        value = value * 1_000_003 + part
    return value


def _rng(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(_key(*parts))


def _epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=_rng(seed, epoch, 1))


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _resume(path: Path | None, net: Net, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint if there is one; the number of steps already done."""
    if path is None or not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _save(path: Path | None, net: Net, optimizer: torch.optim.Optimizer, step: int) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(
        {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, partial
    )
    partial.replace(path)  # a crash while writing leaves the last good checkpoint


__all__: Sequence[str] = ("Plan", "Progress", "TrainConfig", "augment", "class_loss", "train")
