"""`mc-sched experiment`: the paper's figures, table and case study, the oracle, capacity."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.cli.demands import require
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.experiments.findings import Findings
    from mc_sched.experiments.plan import Plan

NAME = "experiment"
HELP = "Repeat the paper's figures, its table and case study, and measure what goes past them."
WHAT = {
    "figures": "execution time against QoR, the paper's figures 3 to 8",
    "table2": "E3 under QoR and QoS constraints, the paper's table 2",
    "case-study": "the paper's case study, one task as a timeline",
    "oracle": "every system against the oracle, on constant links and on traces",
    "capacity": "how many edges one cloud agent carries",
    "fidelity": "the real daemons against the simulator; needs this host to be idle",
    "all": "everything but fidelity, and a page with all of it",
}
QUICK = {"tasks": 60, "seeds": 2, "max_edges": 100, "live_tasks": 120}
_EPILOG = """\
experiments:
{what}

examples:
  mc-sched experiment figures --profile paper --out results
  mc-sched experiment oracle --traces my-traces --output json
  mc-sched experiment all --quick
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment`."""
    add = parser.add_argument
    add("what", metavar="WHAT", choices=WHAT, help="see below")
    add("--profile", choices=("paper", "host"), default="paper",
        help="paper: a Jetson TX1, a GTX 1080 Ti, ImageNet accuracies; host: the shipped bundles "
        "with this machine's times (default: %(default)s)")  # fmt: skip
    add("--out", metavar="DIR", type=Path, default=Path("experiments"),
        help="for JSON, CSV and pictures, default: %(default)s")  # fmt: skip
    add("--privacy", choices=("features", "any"), default="features",
        help="what may leave the device, default: %(default)s, as in the paper")  # fmt: skip
    add("--traces", metavar="DIR", type=Path,
        help="Mahimahi traces NAME.up and NAME.down beside the generated one")  # fmt: skip
    add("--tasks", type=int, metavar="N", help="per cell, system and seed, default: 150")
    add("--seeds", type=int, metavar="N", help="worlds per cell, default: 3")
    add("--max-edges", type=int, metavar="N", help="of capacity, default: 10000, of all: 1000")
    add("--live-tasks", type=int, metavar="N", help="of each scenario of fidelity, default: 600")
    add("--jobs", type=int, metavar="N", help="processes, default: one per core")
    add("--quick", action="store_true", help="small numbers: a first look, far from exact")
    add("--output", choices=("text", "json"), default="text")
    parser.epilog = _EPILOG.format(
        what="\n".join(f"  {name:<12} {help_}" for name, help_ in WHAT.items())
    )


def run(args: argparse.Namespace) -> int:
    """Do the experiments, write their files, print them."""
    from mc_sched.cli.progress import StageBars
    from mc_sched.experiments.findings import prepared, write
    from mc_sched.experiments.plan import EXPERIMENTS, SIMULATED
    from mc_sched.experiments.report import write_page
    from mc_sched.experiments.rows import Rows
    from mc_sched.experiments.worker_pool import cores, crew_of

    plan, jobs = _plan(args), cores() if args.jobs is None else args.jobs
    require(jobs >= 1, "--jobs must be at least 1")
    if args.profile == "host":
        _measure_this_host()
    names = SIMULATED if args.what == "all" else (args.what,)
    folder = prepared(args.out)
    with StageBars() as bars, crew_of(jobs, bars) as crew:
        rows = Rows(plan.setting, plan.traces, crew)
        found = []
        for name in names:
            found.append(EXPERIMENTS[name](plan, rows, crew))
            write(found[-1], folder)
    if args.what == "all":
        write_page(found, plan.setting, folder)
    _print(args, found, folder)
    return 0


def _measure_this_host() -> None:
    """Profile the shipped bundles here, where that was not done before."""
    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import shipped_names
    from mc_models.inference.profile import PARTS
    from mc_models.inference.profile_store import host_profile

    from mc_sched.bundles.tables import has_profile

    for bundle in map(load_bundle, shipped_names()):
        for part in PARTS:
            if not has_profile(bundle, part):
                print(f"measuring {bundle.name}'s {part} net on this host", file=sys.stderr)
                host_profile(bundle, part, threads=1)
            if not has_profile(bundle, part):
                raise UserError(
                    f"this host was too busy to measure {bundle.name}'s {part} net; "
                    "try again when it rests"
                )


def _plan(args: argparse.Namespace) -> Plan:
    from mc_sched.core.task import Privacy
    from mc_sched.experiments.capacity import MAX_EDGES, MAX_EDGES_OF_ALL
    from mc_sched.experiments.plan import Plan
    from mc_sched.experiments.setting import Setting, checked
    from mc_sched.experiments.traces import all_traces

    def number(name: str, default: int) -> int:
        given: int | None = getattr(args, name)
        return (QUICK[name] if args.quick else default) if given is None else given

    tasks, seeds = number("tasks", Setting.tasks), number("seeds", Setting.seeds)
    setting = checked(Setting(args.profile, Privacy(args.privacy), tasks, seeds))
    most = MAX_EDGES_OF_ALL if args.what == "all" else MAX_EDGES
    max_edges = number("max_edges", most)
    live_tasks = number("live_tasks", Plan.live_tasks)
    require(1 <= max_edges <= 10_000, "--max-edges must be 1 to 10000")
    require(live_tasks >= 50, "--live-tasks must be at least 50")
    return Plan(setting, all_traces(args.traces), max_edges, live_tasks)


def _print(args: argparse.Namespace, found: list[Findings], folder: Path) -> None:
    if args.output == "json":
        reports: dict[str, Any] = {f.name: f.whole_report() for f in found}
        print(json.dumps(reports if args.what == "all" else reports[args.what]))
        return
    from mc_sched.cli.tables import print_table

    for findings in found:
        print(findings.title)
        print_table(findings.table)
        for shows, table in findings.more:
            print(f"\n{shows}:")
            print_table(table)
        for note in findings.notes:
            print(note)
        print()
    print(f"results are in {folder}", file=sys.stderr)
