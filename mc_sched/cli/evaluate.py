"""`mc-sched evaluate`: measure a bundle's accuracy and compare it with its stored table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mc_sched.cli import privacy
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.evaluate import Evaluation

NAME = "evaluate"
HELP = "measure a bundle's accuracy and compare it with its stored table"

_EPILOG = """\
without --count and --seed the images are those that the stored table was measured on

examples:
  mc-sched evaluate set-a
  mc-sched evaluate ./my-bundle --data ./photos --output json
  mc-sched evaluate set-a --privacy --write pictures
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="a bundle's folder, or a shipped name such as set-a")
    add("--data", default="generated", metavar="DIR",
        help="'generated' (default), or a folder with one sub-folder per label")  # fmt: skip
    add("--count", type=int, metavar="N", help="number of generated images")
    add("--seed", type=int, metavar="S", help="seed of the generated images")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: torch's choice)")
    add("--output", choices=("text", "json"), default="text", help="default: text")
    privacy.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table."""
    if args.count is not None and args.count < 1:
        raise UserError(f"--count {args.count} is too small; ask for at least 1 image", 2)
    if args.seed is not None and args.seed < 0:
        raise UserError(f"--seed {args.seed} is negative; choose 0 or more", 2)
    if args.privacy:
        return privacy.run(args)
    import torch
    from mc_models.bundle import BundleError, load_bundle
    from mc_models.data import DataError
    from mc_models.evaluate import evaluate, evaluation_images

    from mc_sched.cli.progress import StageBars

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    try:
        bundle = load_bundle(args.bundle)
        with StageBars() as bars:
            images = evaluation_images(
                bundle, args.data, args.count, args.seed, lambda d, n: bars("read images", d, n)
            )
            result = evaluate(bundle, images, report=lambda d, n: bars("evaluate", d, n))
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    if args.output == "json":
        _print_json(result)
    else:
        _print_table(result)
    return 0


def _print_table(result: Evaluation) -> None:
    print(f"{result.bundle}: {result.images} images, codec {result.codec}, accuracy in %")
    if result.unreadable:
        print(f"{len(result.unreadable)} unreadable files left out")
    print(f"{'output':<8} {'top-1':>6} {'top-5':>6} {'stored top-5':>13} {'difference':>11}"
          f" {'calibration error':>18}")  # fmt: skip
    for row in result.rows:
        print(
            f"{row.name:<8} {100 * row.measured.top1:6.1f} {100 * row.measured.top5:6.1f} "
            f"{100 * row.stored.top5:13.1f} {100 * row.top5_difference:+11.1f} "
            f"{100 * row.calibration_error:18.1f}"
        )


def _print_json(result: Evaluation) -> None:
    import json

    rows = [
        {
            "name": row.name,
            "top1": row.measured.top1,
            "top5": row.measured.top5,
            "stored_top5": row.stored.top5,
            "difference": row.top5_difference,
            "calibration_error": row.calibration_error,
        }
        for row in result.rows
    ]
    content = {
        "schema": "mc-sched/evaluation/1",
        "bundle": result.bundle,
        "codec": result.codec,
        "images": result.images,
        "unreadable": list(result.unreadable),
        "rows": rows,
    }
    print(json.dumps(content))
