"""`mc-sched images`: write generated test images."""

from __future__ import annotations

import argparse
from pathlib import Path

from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.errors import UserError

NAME = "images"
HELP = "Write generated test images as JPEG files with labels."

_EPILOG = """\
Files are named like 00012_star-stripes.jpg; labels.csv has file, label index and label name. A
split and a seed determine the images. The shipped bundles were not trained on the split 'test'.

example:
  mc-sched images --out frames --count 200 --split test
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `images`."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="directory for the files")
    add("--count", type=int, default=200, metavar="N",
        help="number of images (default: %(default)s)")  # fmt: skip
    add("--split", choices=("train", "val", "test"), default="test",
        help="part of the generated set (default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="seed of the images (default: %(default)s, as for the tables of the bundles)"
    )  # fmt: skip
    add("--px", type=int, default=224, metavar="PX",
        help="width and height in pixels, from 32 to 2048 (default: %(default)s)")  # fmt: skip
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the files and print how many."""
    import json

    from mc_models.data.image_files import write_images

    from mc_sched.cli.output.progress import StageBars

    check_range(args, "count", 1)
    check_range(args, "px", 32, 2048)
    check_range(args, "seed", 0)
    try:
        with StageBars() as bars:
            written = write_images(
                args.out, args.count, args.split, args.seed, args.px,
                on_progress=lambda done, total: bars("write images", done, total),
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
