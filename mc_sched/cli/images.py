"""`mc-sched images`: write the generated image set as JPEG files with labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from mc_sched.errors import UserError

NAME = "images"
HELP = "write the generated image set as JPEG files with labels"

_EPILOG = """\
writes files like 00012_star-stripes.jpg and labels.csv (file, label index, label name); the same
split and seed give the same pictures, and the shipped bundles never saw split 'test' in training

example:
  mc-sched images --out frames --count 200 --split test
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--count", type=int, default=200, metavar="N", help="number of images (default: 200)")
    add("--split", choices=("train", "val", "test"), default="test", help="default: test")
    add("--seed", type=int, default=0, metavar="S", help="default: 0, as the bundles' tables")
    add("--px", type=int, default=224, metavar="PX", help="side in pixels (default: 224)")
    add("--output", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Write the files and say what was written."""
    import json

    from mc_models.data.folders import write_images

    from mc_sched.cli.progress import StageBars

    if args.count < 1:
        raise UserError(f"--count {args.count} is too small; ask for at least 1 image", 2)
    if not 32 <= args.px <= 2048:
        raise UserError(f"--px {args.px} is out of range; choose 32 to 2048", 2)
    if args.seed < 0:
        raise UserError(f"--seed {args.seed} is negative; choose 0 or more", 2)
    try:
        with StageBars() as bars:
            written = write_images(
                args.out, args.count, args.split, args.seed, args.px,
                report=lambda done, total: bars("write images", done, total),
            )  # fmt: skip
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {args.out}: {reason}; choose another --out") from error
    if args.output == "json":
        content = {"folder": str(written.folder), "images": written.count, "bytes": written.bytes}
        print(json.dumps(content))
    else:
        print(f"{written.count} images, {written.bytes / 1e6:.1f} MB in {written.folder}")
    return 0
