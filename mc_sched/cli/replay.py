"""`mc-sched replay`: a recorded log once more, to the letter or under other rules."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mc_sched.cli.simulate import add_overrides, check_overrides
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_sched.obs.replay import Step
    from mc_sched.sim.what_if import Recorded, Rules

NAME = "replay"
HELP = "Replay an agent's event log through the scheduler, exactly or under another policy."
_EPILOG = """\
Without options the log is fed to the scheduler again, which has to ask for the same actions; the
exit code is 1 if it does not. With options the recorded workload, link and devices are simulated
under the other rules, and shown beside what happened.

examples:
  mc-sched replay edge.jsonl
  mc-sched replay edge.jsonl --policy server --deadline 120ms
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `replay`."""
    parser.add_argument("log", metavar="LOG", help="what an agent wrote with --event-log")
    add_overrides(parser)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Replay, or simulate under other rules, and print how it compares."""
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


# --- to the letter ------------------------------------------------------------------------------


def _replay(args: argparse.Namespace) -> int:
    from mc_sched.obs.replay import replay

    events: Counter[bool] = Counter()
    recorded = agreed = 0
    first: Step | None = None
    for step in replay(_records(args.log)):
        events[step.same] += 1
        recorded += len(step.recorded)
        agreed += _agreeing(step)
        if first is None and not step.same:
            first = step
    report = {
        "log": args.log,
        "events": events.total(),
        "events_agreed": events[True],
        "actions": recorded,
        "actions_agreed": agreed,
        "first_difference": None if first is None else _told(first),
    }
    if args.output == "json":
        print(json.dumps(report))
    else:
        _print_report(report)
    return 0 if first is None else 1


def _agreeing(step: Step) -> int:
    """Actions that are the same then and now, in order, up to the first that is not."""
    count = 0
    for then, now in zip(step.recorded, step.replayed, strict=False):
        if then != now:
            break
        count += 1
    return count


def _told(step: Step) -> dict[str, Any]:
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
            for action in first[when] or ["nothing"]:
                print(f"  {when}: {action}")
        if first["error"]:
            print(f"  not allowed now: {first['error']}")


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
        _print_columns(args.log, columns)
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
    # whether an answer was right is not in a log, so it counts on neither side
    duration_s = simulate(
        world_of_log(recorded, rules),
        lambda edge, result: running.add(TaskResult(result.outcome)),
    )
    settings = rules.settings(recorded.settings)
    return running.summary(
        RunInfo(settings.policy, settings.mode.value, "recorded", duration_s,
                settings.energy.idle_w, settings.energy.source)
    )  # fmt: skip


def _print_columns(log: str, columns: dict[str, dict[str, Any]]) -> None:
    from mc_sched.cli.tables import print_columns
    from mc_sched.obs.report.summary import summary_rows

    rows = [summary_rows(summary) for summary in columns.values()]
    heads = ("", "what happened", "simulated as it was", "what would have happened")
    print_columns(
        heads,
        [(label, *(row[at][1] for row in rows)) for at, (label, _) in enumerate(rows[0])],
        f"{log}: {columns['what_if']['policy']} in {columns['what_if']['mode']} mode",
    )
