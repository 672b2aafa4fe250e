"""The `mc-sched` command: find the verb, run it, turn errors into sentences and exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from mc_sched.errors import UserError

VERBS = (
    "demo", "submit", "feedback", "status", "logs", "explain", "top", "images", "train",
    "evaluate", "profile", "models", "link", "config", "certs", "doctor", "simulate", "replay",
    "experiment", "bench",
)  # fmt: skip
"""The verbs in the order of `mc-sched --help`; each is a module or package beside this one."""


EPILOG = """\
exit codes: 0 success, 1 error, 2 usage, 3 cannot connect, 99 a threshold failed, 130 interrupted

example: mc-sched demo --link 4g
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with a sub-command per verb, without importing the verbs' dependencies."""
    parser = argparse.ArgumentParser(
        prog="mc-sched",
        description="Deadline scheduling for deep learning between an edge device and a server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in VERBS:
        module = importlib.import_module(f"mc_sched.cli.{name}")
        verb = verbs.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(verb)
        verb.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    try:
        args = build_parser().parse_args(argv)
        return int(args.run(args))
    except UserError as error:
        print(f"mc-sched: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        _flush()


def _flush() -> None:
    """Flush stdout; a reader that has closed the pipe, such as `head`, is not an error."""
    if sys.stdout is None:
        return  # started with stdout closed, as by `>&-` in a shell
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # discard the rest: Python flushes again when it exits, and would report the error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
