"""`mc-sched train`: train a set's two networks and write a bundle."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.bundles.policy_tables import add_policy_tables
from mc_sched.cli import codec
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.bundle import Bundle
    from mc_models.training.pipeline import ImageSource
    from mc_models.training.recipe import Recipe
    from mc_models.training.train_codec import CodecConfig

    from mc_sched.cli.progress import StageBars

NAME = "train"
HELP = "train a local net and a cloud net with exits, and write a bundle"

_EPILOG = """\
--data takes any folder with one sub-folder of JPEG or PNG files per class; a tenth of each class
calibrates, another tenth measures. Epochs left out follow from the number of images: set a takes
about as long for 1,000 small images as for 5,000.

every epoch leaves a checkpoint in BUNDLE.work; the same command goes on from it. On two cores the
two networks train best side by side, one process with --part and --threads 1 each; the second to
finish writes the bundle. The bundle's folder then holds report.png, accuracy against operations.
Last comes the features codec; --part codec makes it for a bundle that is there already.

examples:
  mc-sched train --set a --data ./photos --out my-bundle
  mc-sched train --set b --data generated --out my-bundle --strategy multi-round
  mc-sched train --set b --data ./photos --out my-bundle --backbone-weights resnet152.pth
  mc-sched train --set a --cloud efficientnet_b0 --data ./photos --out my-bundle
"""
_SETS = "a: CaffeNet and GoogLeNet (default); b: Network-in-Network and ResNet-152"
# option, default, least, what
_COUNTS = (
    ("train-count", 16_000, 1, "generated training images"),
    ("val-count", 1000, 1, "generated images for calibration"),
    ("test-count", 2000, 1, "generated images for the tables"),
    ("seed", 0, 0, "seed of images, weights and order"),
)
_EPOCHS = (
    ("local-epochs", "epochs of the local net"),
    ("cloud-epochs", "epochs of the cloud net on small images"),
    ("full-epochs", "then epochs of both nets on full-size images"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--set", choices=("a", "b"), default="a", help=_SETS)
    add("--data", default="generated", metavar="DIR",
        help="'generated' (default), or a folder with a sub-folder per class")  # fmt: skip
    add("--out", type=Path, required=True, metavar="BUNDLE", help="the bundle's folder")
    add("--strategy", choices=("joint", "multi-round"), default="joint",
        help="all exits at once, or block after block (default: joint)")  # fmt: skip
    add("--backbone-weights", metavar="PATH",
        help="torchvision's ImageNet weights of the cloud net to start from, .safetensors or .pth; "
        "the net then has its published width")  # fmt: skip
    add("--cloud", metavar="NETWORK",
        help="another cloud net: a torchvision classifier whose modules form a chain, "
        "such as mobilenet_v3_large")  # fmt: skip
    add("--cloud-width", type=float, metavar="X",
        help="channels of the set's cloud net as a share of the published ones")  # fmt: skip
    add("--exits", type=int, metavar="N", help="exits of the cloud net (default: the set's)")
    add("--no-mirror", dest="mirror", action="store_false",
        help="for images whose left and right matter, such as digits")  # fmt: skip
    add("--part", choices=("both", "edge", "cloud", "codec"), default="both",
        help="codec: only make the codec of the bundle at --out (default: both)")  # fmt: skip
    for name, default, _, what in _COUNTS:
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default {default})")
    for name, what in _EPOCHS:
        add(f"--{name}", type=float, metavar="X", help=f"{what} (default: by amount of data)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    codec.configure(parser)
    add("--output", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Train and print the bundle's table."""
    try:
        from mc_models.training.pipeline import ImageSource
    except ModuleNotFoundError as error:
        raise UserError(
            f"training needs {error.name}; install it with pip install 'mc-sched[torch]'"
        ) from error
    from mc_sched.cli.progress import StageBars

    recipe, config = _recipe(args), codec.chosen(args)
    try:
        with StageBars() as bars:
            source = ImageSource(recipe, bars)
            bundle = _train(args, recipe, config, source, bars)
    except ValueError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {args.out}: {reason}; choose another --out") from error
    if source.unreadable:
        _say_unreadable(source.unreadable)
    if bundle is None:
        print(f"{args.part} is trained; the bundle follows when the other part is")
        return 0
    _print(args, bundle, source.unreadable)
    return 0


def _train(
    args: argparse.Namespace,
    recipe: Recipe,
    config: CodecConfig,
    source: ImageSource,
    bars: StageBars,
) -> Bundle | None:
    """The networks that are asked for; once both are there the codec."""
    from mc_models.training.pipeline import PARTS, train_bundle, train_codec_part

    if args.part != "codec":
        parts = PARTS if args.part == "both" else (args.part,)
        trained = train_bundle(args.out, recipe, parts, bars, source)
        if trained is None:
            return None
        bundle = trained
    if args.part == "codec" or len(bundle.stages) > 1:  # one stage leaves nothing to cut
        bundle = train_codec_part(args.out, recipe, config, bars, source)
    test = source.split("test")
    return add_policy_tables(bundle, test, lambda d, n: bars("measure for policies", d, n))


def _recipe(args: argparse.Namespace) -> Recipe:
    from mc_models.training.recipe import Recipe

    for name, _, least, what in _COUNTS:
        value = _value(args, name)
        if value is not None and value < least:
            raise UserError(f"--{name} {value} is too small for {what}; give {least} or more", 2)
    for name, what in _EPOCHS:
        value = _value(args, name)
        if value is not None and value < 0:
            raise UserError(f"--{name} {value} is too small for {what}; give 0 or more", 2)
    if args.cloud_width is not None and not 0.05 <= args.cloud_width <= 2:
        raise UserError(f"--cloud-width {args.cloud_width} is out of range; give 0.05 to 2", 2)
    for name in ("exits", "threads"):
        value = _value(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name} {value} is too small; give 1 or more", 2)
    return Recipe(
        set_name=args.set,
        backbone=args.backbone_weights,
        threads=args.threads or os.cpu_count() or 1,
        **{
            name: getattr(args, name)
            for name in (
                "data", "strategy", "cloud", "cloud_width", "exits", "mirror", "train_count",
                "val_count", "test_count", "seed", "local_epochs", "cloud_epochs", "full_epochs",
            )
        },
    )  # fmt: skip


def _value(args: argparse.Namespace, option: str) -> float | None:
    value: float | None = getattr(args, option.replace("-", "_"))
    return value


def _say_unreadable(files: tuple[str, ...]) -> None:
    print(f"{len(files)} unreadable file(s) left out, first {files[0]}", file=sys.stderr)


def _print(args: argparse.Namespace, bundle: Bundle, unreadable: tuple[str, ...]) -> None:
    import json

    rows = {"local": bundle.local.top5, **{e.name: e.top5["jpeg"] for e in bundle.exits}}
    if args.output == "json":
        content = {
            "bundle": str(args.out),
            "hash": bundle.hash,
            "top5": rows,
            "unreadable": list(unreadable),
        }
        print(json.dumps(content))
        return
    print(f"{args.out}: top-5 accuracy in %")
    for name, top5 in rows.items():
        print(f"{name:<8} {100 * top5:6.1f}")
