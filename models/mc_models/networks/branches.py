"""Branch insertion: cut any chain of modules into blocks and put an exit behind each.

`cut_points` chooses blocks whose operation counts are as similar as the module boundaries allow.
`BranchedNet` holds the blocks (stages) and one head per stage. The last head is the network's own
classifier and is called "final". A norm or an activation stays with the module before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from mc_models.networks.chains import Chain
from mc_models.networks.heads import ExitHead, initialise
from mc_models.networks.ops import count_chain

_SHALLOW_SIDE = 28  # maps above this side belong to a shallow stage
# these stay with the module before: no exit between a convolution and its norm or activation
_FOLLOWERS = (
    nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU, nn.Dropout,
)  # fmt: skip


def cut_points(ops: Sequence[int], n: int) -> list[int]:
    """Ends (exclusive) of `n` non-empty blocks of `ops` with the smallest possible largest sum.

    Linear partitioning by dynamic programming: best[k][i] is the smallest possible largest
    sum when the first i modules form k blocks. The last end is always len(ops).
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


class BranchedNet(nn.Module):
    """Stages in forward order and one head behind each, by exit name."""

    def __init__(self, stages: Sequence[nn.Module], heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if len(stages) != len(heads):
            raise ValueError(f"{len(stages)} stages need {len(stages)} heads, got {len(heads)}")
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
    chain: Chain, n: int, classes: int, hidden: int = 64, input_px: int = 224
) -> BranchedNet:
    """Cut a chain into `n` stages and put an exit behind each, the chain's own head last.

    `hidden` is the width of the exits' convolutions. Raises ValueError if the chain has fewer than
    `n` modules.
    """
    units = _units(chain)
    shape = count_chain([nn.Sequential(*unit.values()) for unit in units], input_px)
    ends = cut_points(shape.ops, n)
    stages: list[nn.Module] = []
    heads: dict[str, nn.Module] = {}
    for start, end, name in zip([0, *ends], ends, exit_names(n), strict=False):
        stage = nn.Sequential()
        for unit in units[start:end]:
            for module_name, module in unit.items():
                stage.add_module(module_name.replace(".", "_"), module)
        stages.append(stage)
        channels, side = shape.channels[end - 1], shape.sides[end - 1]
        heads[name] = ExitHead(channels, hidden, classes, shallow=side > _SHALLOW_SIDE)
        initialise(heads[name])
    heads["final"] = chain.head
    return BranchedNet(stages, heads)


def _units(chain: Chain) -> list[dict[str, nn.Module]]:
    """The trunk's modules by name, grouped into runs that must not be cut."""
    units: list[dict[str, nn.Module]] = []
    for name, module in chain.trunk:
        if isinstance(module, _FOLLOWERS) and units:
            units[-1][name] = module
        else:
            units.append({name: module})
    return units
