"""Branch insertion: cut any chain of modules into blocks and put an exit behind each.

The network comes as modules with their operation counts. `cut_points` chooses the blocks, as even
in operations as the module boundaries allow; `BranchedNet` holds the blocks (stages) and one head
per stage. The last head is the network's own and is called "final".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d

from mc_models.ops import ChainShape

_SHALLOW_SIDE = 28  # maps above this side belong to a shallow stage


def cut_points(ops: Sequence[int], n: int) -> list[int]:
    """Ends (exclusive) of `n` non-empty blocks of `ops` whose largest sum is as small as can be.

    Linear partitioning by dynamic programming: best[k][i] is the least largest block when the
    first i modules form k blocks. The last end is always len(ops).
    """
    if not 1 <= n <= len(ops):
        raise ValueError(f"cannot cut {len(ops)} modules into {n} blocks; ask for 1 to {len(ops)}")
    before = [0]
    for count in ops:
        before.append(before[-1] + count)
    best: list[list[tuple[int, int]]] = [[(total, 0) for total in before]]
    for blocks in range(2, n + 1):
        row = [(before[-1] + 1, 0)] * (len(ops) + 1)
        for end in range(blocks, len(ops) + 1):
            row[end] = min(
                (max(best[-1][start][0], before[end] - before[start]), start)
                for start in range(blocks - 1, end)
            )
        best.append(row)
    ends = [len(ops)]
    for row in reversed(best[1:]):
        ends.append(row[ends[-1]][1])
    return ends[::-1]


def exit_names(n: int) -> tuple[str, ...]:
    """Names of `n` exits in forward order: exit1 .. exit(n-1), final."""
    return (*(f"exit{i}" for i in range(1, n)), "final")


class ExitHead(nn.Module):
    """A branch output layer: pool, convolutions, global average pool, linear.

    [n, channels, h, w] -> logits [n, classes]. A deep exit needs only a 1x1 convolution. An exit
    of a shallow stage (`shallow`) has seen little of the image, so its map is pooled and two 3x3
    convolutions look at a wider part, as BranchyNet's branches do.
    """

    def __init__(self, channels: int, hidden: int, classes: int, shallow: bool = False) -> None:
        super().__init__()
        if shallow:
            self.features = nn.Sequential(
                nn.MaxPool2d(3, 2, padding=1),  # 56 x 56 -> 28 x 28
                BasicConv2d(channels, hidden, kernel_size=3, stride=2, padding=1),  # 14 x 14
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


class BranchedNet(nn.Module):
    """Stages in forward order and one head behind each, by exit name."""

    def __init__(self, stages: Sequence[nn.Module], heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if len(stages) != len(heads):
            raise ValueError(f"{len(stages)} stages need as many heads, got {len(heads)}")
        self.stages = nn.ModuleList(stages)
        self.heads = nn.ModuleDict(dict(heads))
        self.exit_names = tuple(heads)

    def forward_all(self, x: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] of every exit, in forward order."""
        logits = {}
        for name, stage in zip(self.exit_names, self.stages, strict=True):
            x = stage(x)
            logits[name] = self.heads[name](x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, classes] of the last exit only."""
        for stage in self.stages:
            x = stage(x)
        final: Tensor = self.heads[self.exit_names[-1]](x)
        return final


def insert_branches(
    modules: Sequence[tuple[str, nn.Module]],
    shape: ChainShape,
    n: int,
    classes: int,
    hidden: int = 64,
) -> BranchedNet:
    """Cut a chain of named modules into `n` stages and put an exit behind each.

    `shape` holds operations, output channels and map sides of the modules (`ops.count_chain`).
    """
    ends = cut_points(shape.ops, n)
    stages: list[nn.Module] = []
    heads: dict[str, nn.Module] = {}
    for start, end, name in zip([0, *ends], ends, exit_names(n), strict=False):
        stage = nn.Sequential()
        for module_name, module in modules[start:end]:
            stage.add_module(module_name, module)
        stages.append(stage)
        channels, side = shape.channels[end - 1], shape.sides[end - 1]
        heads[name] = (
            FinalHead(channels, classes)
            if name == "final"
            else ExitHead(channels, hidden, classes, shallow=side > _SHALLOW_SIDE)
        )
    return BranchedNet(stages, heads)
