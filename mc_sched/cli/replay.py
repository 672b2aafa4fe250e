"""`mc-sched replay`: repeat a recorded log, exactly or under another policy."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.constraints import add_overrides, check_overrides
from mc_sched.cli.options.output import add_output_option
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.obs.replay import Step
    from mc_sched.sim.what_if import Recorded, Rules

NAME = "replay"
HELP = "Replay an agent's event log through the scheduler, exactly or under another policy."
_EPILOG = """\
Without options the recorded events are fed to the scheduler again; the exit code is 1 if it does
not answer with the recorded actions. The options from --policy to --accuracy replace the recorded
rules: then the recorded workload, link and devices are simulated under the new rules, and the
result is printed beside the recording.

examples:
  mc-sched replay edge.jsonl
  mc-sched replay edge.jsonl --policy server --deadline 120ms
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.add_argument("log", metavar="LOG", help="event log that an agent wrote with --event-log")
    add_overrides(parser)
    add_output_option(parser)
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Replay the log, or simulate it under other rules, and print the comparison."""
    check_overrides(args)
    given = (args.policy, args.mode, args.deadline, args.accuracy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return _replay(args) if all(value is None for value in given) else _what_if(args)
        except ValueError as error:
            where = "" if str(error).startswith(args.log) else f"{args.log}: "
            raise UserError(f"{where}{error}") from None
        except OSError as error:
            raise UserError(f"{args.log}: cannot be read: {error.strerror}") from None
        finally:
            for warning in caught:
                print(f"mc-sched: warning: {warning.message}", file=sys.stderr)


def _records(path: str) -> Iterator[dict[str, Any]]:
    from mc_sched.obs.log.event_log import read_log
    from mc_sched.obs.replay import numbered

    return numbered(read_log(path))


# --- exact replay -------------------------------------------------------------------------------


def _replay(args: argparse.Namespace) -> int:
    from mc_sched.obs.replay import replay

    events: Counter[bool] = Counter()
    recorded = agreed = 0
    first: Step | None = None
    for step in replay(_records(args.log)):
        events[step.same] += 1
        recorded += len(step.recorded)
        agreed += _count_agreeing(step)
        if first is None and not step.same:
            first = step
    report = {
        "log": args.log,
        "events": events.total(),
        "events_agreed": events[True],
        "actions": recorded,
        "actions_agreed": agreed,
        "first_difference": None if first is None else _difference(first),
    }
    if args.output == "json":
        print(json.dumps(report))
    else:
        _print_report(report)
    return 0 if first is None else 1


def _count_agreeing(step: Step) -> int:
    """Count the leading actions that are recorded and replayed alike."""
    count = 0
    for recorded, replayed in zip(step.recorded, step.replayed, strict=False):
        if recorded != replayed:
            break
        count += 1
    return count


def _difference(step: Step) -> dict[str, Any]:
    return {
        "line": step.line,
        "event": repr(step.event),
        "recorded": [repr(action) for action in step.recorded],
        "replayed": [repr(action) for action in step.replayed],
        "error": step.error,
    }


def _print_report(report: dict[str, Any]) -> None:
    print(
        f"{report['log']}: {report['events_agreed']} of {report['events']} events and "
        f"{report['actions_agreed']} of {report['actions']} actions agree"
    )
    first = report["first_difference"]
    if first is not None:
        print(f"first difference at line {first['line']}: {first['event']}")
        for when in ("recorded", "replayed"):
            for action in first[when] or ["no action"]:
                print(f"  {when}: {action}")
        if first["error"]:
            print(f"  error in the replay: {first['error']}")


# --- under other rules --------------------------------------------------------------------------


def _what_if(args: argparse.Namespace) -> int:
    from mc_sched.core.task import Mode
    from mc_sched.sim.what_if import Rules, read_recorded

    recorded = read_recorded(_records(args.log))
    rules = Rules(args.policy, args.mode and Mode(args.mode), args.deadline, args.accuracy)
    columns = {
        "recorded": _recorded_summary(recorded),
        "resimulated": _simulated_summary(recorded, Rules()),
        "what_if": _simulated_summary(recorded, rules),
    }
    if args.output == "json":
        print(json.dumps({"log": args.log, **columns}))
    else:
        _print_comparison(args.log, columns)
    return 0


def _recorded_summary(recorded: Recorded) -> dict[str, Any]:
    from mc_sched.obs.report.running_summary import RunningSummary
    from mc_sched.obs.report.summary import RunInfo, TaskResult

    running = RunningSummary()
    for outcome in recorded.outcomes:
        running.add(TaskResult(outcome))
    settings = recorded.settings
    duration_s = (recorded.end_ns - recorded.start_ns) / 1e9
    return running.summary(
        RunInfo(settings.policy, settings.mode.value, "recorded", duration_s,
                settings.energy.idle_w, settings.energy.source)
    )  # fmt: skip


def _simulated_summary(recorded: Recorded, rules: Rules) -> dict[str, Any]:
    from mc_sched.obs.report.running_summary import RunningSummary
    from mc_sched.obs.report.summary import RunInfo, TaskResult
    from mc_sched.sim.what_if import world_of_log
    from mc_sched.sim.world import simulate

    running = RunningSummary()
    # a log does not tell which answers were correct, so the simulated truth is dropped too
    duration_s = simulate(
        world_of_log(recorded, rules),
        lambda edge, result: running.add(TaskResult(result.outcome)),
    )
    settings = rules.settings(recorded.settings)
    return running.summary(
        RunInfo(settings.policy, settings.mode.value, "recorded", duration_s,
                settings.energy.idle_w, settings.energy.source)
    )  # fmt: skip


def _print_comparison(log: str, columns: dict[str, dict[str, Any]]) -> None:
    from mc_sched.cli.output.tables import print_table
    from mc_sched.obs.report.summary import summary_rows

    rows = [summary_rows(summary) for summary in columns.values()]
    print_table(
        ("", "recorded", "simulated, recorded rules", "simulated, new rules"),
        [(label, *(row[at][1] for row in rows)) for at, (label, _) in enumerate(rows[0])],
        title=f"{log}: {columns['what_if']['policy']} in {columns['what_if']['mode']} mode",
    )
