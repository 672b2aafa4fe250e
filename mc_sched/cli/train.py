"""`mc-sched train`: train a set's two networks and write a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.cli import codec
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle import Bundle
    from mc_models.pipeline import Recipe
    from mc_models.train_codec import CodecConfig

    from mc_sched.cli.progress import StageBars

NAME = "train"
HELP = "train a local net and a cloud net with exits, and write a bundle"

_EPILOG = """\
every epoch leaves a checkpoint in OUT.work; the same command goes on from it. On two cores the
two networks train best side by side, one process with --part each; the second to finish writes
the bundle and adds the features codec, which is made last. --part codec makes it for a bundle that
is there already.

examples:
  mc-sched train --set a --data generated --out my-bundle
  mc-sched train --set a --data ./photos --out my-bundle --cloud-epochs 30
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--set", choices=("a",), default="a", help="a: CaffeNet and GoogLeNet (default)")
    add("--data", default="generated", metavar="DIR",
        help="'generated' (default), or a folder with a sub-folder per class")  # fmt: skip
    add("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle's folder")
    add("--strategy", choices=("joint", "multi-round"), default="joint",
        help="all exits at once, or block after block (default: joint)")  # fmt: skip
    add("--part", choices=("both", "edge", "cloud", "codec"), default="both",
        help="codec: only make the codec of the bundle at --out (default: both)")  # fmt: skip
    for name, default, what in _COUNTS:
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default {default})")
    add("--full-epochs", type=float, default=1.0, metavar="X",
        help="then epochs of the cloud net on full frames (default: 1)")  # fmt: skip
    codec.configure(parser)
    add("--output", choices=("text", "json"), default="text", help="default: text")


_COUNTS = (
    ("train-count", 8000, "generated training images"),
    ("val-count", 1000, "generated images for calibration"),
    ("test-count", 2000, "generated images for the tables"),
    ("local-epochs", 4, "epochs of the local net"),
    ("cloud-epochs", 8, "epochs of the cloud net on crops"),
    ("seed", 0, "seed of images, weights and order"),
    ("threads", 2, "CPU threads"),
)


def run(args: argparse.Namespace) -> int:
    """Train and print the bundle's table."""
    from mc_models.bundle import BundleError
    from mc_models.data import DataError

    from mc_sched.cli.progress import StageBars

    recipe, config = _recipe(args), codec.chosen(args)
    try:
        with StageBars() as bars:
            bundle = _train(args, recipe, config, bars)
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {args.out}: {reason}; choose another --out") from error
    if bundle is None:
        print(f"{args.part} is trained; the bundle follows when the other part is")
        return 0
    _print(args, bundle)
    return 0


def _train(
    args: argparse.Namespace, recipe: Recipe, config: CodecConfig, bars: StageBars
) -> Bundle | None:
    """The networks that are asked for; once both are there the codec."""
    from mc_models.pipeline import PARTS, train_bundle, train_codec_part

    if args.part != "codec":
        parts = PARTS if args.part == "both" else (args.part,)
        bundle = train_bundle(args.out, recipe, parts, bars)
        if bundle is None or len(bundle.stages) == 1:  # one stage leaves nothing to cut
            return bundle
    return train_codec_part(args.out, recipe, config, bars)


def _recipe(args: argparse.Namespace) -> Recipe:
    from mc_models.pipeline import Recipe

    for name, _, what in _COUNTS:
        value = getattr(args, name.replace("-", "_"))
        if value < (0 if name == "seed" else 1):
            raise UserError(f"--{name} {value} is too small for {what}; give a larger number", 2)
    return Recipe(
        set_name=args.set,
        data=args.data,
        train_count=args.train_count,
        val_count=args.val_count,
        test_count=args.test_count,
        seed=args.seed,
        strategy=args.strategy,
        local_epochs=args.local_epochs,
        cloud_epochs=args.cloud_epochs,
        full_epochs=args.full_epochs,
        threads=args.threads,
    )


def _print(args: argparse.Namespace, bundle: object) -> None:
    import json

    from mc_models.bundle import Bundle

    assert isinstance(bundle, Bundle)
    rows = {"local": bundle.local.top5, **{e.name: e.top5["jpeg"] for e in bundle.exits}}
    if args.output == "json":
        print(json.dumps({"bundle": str(args.out), "hash": bundle.hash, "top5": rows}))
        return
    print(f"{args.out}: top-5 accuracy in %")
    for name, top5 in rows.items():
        print(f"{name:<8} {100 * top5:6.1f}")
