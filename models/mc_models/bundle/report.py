"""report.png: a bundle's accuracy against its operations, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_models.bundle.load import Bundle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_FILE = "report.png"
# Okabe and Ito's palette, distinguishable with any colour vision
_TOP5, _TOP1, _INK = "#0072B2", "#D55E00", "#333333"
_GOPS = 1e9
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


def exit_ops(bundle: Bundle) -> tuple[int, ...]:
    """Operations (MACs) from the image to the answer of every exit, in forward order."""
    trunk, ops = 0, []
    for stage, row in zip(bundle.stages, bundle.exits, strict=True):
        trunk += stage.ops
        ops.append(trunk + row.head_ops)
    return tuple(ops)


def write_report(bundle: Bundle, codec: str = "jpeg") -> Path:
    """Draw report.png in the bundle's folder and return its path."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        gops = [ops / _GOPS for ops in exit_ops(bundle)]
        _curve(axes, gops, [100 * row.top5[codec] for row in bundle.exits], "top-5", _TOP5)
        _curve(axes, gops, [100 * row.top1[codec] for row in bundle.exits], "top-1", _TOP1)
        _local(axes, bundle)
        _label_exits(axes, gops, bundle, codec)
        _finish(axes, bundle, codec)
        path = bundle.path / REPORT_FILE
        figure.savefig(path, dpi=200, metadata={"Software": None})
    return path


def _curve(
    axes: Axes, gops: Sequence[float], percent: Sequence[float], name: str, colour: str
) -> None:
    axes.plot(gops, percent, "o-", color=colour, lw=1.6, ms=5, label=f"exits, {name}")


def _local(axes: Axes, bundle: Bundle) -> None:
    """The local net: a star for each accuracy."""
    local = bundle.local
    gops = sum(layer.ops for layer in local.layers) / _GOPS
    for value, name, colour in ((local.top5, "top-5", _TOP5), (local.top1, "top-1", _TOP1)):
        axes.plot(gops, 100 * value, "*", color=colour, mec="white", mew=0.5, ms=13,
                  label=f"local net, {name}")  # fmt: skip


def _label_exits(axes: Axes, gops: Sequence[float], bundle: Bundle, codec: str) -> None:
    for x, row in zip(gops, bundle.exits, strict=True):
        axes.annotate(
            f"{row.name}\n{100 * row.top5[codec]:.1f}", (x, 100 * row.top5[codec]),
            xytext=(0, 7), textcoords="offset points", ha="center", color=_INK, fontsize=7.5,
        )  # fmt: skip


def _finish(axes: Axes, bundle: Bundle, codec: str) -> None:
    """Scales, titles and legend."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(0, bottom - 2), min(top, 100) + 0.12 * (top - bottom))
    axes.set_yticks([tick for tick in axes.get_yticks() if tick <= 100])
    axes.set_xlim(left=0)
    axes.set_ylabel("accuracy (%)")
    axes.set_title(
        f"{bundle.name}: {_title(bundle.cloud_name)} with {len(bundle.exits)} exits, "
        f"local net {_title(bundle.local.name)}",
        loc="left", fontsize=10, fontweight="bold",
    )  # fmt: skip
    count = bundle.measured.get("count", 0)
    axes.set_xlabel(
        "operations per image (billion multiply-accumulates)\n"
        f"{count:,} held-out images of {len(bundle.labels)} classes, sent as {codec}"
    )
    axes.figure.legend(loc="outside lower center", ncols=4, frameon=False, handletextpad=0.4)


def _title(network: str) -> str:
    """A network's name in the spelling of its paper."""
    published = {
        "caffenet": "CaffeNet", "googlenet": "GoogLeNet", "nin": "Network-in-Network",
        "resnet152": "ResNet-152",
    }  # fmt: skip
    return published.get(network, network)
