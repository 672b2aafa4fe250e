"""Figure of goodput against offered load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mc_sched.bench.load.report import NAMES
from mc_sched.obs.report.figure import undated

# colours that colour-blind readers can tell apart (Okabe and Ito 2008)
_STYLES = {"cloud": ("#0072B2", "o"), "edge": ("#009E73", "s"), "fcfs": ("#D55E00", "^")}


def draw_load(report: dict[str, Any], path: Path) -> None:
    """Draw goodput, and the share of the peak, in the format of the file's suffix.

    Raise ValueError for an unknown suffix, OSError if the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (rates, shares) = pyplot.subplots(1, 2, figsize=(10, 4))
    try:
        for kind, name in NAMES.items():
            colour, marker = _STYLES[kind]
            style: dict[str, Any] = {"color": colour, "marker": marker, "ms": 5, "label": name}
            server = report[kind]
            loads = [point["load"] for point in server["points"]]
            goodput = [point["goodput"] for point in server["points"]]
            rates.plot([point["offered"] for point in server["points"]], goodput, **style)
            shares.plot(loads, [rate / server["peak_per_s"] for rate in goodput], **style)
        rates.set_xlabel("offered, tasks per second")
        rates.set_ylabel("in time, tasks per second")
        rates.legend(frameon=False, fontsize=9)
        shares.set_xlabel("offered, as a multiple of the peak goodput")
        shares.set_ylabel("in time, as a share of the peak")
        for axes in (rates, shares):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
            axes.set_ylim(bottom=0)
            axes.grid(color="#DDDDDD", lw=0.5)
        shares.set_xticks([point["load"] for point in report["cloud"]["points"]])
        figure.tight_layout()
        figure.savefig(path, dpi=150, metadata=undated(path))
    finally:
        pyplot.close(figure)
