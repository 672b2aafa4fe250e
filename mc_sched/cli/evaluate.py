"""`mc-sched evaluate`: accuracy, calibration and confusion of a bundle's outputs on images."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.cli import for_policies, privacy
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.evaluation.evaluate import Evaluation

NAME = "evaluate"
HELP = "measure a bundle's accuracy and calibration and compare them with its stored table"

_EPILOG = """\
without --count and --seed the images are those that the stored table was measured on

examples:
  mc-sched evaluate set-a
  mc-sched evaluate ./my-bundle --data ./photos --write ./tables --output json
  mc-sched evaluate set-a --privacy --write ./pictures
  mc-sched evaluate ./my-bundle --for-policies
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
    add("--write", type=Path, metavar="DIR",
        help="also write evaluation.json, accuracy.csv and confusion.csv there; "
        "with --privacy originals and reconstructions side by side")  # fmt: skip
    add("--output", choices=("text", "json"), default="text", help="default: text")
    add("--for-policies", action="store_true",
        help="measure what ddnn, neurosurgeon, jointdnn and edgent decide by, and put it into the "
        "bundle; both agents then need this very bundle")  # fmt: skip
    privacy.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print the table."""
    if args.count is not None and args.count < 1:
        raise UserError(f"--count {args.count} is too small; ask for at least 1 image", 2)
    if args.seed is not None and args.seed < 0:
        raise UserError(f"--seed {args.seed} is negative; choose 0 or more", 2)
    if args.privacy:
        return privacy.run(args)
    if args.for_policies:
        return for_policies.run(args)
    import torch
    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError
    from mc_models.evaluation.evaluate import evaluate, evaluation_images
    from mc_models.evaluation.files import as_values

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
            print(f"wrote {file}", file=sys.stderr)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {folder}: {reason}; choose another --write") from error


def _print_accuracy(result: Evaluation) -> None:
    print(f"{result.bundle}: {result.images} images, codec {result.codec}, all in %")
    if result.unreadable:
        print(f"{len(result.unreadable)} unreadable files left out")
    columns = "top-1  top-5  stored top-5  difference  ECE before  ECE after"
    print(f"{'output':<8}  {columns}")
    for row in result.rows:
        print(
            f"{row.name:<8} {100 * row.measured.top1:6.1f} {100 * row.measured.top5:6.1f} "
            f"{100 * row.stored.top5:13.1f} {100 * row.top5_difference:+11.1f} "
            f"{100 * row.ece_before:11.1f} {100 * row.ece_after:10.1f}"
        )
    print("ECE: expected calibration error, without and with the output's temperature")


def _print_confusion(result: Evaluation) -> None:
    names = [row.name for row in result.rows]
    print("\nimages whose label is among the first five of the row's output, not of the column's")
    print(f"{'':<8}" + "".join(f" {name:>8}" for name in names))
    for name, counts in zip(names, result.confusion.top5, strict=True):
        print(f"{name:<8}" + "".join(f" {count:8d}" for count in counts))
