"""`mc-sched bench`: measurements of this machine, each against a baseline in the same run."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range, require
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import print_fields, print_table
from mc_sched.errors import UserError

NAME = "bench"
HELP = "Benchmark the scheduler and its parts on this machine, each against a baseline."
OVERHEAD = "Compare stages, gRPC and scheduling with a plain forward pass in one process."
GIVE_UP = "Measure the work that the cloud still does after a give-up."
NETS = "Compare prepared networks with plain torch, and stages with a single forward pass."
SIMULATOR = "Measure tasks per second and memory of the simulator, in short runs and a long one."
PREDICTORS = "Compare forecasts with what happened, with and without disturbances."
LOAD = "Measure goodput from half to ten times capacity, and recovery, of both agents."
LOGGING = "Measure the cost of logging per task, the lost lines, and the time of a query."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the benchmarks and their options."""
    parser.epilog = "example: mc-sched bench give-up --output json"
    jobs = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)

    def job(name: str, description: str, example: str) -> argparse.ArgumentParser:
        epilog = f"example: mc-sched bench {name} {example}"
        return jobs.add_parser(name, help=description, description=description, epilog=epilog)

    overhead = job("overhead", OVERHEAD, "--output json")
    _add_number(overhead, "rounds", 100, "images to measure")
    give_up = job("give-up", GIVE_UP, "--tasks 1000")
    _add_number(give_up, "tasks", 1000, "tasks to give up")
    nets = job("nets", NETS, "--output json")
    _add_number(nets, "rounds", 100, "images to measure")
    _add_number(nets, "images", 2000, "held-out images for the top-5 difference")
    _add_number(nets, "threads", 1, "number of CPU threads")
    nets.add_argument("--bundle", metavar="BUNDLE",
        help="name or directory of the bundle (default: every shipped bundle)")  # fmt: skip
    simulator = job("simulator", SIMULATOR, "--output json")
    _add_number(simulator, "tasks", 1_000_000, "tasks of the long run")
    _add_number(simulator, "short", 10_000, "tasks of each short run")
    predictors = job("predictors", PREDICTORS, "--tasks 1000 --figure predictors.png")
    _add_predictor_options(predictors)
    logging = job("logging", LOGGING, "--output json")
    _add_number(logging, "rounds", 300, "images to measure")
    _add_number(logging, "lines", 1_000_000, "lines of the store that is queried")
    load = job("load", LOAD, "--accuracy 0.95 --figure load.png")
    _add_load_options(load)
    for parser_ in (overhead, give_up, predictors, logging, load):
        parser_.add_argument("--bundle", default="set-a", metavar="BUNDLE",
            help="name or directory of the bundle (default: %(default)s)")  # fmt: skip
    for parser_ in (give_up, nets, predictors, load):
        _add_number(parser_, "seed", 0, "seed of images and random moments")
    for parser_ in (overhead, give_up, nets, simulator, predictors, logging, load):
        add_output_option(parser_)


def _add_number(parser: argparse.ArgumentParser, name: str, default: int, help_: str) -> None:
    parser.add_argument(f"--{name}", type=int, default=default, metavar="N",
        help=f"{help_} (default: %(default)s)")  # fmt: skip


def _add_predictor_options(parser: argparse.ArgumentParser) -> None:
    _add_number(parser, "tasks", 1000, "tasks per site, both without and with disturbances")
    add = parser.add_argument
    add("--fps", type=float, default=6.0, metavar="RATE",
        help="tasks per second on each site (default: %(default)s)")  # fmt: skip
    add("--traces", nargs=2, type=Path, metavar=("UP", "DOWN"),
        help="Mahimahi traces for the link to follow (default: generated traces)")  # fmt: skip
    add("--figure", metavar="FILE",
        help="draw forecasts against what happened to a .png, .svg or .pdf file")  # fmt: skip
    add("--keep-logs", type=Path, metavar="DIR",
        help="keep both agents' event logs in this directory")  # fmt: skip


def _add_load_options(parser: argparse.ArgumentParser) -> None:
    _add_number(parser, "rounds", 3, "times that every load is measured, in turn")
    _add_number(parser, "edges", 4, "edges, or clients, that share the load")
    add = parser.add_argument
    add("--seconds", type=float, default=5.0, metavar="S",
        help="length of each measurement (default: %(default)s)")  # fmt: skip
    add("--deadline", default="84ms", metavar="TIME",
        help="deadline of every task (default: %(default)s)")  # fmt: skip
    add("--accuracy", type=float, default=0.75, metavar="QOR",
        help="least acceptable accuracy of every task (default: %(default)s)")  # fmt: skip
    add("--no-variants", action="store_true",
        help="do not compare batches with singles, and two workers with one")  # fmt: skip
    add("--figure", metavar="FILE",
        help="draw goodput against offered load to a .png, .svg or .pdf file")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run one benchmark and print its measurements."""
    if args.benchmark == "predictors":
        return _predictors(args)
    if args.benchmark == "load":
        return _load(args)
    benchmarks = {"overhead": _overhead, "give-up": _give_up, "nets": _nets,
                  "simulator": _simulator, "logging": _logging}  # fmt: skip
    report = benchmarks[args.benchmark](args)
    if args.output == "json":
        print(json.dumps(report))
    else:
        print_fields(_rows(report), f"bench {args.benchmark}")
    return 0


def _overhead(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.overhead import measure_overhead

    check_range(args, "rounds", 5)
    return asyncio.run(measure_overhead(args.bundle, args.rounds, print_progress))


def _give_up(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.give_up import measure_give_up

    check_range(args, "tasks", 1)
    give_ups = asyncio.run(measure_give_up(args.bundle, args.tasks, args.seed, print_progress))
    return give_ups.report()


def _predictors(args: argparse.Namespace) -> int:
    from mc_sched.bench.forecast_errors import HEADINGS, only_scores, report, rows
    from mc_sched.bench.predictors import Plan, measure_predictors
    from mc_sched.obs.report.figure import check_figure
    from mc_sched.obs.report.score_figure import draw_scores

    check_range(args, "tasks", 4)
    require(args.fps > 0, f"--fps {args.fps} is out of range; choose a number above 0")
    if args.figure:
        check_figure(args.figure)
    traces = tuple(args.traces) if args.traces else None
    plan = Plan(args.bundle, args.tasks, args.fps, args.seed, traces)
    scores = asyncio.run(measure_predictors(plan, print_progress, args.keep_logs))
    if args.output == "json":
        print(json.dumps(report(scores)))
    else:
        print_table(HEADINGS, rows(scores), numbers_from=2)
    if args.figure:
        draw_scores(only_scores(scores), Path(args.figure))
    return 0


def _load(args: argparse.Namespace) -> int:
    from mc_sched.bench.load.figure import draw_load
    from mc_sched.bench.load.measure import measure_load
    from mc_sched.bench.load.plan import LoadPlan
    from mc_sched.bench.load.report import HEADINGS, point_rows, summary_rows
    from mc_sched.cli.output.load_table import load_table
    from mc_sched.obs.report.figure import check_figure
    from mc_sched.units import parse_duration

    for name in ("rounds", "edges"):
        check_range(args, name, 1)
    require(args.seconds > 0, f"--seconds {args.seconds} is out of range; choose more than 0")
    require(0 <= args.accuracy <= 1, f"--accuracy {args.accuracy} is outside 0 to 1")
    if args.figure:
        check_figure(args.figure)
    plan = LoadPlan(
        args.bundle, args.accuracy, parse_duration(args.deadline), args.seconds, args.rounds,
        args.seed, args.edges, not args.no_variants,
    )  # fmt: skip
    with load_table() as show:
        report = asyncio.run(measure_load(plan, show))
    if args.output == "json":
        print(json.dumps(report))
    else:
        print_table(HEADINGS, point_rows(report), numbers_from=1)
        print_fields(summary_rows(report))
    if args.figure:
        draw_load(report, Path(args.figure))
    return 0


def _nets(args: argparse.Namespace) -> dict[str, Any]:
    from mc_models.bundle.files import BundleError, shipped_names
    from mc_models.bundle.load import load_bundle
    from mc_models.data.image_sets import DataError
    from mc_models.evaluation.accuracy import evaluation_images

    from mc_sched.bench.nets import measure_nets

    check_range(args, "rounds", 5)
    check_range(args, "images", 1)
    check_range(args, "threads", 1)
    names = [args.bundle] if args.bundle else shipped_names()
    try:
        return measure_nets(
            [load_bundle(name) for name in names],
            lambda bundle: evaluation_images(bundle, "generated", args.images, args.seed),
            args.rounds,
            args.threads,
            print_progress,
        )
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error


def _simulator(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.simulator import measure_simulator

    check_range(args, "short", 100)
    check_range(args, "tasks", args.short)
    return measure_simulator(args.tasks, args.short, print_progress)


def _logging(args: argparse.Namespace) -> dict[str, Any]:
    from mc_sched.bench.logging_cost import measure_logging

    check_range(args, "rounds", 5)
    check_range(args, "lines", 1000)
    return asyncio.run(measure_logging(args.bundle, args.rounds, args.lines, print_progress))


def _rows(report: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of every value in a nested report."""
    for key, value in report.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _rows(value, name)
        else:
            yield name, f"{value:.3f}" if isinstance(value, float) else str(value)
