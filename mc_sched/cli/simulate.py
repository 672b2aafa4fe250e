"""`mc-sched simulate`: run a scenario in virtual time."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.constraints import add_overrides, check_overrides
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range

if TYPE_CHECKING:
    from mc_sched.obs.report.running_summary import RunningSummary
    from mc_sched.obs.report.summary import RunInfo, TaskResult
    from mc_sched.sim.scenario import EdgeGroupConfig, Scenario, Tables
    from mc_sched.sim.spec import EdgeSpec

NAME = "simulate"
HELP = "Simulate a scenario in virtual time, with the scheduler of the agents."
_EPILOG = """\
The options from --policy to --accuracy replace the constraints of every edge in the scenario.

example:
  mc-sched simulate configs/scenarios/outages.yaml --mode performance
"""
PROGRESS_EVERY = 500
"""Tasks between two updates of the progress bar."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `simulate`."""
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="YAML file; see configs/scenarios")
    add_overrides(parser)
    add("--seed", type=int, metavar="N", help="seed of all random draws (default: the scenario's)")
    add("--tasks", type=int, metavar="N", help="tasks per edge (default: the scenario's)")
    add_output_option(parser)
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Simulate and print the summary."""
    from mc_sched.bundles.scenario_tables import tables_of
    from mc_sched.cli.output.summary import print_summary
    from mc_sched.sim.scenario import load_scenario

    check_overrides(args)
    check_range(args, "tasks", 1)
    scenario = overridden(load_scenario(args.scenario), args)
    summary = simulated(scenario, tables_of(scenario), Path(args.scenario).parent)
    if args.output == "json":
        print(json.dumps(summary))
    else:
        print_summary(summary, f"{args.scenario}, simulated")
    return 0


def overridden(scenario: Scenario, args: argparse.Namespace) -> Scenario:
    """Return the scenario with the given options in place of its own values, for every edge."""

    def given(**values: Any) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value is not None}

    from mc_sched.core.task import Mode

    stream = given(deadline=args.deadline, accuracy=args.accuracy, tasks=args.tasks)
    group = given(policy=args.policy, mode=args.mode and Mode(args.mode))
    edges = [
        edge.model_copy(update={**group, "stream": edge.stream.model_copy(update=stream)})
        for edge in scenario.edges
    ]
    return scenario.model_copy(update={"edges": edges, **given(seed=args.seed)})


def simulated(scenario: Scenario, tables: Tables, folder: Path) -> dict[str, Any]:
    """Simulate the scenario and return its summary, with one per group if there are several."""
    from mc_sched.cli.output.progress import StageBars
    from mc_sched.obs.report.running_summary import RunningSummary
    from mc_sched.sim.build import world_of
    from mc_sched.sim.world import simulate

    world = world_of(scenario, tables, folder)
    overall, groups = RunningSummary(), {group.name: RunningSummary() for group in scenario.edges}
    of_edge = _groups_of_edges(scenario)
    total = sum(group.count * group.stream.tasks for group in scenario.edges)
    with StageBars() as bars:

        def enter(edge: EdgeSpec, result: TaskResult) -> None:
            overall.add(result)
            if len(groups) > 1:
                groups[of_edge[edge.edge_id]].add(result)
            if overall.tasks % PROGRESS_EVERY == 0 or overall.tasks == total:
                bars("simulating", overall.tasks, total)

        duration_s = simulate(world, enter)
    return _summary(scenario, overall, groups, duration_s)


def _groups_of_edges(scenario: Scenario) -> dict[str, str]:
    return {edge_id: group.name for group in scenario.edges for edge_id in group.edge_ids()}


def _summary(
    scenario: Scenario,
    overall: RunningSummary,
    groups: dict[str, RunningSummary],
    duration_s: float,
) -> dict[str, Any]:
    summary = overall.summary(_info(scenario.edges, duration_s))
    if len(groups) > 1:
        summary["groups"] = {
            group.name: groups[group.name].summary(_info([group], duration_s))
            for group in scenario.edges
        }
    return summary


def _info(groups: list[EdgeGroupConfig], duration_s: float) -> RunInfo:
    from mc_sched.obs.report.summary import RunInfo

    def named(*names: str) -> str:
        return "+".join(dict.fromkeys(names))

    return RunInfo(
        policy=named(*(group.policy for group in groups)),
        mode=named(*(group.mode.value for group in groups)),
        link=named(*("none" if group.alone else group.link.name for group in groups)),
        duration_s=duration_s,
        idle_w=sum(group.energy.idle_w * group.count for group in groups),
    )
