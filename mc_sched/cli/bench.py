"""`mc-sched bench`: measured figures, each against a baseline of the same run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mc_sched.errors import UserError

NAME = "bench"
HELP = "Measure this machine: what the scheduler costs, how it gives up, how well it foresees."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench`."""
    jobs = parser.add_subparsers(dest="job", metavar="WHAT", required=True)
    overhead = jobs.add_parser(
        "overhead",
        help="stages, gRPC and scheduling against a plain forward pass in one process",
        epilog="example: mc-sched bench overhead --output json",
    )
    overhead.add_argument("--rounds", type=int, default=100, help="default %(default)s")
    give_up = jobs.add_parser(
        "give-up",
        help="what the cloud still does after a give-up",
        epilog="example: mc-sched bench give-up --tasks 1000",
    )
    give_up.add_argument("--tasks", type=int, default=1000, help="default %(default)s")
    nets = jobs.add_parser(
        "nets",
        help="the prepared networks against plain torch, stages against one forward pass",
        epilog="example: mc-sched bench nets --output json",
    )
    nets.add_argument("--rounds", type=int, default=100, help="default %(default)s")
    nets.add_argument("--images", type=int, default=2000, metavar="N",
        help="held-out images for the top-5 difference, default %(default)s")  # fmt: skip
    nets.add_argument("--threads", type=int, default=1, help="CPU threads, default %(default)s")
    nets.add_argument("--bundle", help="name or directory, default: every shipped bundle")
    simulator = jobs.add_parser(
        "simulator",
        help="tasks a second in virtual time, a long run against short ones, memory",
        epilog="example: mc-sched bench simulator --output json",
    )
    simulator.add_argument("--tasks", type=int, default=1_000_000, metavar="N",
        help="of the long run, default %(default)s")  # fmt: skip
    simulator.add_argument("--short", type=int, default=10_000, metavar="N",
        help="of the short runs, default %(default)s")  # fmt: skip
    simulator.add_argument("--output", choices=("text", "json"), default="text")
    predictors = jobs.add_parser(
        "predictors",
        help="forecasts against what happened, undisturbed and under a script of disturbances",
        epilog="example: mc-sched bench predictors --tasks 1000 --picture predictors.png",
    )
    _add_predictor_options(predictors)
    logging = jobs.add_parser(
        "logging",
        help="what logging costs a task, whether it keeps up, how soon a million lines answer",
        epilog="example: mc-sched bench logging --output json",
    )
    logging.add_argument("--rounds", type=int, default=300, help="default %(default)s")
    logging.add_argument("--lines", type=int, default=1_000_000, metavar="N",
        help="of the store that is asked, default %(default)s")  # fmt: skip
    for job in (overhead, give_up, predictors, logging):
        job.add_argument("--bundle", default="set-a", help="name or directory, default %(default)s")
    for job in (overhead, give_up, nets, predictors):
        job.add_argument("--seed", type=int, default=0)
    for job in (overhead, give_up, nets, predictors, logging):
        job.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = "example: mc-sched bench give-up --output json"


def _add_predictor_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tasks", type=int, default=1000, metavar="N",
        help="on each site, undisturbed and again disturbed, default %(default)s")  # fmt: skip
    add("--fps", type=float, default=6.0, help="tasks a second on each site, default %(default)s")
    add("--traces", nargs=2, type=Path, metavar=("UP", "DOWN"),
        help="Mahimahi traces for the link to follow, default: generated ones")  # fmt: skip
    add("--picture", metavar="FILE", help="draw forecasts against what happened (.png, .svg, .pdf)")
    add("--keep-logs", type=Path, metavar="DIR", help="keep both agents' event logs here")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.job == "predictors":
        return _predictors(args)
    jobs = {"overhead": _overhead, "give-up": _give_up, "nets": _nets, "simulator": _simulator,
            "logging": _logging}  # fmt: skip
    report = jobs[args.job](args)
    if args.output == "json":
        print(json.dumps(report))
    else:
        _print(report)
    return 0


def _overhead(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.overhead import measure_overhead

    if args.rounds < 5:
        raise UserError("--rounds must be at least 5", exit_code=2)
    return asyncio.run(measure_overhead(args.bundle, args.rounds, _progress))


def _give_up(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.give_up import measure_give_up

    if args.tasks < 1:
        raise UserError("--tasks must be at least 1", exit_code=2)
    return asyncio.run(measure_give_up(args.bundle, args.tasks, args.seed, _progress)).report()


def _predictors(args: argparse.Namespace) -> int:
    from mc_sched.bench.forecast_figures import only_scores, report, rows
    from mc_sched.bench.predictors import Plan, measure_predictors
    from mc_sched.cli.tables import print_table
    from mc_sched.obs.report.figure import check_figure
    from mc_sched.obs.report.score_figure import draw_scores

    if args.tasks < 4 or args.fps <= 0:
        raise UserError("--tasks must be at least 4, --fps above 0", exit_code=2)
    if args.picture:
        check_figure(args.picture)
    traces = tuple(args.traces) if args.traces else None
    plan = Plan(args.bundle, args.tasks, args.fps, args.seed, traces)
    scores = asyncio.run(measure_predictors(plan, _progress, args.keep_logs))
    if args.output == "json":
        print(json.dumps(report(scores)))
    else:
        print_table(rows(scores))
    if args.picture:
        draw_scores(only_scores(scores), Path(args.picture))
    return 0


def _nets(args: argparse.Namespace) -> dict[str, Any]:
    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import BundleError, shipped_names
    from mc_models.data.image_sets import DataError
    from mc_models.evaluation.evaluate import evaluation_images

    from mc_sched.bench.nets import measure_nets

    if args.rounds < 5 or args.images < 1 or args.threads < 1:
        raise UserError("--rounds must be at least 5, --images and --threads 1", exit_code=2)
    try:
        bundles = [load_bundle(name) for name in [args.bundle] if name] or [
            load_bundle(name) for name in shipped_names()
        ]
        return measure_nets(
            bundles,
            lambda bundle: evaluation_images(bundle, "generated", args.images, args.seed),
            args.rounds,
            args.threads,
            _progress,
        )
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error


def _simulator(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.simulator import measure_simulator

    if args.short < 100 or args.tasks < args.short:
        raise UserError("--short must be at least 100, and --tasks not below it", exit_code=2)
    return measure_simulator(args.tasks, args.short, _progress)


def _logging(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.logs import measure_logging

    if args.rounds < 5 or args.lines < 1000:
        raise UserError("--rounds must be at least 5, --lines at least 1000", exit_code=2)
    return asyncio.run(measure_logging(args.bundle, args.rounds, args.lines, _progress))


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(report: dict[str, Any], indent: str = "") -> None:
    for key, value in report.items():
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            _print(value, indent + "  ")
        else:
            print(f"{indent}{key}: {value:.3f}" if isinstance(value, float) else
                  f"{indent}{key}: {value}")  # fmt: skip
