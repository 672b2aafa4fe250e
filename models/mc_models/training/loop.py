"""The training loop of one network, from a seed, with checkpoints.

All exits of the cloud net train at once with one weighted loss (`joint`), or in rounds as in the
paper (`multi-round`): the first block with its head, then the next block and head added to the
trained ones, in forward order. Earlier heads continue to train with their blocks, to stay in step
with them. Most epochs see small images, at a fraction of the time of full frames; the last ones see
full frames, so that pooled statistics fit the input of the deployed network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mc_models.data.image_sets import ImageSet
from mc_models.networks.branches import BranchedNet
from mc_models.networks.local import LocalNet
from mc_models.training.augment import training_batch
from mc_models.training.devices import mixed_precision, training_device
from mc_models.training.losses import exits_loss
from mc_models.training.schedule import Moment, Plan, TrainConfig

Net = LocalNet | BranchedNet


@dataclass(frozen=True)
class Progress:
    """State of a run after a step. `done` grows to `work`, in full images; see `Plan.work`."""

    step: int
    done: int
    work: int
    loss: float


def plan_of(net: Net, config: TrainConfig, count: int) -> Plan:
    """The plan that `train` follows for `count` images."""
    return Plan(config, count, exits=len(net.stages) if isinstance(net, BranchedNet) else 1)


def train(
    net: Net,
    data: ImageSet,
    config: TrainConfig,
    checkpoint: Path | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[int], None] = lambda _: None,
    device: torch.device | None = None,
) -> Net:
    """Train `net` on `data`; resume from `checkpoint` if that file exists."""
    device = training_device() if device is None else device
    net.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=config.weight_decay)
    plan = plan_of(net, config, len(data))
    start = _resume(checkpoint, net, optimizer, device)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    for step in range(start, plan.steps):
        epoch, batch = divmod(step, plan.per_epoch)
        if batch == 0 or step == start:
            order = _epoch_order(config.seed, epoch, len(data))
        rows = order[batch * config.batch : (batch + 1) * config.batch]
        torch.manual_seed(_key(config.seed, step, 2))  # the same dropout after a resume
        moment = plan.at(step)
        rng = _rng(config.seed, step)
        x = training_batch(images[rows], moment.phase, config.mirror, rng, device)
        loss = _step(net, x, labels[rows].to(device), optimizer, config, moment, data.generated)
        on_step(Progress(step + 1, plan.work(step + 1), plan.work(plan.steps), loss))
        if batch == plan.per_epoch - 1 or step == plan.steps - 1:
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
    for group in optimizer.param_groups:
        group["lr"] = moment.learning_rate
    with mixed_precision(x.device):
        logits = _logits(net, x, moment.exits)
    last_weight = config.final_weight if moment.last_phase else 1.0
    loss = exits_loss(logits, labels, last_weight, config.smoothing, grouped)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
    optimizer.step()
    return loss.item()


def _logits(net: Net, x: Tensor, exits: int) -> list[Tensor]:
    """Logits of the first `exits` exits, or of the local net's single output."""
    if isinstance(net, LocalNet):
        return [net(x)]
    logits = []
    for name, stage in zip(net.exit_names[:exits], net.stages, strict=False):
        x = stage(x)
        logits.append(net.heads[name](x))
    return logits


def _key(*parts: int) -> int:
    """Combine several numbers to one seed."""
    value = 0
    for part in parts:
        value = value * 1_000_003 + part
    return value


def _rng(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(_key(*parts))


def _epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=_rng(seed, epoch, 1))


def _resume(
    path: Path | None, net: Net, optimizer: torch.optim.Optimizer, device: torch.device
) -> int:
    """Load a checkpoint if there is one; return the number of steps already done."""
    if path is None or not path.exists():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
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
