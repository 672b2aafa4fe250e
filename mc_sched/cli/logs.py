"""`mc-sched logs`: search the logs of agents."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mc_sched.cli.options.log_stores import add_store_option, open_chosen_stores
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.obs.store.line import LEVELS
from mc_sched.units import duration_argument

if TYPE_CHECKING:
    from mc_sched.obs.store.query import Query
    from mc_sched.obs.store.stores import Stores

NAME = "logs"
HELP = "Search the logs of the agents on this machine, or of a running edge agent."
FOLLOW_EVERY_S = 0.25
MAX_LINES = 1_000_000_000
_EPILOG = """\
A line matches if it contains every WORD; dead* matches any word that starts with dead.

Conditions compare fields, such as: site=cloud outcome=late level!=debug outcome.latency_ns>80000000
A field is a label (node, level, kind, name, site, outcome, exit, worker), `task` (a task's id),
`trace_id` (the id of its trace, the same on both nodes), or the path of a field in a line's data.

examples:
  mc-sched logs --since 10m --level warning
  mc-sched logs --where 'site=cloud outcome=late' --output json
  mc-sched logs deadline --task demo-00012
  mc-sched logs --edge robot:7070 --follow
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `logs`."""
    add = parser.add_argument
    add("words", nargs="*", metavar="WORD", help="word that a line must contain, see below")
    add_store_option(parser)
    add("--edge", metavar="HOST:PORT", help="query this running edge agent instead of stores")
    add("-f", "--follow", action="store_true", help="keep printing new lines as they arrive")
    add("--since", type=duration_argument, metavar="TIME",
        help="maximum age of a line, such as 10m (default: any)")  # fmt: skip
    add("--level", choices=LEVELS, help="lowest level of a line (default: any)")
    add("--task", metavar="ID", help="id of the task that a line is about")
    add("--where", default="", metavar="CONDITIONS", help="conditions on fields, see below")
    add("--limit", type=int, default=1000, metavar="N",
        help="largest number of lines, the newest ones (default: %(default)s)")  # fmt: skip
    add_output_option(parser, "json: one object per line, as stored (default: text)")
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Print the lines that match, oldest first."""
    check_range(args, "limit", 1, MAX_LINES)
    query = _query(args)
    if args.edge:
        from mc_sched.client import logs_of

        _print(logs_of(args.edge, query, args.limit, args.follow), args.output)
        return 0
    with open_chosen_stores(args) as stores:
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
    from mc_sched.cli.output.log_lines import LogLinePrinter

    printer = LogLinePrinter()
    for body in bodies:
        printer.print(body)
