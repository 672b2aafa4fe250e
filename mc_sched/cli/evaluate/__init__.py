"""`mc-sched evaluate`: measure the accuracy, calibration and confusion of a bundle's outputs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.cli.evaluate import policy_tables, privacy
from mc_sched.cli.evaluate.inputs import load_inputs
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.evaluation.accuracy import Evaluation

NAME = "evaluate"
HELP = "Measure a bundle's accuracy and calibration, and compare them with its stored table."

_EPILOG = """\
Without --count and --seed the images are those that the stored table was measured on.

examples:
  mc-sched evaluate set-a
  mc-sched evaluate ./my-bundle --data ./photos --write ./tables --output json
  mc-sched evaluate set-a --privacy --write ./attack
  mc-sched evaluate ./my-bundle --for-policies
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="directory of a bundle, or a shipped name such as set-a")
    add("--data", default="generated", metavar="DIR",
        help="'generated', or a directory with one sub-directory per label (default: %(default)s)"
    )  # fmt: skip
    add("--count", type=int, metavar="N",
        help="number of generated images (default: as for the stored table)")  # fmt: skip
    add("--seed", type=int, metavar="N",
        help="seed of the generated images (default: as for the stored table)")  # fmt: skip
    add("--threads", type=int, default=0, metavar="N",
        help="number of CPU threads (default: torch's choice)")  # fmt: skip
    add("--write", type=Path, metavar="DIR",
        help="directory for evaluation.json, accuracy.csv and confusion.csv; "
        "with --privacy, for privacy.png with originals and reconstructions")  # fmt: skip
    add("--for-policies", action="store_true",
        help="measure the tables of the policies ddnn, neurosurgeon, jointdnn and edgent, and "
        "store them in the bundle; both agents then need the changed bundle")  # fmt: skip
    add("--privacy", action="store_true",
        help="train attackers on the payloads of both codecs, jpeg and features (takes minutes)"
    )  # fmt: skip
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table."""
    check_range(args, "count", 1)
    check_range(args, "seed", 0)
    if args.privacy:
        return privacy.run(args)
    if args.for_policies:
        return policy_tables.run(args)
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError
    from mc_models.evaluation.accuracy import evaluate
    from mc_models.evaluation.files import as_values

    from mc_sched.cli.output.progress import StageBars

    try:
        with StageBars() as bars:
            bundle, images = load_inputs(args, bars)
            result = evaluate(bundle, images, on_progress=lambda d, n: bars("evaluate", d, n))
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    if args.write is not None:
        _write(result, args.write)
    if args.output == "json":
        print(json.dumps(as_values(result)))
    else:
        _print_accuracy(result)
        _print_confusion(result)
    return 0


def _write(result: Evaluation, folder: Path) -> None:
    from mc_models.evaluation.files import write_evaluation

    try:
        for file in write_evaluation(result, folder):
            print_progress(f"wrote {file}")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {folder}: {reason}; choose another --write") from error


def _print_accuracy(result: Evaluation) -> None:
    if result.unreadable:
        print(f"{len(result.unreadable)} unreadable file(s) left out")
    print_table(
        ("output", "top-1", "top-5", "stored top-5", "difference", "ECE before", "ECE after"),
        [
            (
                row.name,
                *(f"{100 * share:.1f}" for share in (row.measured.top1, row.measured.top5)),
                f"{100 * row.stored.top5:.1f}",
                f"{100 * row.top5_difference:+.1f}",
                *(f"{100 * share:.1f}" for share in (row.ece_before, row.ece_after)),
            )
            for row in result.rows
        ],
        title=f"{result.bundle}: {result.images} images, codec {result.codec}, all in %",
        numbers_from=1,
    )
    print("ECE: expected calibration error, without and with the output's temperature")


def _print_confusion(result: Evaluation) -> None:
    names = [row.name for row in result.rows]
    print("\nimages whose label is in the top 5 of the row's output, but not of the column's")
    print_table(
        ("", *names),
        [
            (name, *map(str, counts))
            for name, counts in zip(names, result.confusion.top5, strict=True)
        ],
        numbers_from=1,
    )
