"""`mc-sched logs`: look through what agents have logged."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mc_sched.cli.stores import add_stores, chosen_stores
from mc_sched.errors import UserError
from mc_sched.obs.store.line import LEVELS
from mc_sched.units import duration_argument

if TYPE_CHECKING:
    from mc_sched.obs.store.query import Query
    from mc_sched.obs.store.stores import Stores

NAME = "logs"
HELP = "Look through the logs of this machine's agents, or of one that runs elsewhere."
FOLLOW_EVERY_S = 0.25
MOST_LINES = 1_000_000_000
_EPILOG = """\
Conditions on fields: site=cloud outcome=late level!=debug outcome.latency_ns>80000000
Labels are node, level, kind, name, site, outcome, exit; `task` is a task's id, `trace_id` that of
its trace, on both nodes; any other name is a field of a line's data. Words must all occur in a
line; word* finds what begins so.

examples:
  mc-sched logs --since 10m --level warning
  mc-sched logs --where 'site=cloud outcome=late' --output json
  mc-sched logs deadline --task demo-00012
  mc-sched logs --edge robot:7070 --follow
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `logs`."""
    add = parser.add_argument
    add("words", nargs="*", metavar="WORD", help="words that a line must hold")
    add_stores(parser)
    add("--edge", metavar="HOST:PORT", help="ask this running edge agent instead")
    add("-f", "--follow", action="store_true", help="go on with lines as they come")
    add("--since", type=duration_argument, metavar="TIME", help="only lines this young, like 10m")
    add("--level", choices=LEVELS, help="only lines of this level or a graver one")
    add("--task", metavar="ID", help="only lines about this task")
    add("--where", default="", metavar="CONDITIONS", help="conditions on fields, see below")
    add("--limit", type=int, default=1000, metavar="N", help="newest lines, default %(default)s")
    add("--output", choices=("text", "json"), default="text", help="json: a line each, as stored")
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Print the lines that match, oldest first."""
    if not 1 <= args.limit <= MOST_LINES:
        raise UserError(f"--limit must be at least 1 and at most {MOST_LINES}", exit_code=2)
    query = _query(args)
    if args.edge:
        from mc_sched.client import logs_of

        _print(logs_of(args.edge, query, args.limit, args.follow), args.output)
        return 0
    with chosen_stores(args) as stores:
        _print(_bodies(stores, query, args.limit, args.follow), args.output)
    return 0


def _query(args: argparse.Namespace) -> Query:
    from mc_sched.obs.store.query import Query, at_least, condition, parse_where

    terms = parse_where(args.where)
    if args.level:
        terms += at_least(args.level)
    if args.task:
        terms += (condition("task", "=", args.task),)
    since_ns = 0 if args.since is None else time.time_ns() - args.since
    return Query(since_ns=since_ns, terms=terms, words=tuple(args.words))


def _bodies(stores: Stores, query: Query, limit: int, follow: bool) -> Iterator[str]:
    from mc_sched.obs.store.follow import followed

    if follow:
        lines = followed(stores, query, limit, FOLLOW_EVERY_S)
    else:
        lines = reversed(stores.lines(query, limit))
    for line in lines:
        yield line.body


def _print(bodies: Iterable[str], output: str) -> None:
    if output == "json":
        for body in bodies:
            print(body, flush=True)
        return
    from mc_sched.cli.log_lines import LinePrinter

    printer = LinePrinter()
    for body in bodies:
        printer.show(body)
