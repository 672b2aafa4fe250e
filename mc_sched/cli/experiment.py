"""`mc-sched experiment`: the experiments of the paper, and further ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.experiments.findings import Findings
    from mc_sched.experiments.plan import Plan

NAME = "experiment"
HELP = "Repeat the experiments of the paper, and run further ones."
DESCRIPTIONS = {
    "figures": "execution time against QoR, the paper's figures 3 to 8",
    "table2": "E3 under QoR and QoS constraints, the paper's table 2",
    "case-study": "one task as a timeline, the paper's case study",
    "oracle": "every system against the oracle, on constant links and traces",
    "capacity": "number of edges that one cloud agent can serve, one by one and in batches",
    "fidelity": "real daemons against the simulator; needs an idle host",
    "all": "everything but fidelity, with one page of all results",
}
QUICK = {"tasks": 60, "seeds": 2, "max_edges": 100, "live_tasks": 120}
_EPILOG = """\
experiments:
{descriptions}

examples:
  mc-sched experiment figures --profile paper --out results
  mc-sched experiment oracle --traces my-traces --output json
  mc-sched experiment all --quick
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment`."""
    add = parser.add_argument
    add("experiment", metavar="EXPERIMENT", choices=DESCRIPTIONS, help="one of those listed below")
    add("--profile", choices=("paper", "host"), default="paper",
        help="paper: a Jetson TX1, a GTX 1080 Ti and ImageNet accuracies; host: the shipped "
        "bundles with times measured on this host (default: %(default)s)")  # fmt: skip
    add("--out", metavar="DIR", type=Path, default=Path("experiments"),
        help="directory for JSON, CSV and figures (default: %(default)s)")  # fmt: skip
    add("--privacy", choices=("features", "any"), default="features",
        help="payloads that may leave the device; the paper sends features (default: %(default)s)"
    )  # fmt: skip
    add("--traces", metavar="DIR", type=Path,
        help="directory of Mahimahi traces NAME.up and NAME.down, used beside the generated one"
    )  # fmt: skip
    add("--tasks", type=int, metavar="N", help="tasks per cell, system and seed (default: 150)")
    add("--seeds", type=int, metavar="N", help="simulated worlds per cell (default: 3)")
    add("--max-edges", type=int, metavar="N",
        help="largest number of edges in capacity (default: 10000; in all: 1000)")  # fmt: skip
    add("--live-tasks", type=int, metavar="N",
        help="tasks per scenario of fidelity (default: 600)")  # fmt: skip
    add("--jobs", type=int, metavar="N", help="parallel processes (default: one per core)")
    add("--quick", action="store_true", help="use small numbers, for a rough first result")
    add_output_option(parser)
    descriptions = (f"  {name:<12} {text}" for name, text in DESCRIPTIONS.items())
    parser.epilog = _EPILOG.format(descriptions="\n".join(descriptions))


def run(args: argparse.Namespace) -> int:
    """Run the experiments, write their files, and print their results."""
    from mc_sched.cli.output.progress import StageBars
    from mc_sched.experiments.findings import make_folder, write_findings
    from mc_sched.experiments.plan import EXPERIMENTS, SIMULATED
    from mc_sched.experiments.report import write_page
    from mc_sched.experiments.rows import Rows
    from mc_sched.experiments.worker_pool import cores, worker_pool

    check_range(args, "jobs", 1)
    check_range(args, "max-edges", 1, 10_000)
    check_range(args, "live-tasks", 50)
    plan, jobs = _plan(args), cores() if args.jobs is None else args.jobs
    if args.profile == "host":
        _measure_this_host()
    names = SIMULATED if args.experiment == "all" else (args.experiment,)
    folder = make_folder(args.out)
    with StageBars() as bars, worker_pool(jobs, bars) as pool:
        rows = Rows(plan.setting, plan.traces, pool)
        found = []
        for name in names:
            found.append(EXPERIMENTS[name](plan, rows, pool))
            write_findings(found[-1], folder)
    if args.experiment == "all":
        write_page(found, plan.setting, folder)
    _print(args, found, folder)
    return 0


def _measure_this_host() -> None:
    """Profile the shipped bundles on this host, unless their profiles exist."""
    from mc_models.bundle.files import shipped_names
    from mc_models.bundle.load import load_bundle
    from mc_models.inference.profile import PARTS
    from mc_models.inference.profile_store import host_profile

    from mc_sched.bundles.tables import has_profile

    for bundle in map(load_bundle, shipped_names()):
        for part in PARTS:
            if not has_profile(bundle, part):
                print_progress(f"measuring {bundle.name}'s {part} net on this host")
                host_profile(bundle, part, threads=1)
            if not has_profile(bundle, part):
                raise UserError(
                    f"this host was too busy to measure {bundle.name}'s {part} net; "
                    "try again when it is idle"
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
    max_edges = number("max_edges", MAX_EDGES_OF_ALL if args.experiment == "all" else MAX_EDGES)
    live_tasks = number("live_tasks", Plan.live_tasks)
    return Plan(setting, all_traces(args.traces), max_edges, live_tasks)


def _print(args: argparse.Namespace, found: list[Findings], folder: Path) -> None:
    if args.output == "json":
        reports: dict[str, Any] = {f.name: f.full_report() for f in found}
        print(json.dumps(reports if args.experiment == "all" else reports[args.experiment]))
        return
    for findings in found:
        print(findings.title)
        print_table(findings.table[0], findings.table[1:], numbers_from=2)
        for title, table in findings.more_tables:
            print(f"\n{title}:")
            print_table(table[0], table[1:], numbers_from=2)
        for note in findings.notes:
            print(note)
        print()
    print_progress(f"results are in {folder}")
