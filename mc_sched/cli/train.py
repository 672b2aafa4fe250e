"""`mc-sched train`: train a local net and a cloud net with exits, and write a bundle."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.bundles.policy_tables import add_policy_tables
from mc_sched.cli.options.codec import add_codec_options, codec_config
from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle
    from mc_models.training.codec import CodecConfig
    from mc_models.training.pipeline import ImageSource
    from mc_models.training.recipe import Recipe

    from mc_sched.cli.output.progress import StageBars

NAME = "train"
HELP = "Train a local net and a cloud net with exits, and write them as a bundle."

_EPILOG = """\
--data takes any directory with one sub-directory of JPEG or PNG files per class. A tenth of each
class is used for calibration, another tenth for the tables. The default number of epochs depends
on the number of images: training set a takes about as long on 1,000 small images as on 5,000.

Each epoch writes a checkpoint to BUNDLE.work; repeat the command to resume from it. On two cores,
train the two networks in parallel: run one process per --part, each with --threads 1; the one that
finishes last writes the bundle. Then the features codec is trained; --part codec trains it for an
existing bundle. The bundle contains report.png, a figure of accuracy against operations.

examples:
  mc-sched train --set a --data ./photos --out my-bundle
  mc-sched train --set b --data generated --out my-bundle --strategy multi-round
  mc-sched train --set b --data ./photos --out my-bundle --backbone-weights resnet152.pth
  mc-sched train --set a --cloud efficientnet_b0 --data ./photos --out my-bundle
"""
_SETS = (
    "networks to train; a: CaffeNet and GoogLeNet, b: Network-in-Network and ResNet-152 "
    "(default: %(default)s)"
)
# option, default, least, help
_COUNTS = (
    ("train-count", 16_000, 1, "generated training images"),
    ("val-count", 1000, 1, "generated images for calibration"),
    ("test-count", 2000, 1, "generated images for the accuracy tables"),
    ("seed", 0, 0, "seed of the images, the weights and the order of training"),
)
_EPOCHS = (
    ("local-epochs", "epochs of the local net on small images"),
    ("cloud-epochs", "epochs of the cloud net on small images"),
    ("full-epochs", "further epochs of both nets on full-size images"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--set", choices=("a", "b"), default="a", help=_SETS)
    add("--data", default="generated", metavar="DIR",
        help="'generated', or a directory of images, see below (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, required=True, metavar="BUNDLE", help="directory of the bundle")
    add("--strategy", choices=("joint", "multi-round"), default="joint",
        help="train all exits together, or one block after another (default: %(default)s)"
    )  # fmt: skip
    add("--backbone-weights", metavar="PATH",
        help="ImageNet weights of torchvision to start the cloud net from, a .safetensors or .pth "
        "file; the net then has its published width")  # fmt: skip
    add("--cloud", metavar="NETWORK",
        help="cloud net: a torchvision classifier whose modules form a chain, such as "
        "mobilenet_v3_large (default: the set's)")  # fmt: skip
    add("--cloud-width", type=float, metavar="X",
        help="channels of the cloud net as a share of the published number, from 0.05 to 2 "
        "(default: the set's)")  # fmt: skip
    add(
        "--exits",
        type=int,
        metavar="N",
        help="number of exits of the cloud net (default: the set's)",
    )
    add("--no-mirror", dest="mirror", action="store_false",
        help="do not mirror training images; for images such as digits")  # fmt: skip
    add("--part", choices=("both", "edge", "cloud", "codec"), default="both",
        help="part to train; codec: only the codec of the bundle at --out (default: %(default)s)"
    )  # fmt: skip
    for name, default, _, help_ in _COUNTS:
        add(f"--{name}", type=int, default=default, metavar="N",
            help=f"{help_} (default: %(default)s)")  # fmt: skip
    for name, help_ in _EPOCHS:
        add(f"--{name}", type=float, metavar="X", help=f"{help_} (default: by amount of data)")
    add("--threads", type=int, metavar="N", help="number of CPU threads (default: all cores)")
    add_codec_options(parser)
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Train and print the bundle's table."""
    try:
        from mc_models.training.pipeline import ImageSource
    except ModuleNotFoundError as error:
        raise UserError(
            f"training needs {error.name}; install it with pip install 'mc-sched[torch]'"
        ) from error
    from mc_sched.cli.output.progress import StageBars

    recipe, config = _recipe(args), codec_config(args)
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
        print_progress(
            f"{len(source.unreadable)} unreadable file(s) left out, first {source.unreadable[0]}"
        )
    if bundle is None:
        print(f"{args.part} net trained; the bundle is written when the other part is trained")
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
    """Train the chosen networks; once both are trained, train the codec and write the bundle."""
    from mc_models.training.pipeline import PARTS, train_bundle, train_codec_part

    if args.part != "codec":
        parts = PARTS if args.part == "both" else (args.part,)
        trained = train_bundle(args.out, recipe, parts, bars, source)
        if trained is None:
            return None
        bundle = trained
    if args.part == "codec" or len(bundle.stages) > 1:  # a single stage cannot be cut
        bundle = train_codec_part(args.out, recipe, config, bars, source)
    test = source.split("test")
    return add_policy_tables(bundle, test, lambda d, n: bars("measure for policies", d, n))


def _recipe(args: argparse.Namespace) -> Recipe:
    from mc_models.training.recipe import Recipe

    for name, _, least, _ in _COUNTS:
        check_range(args, name, least)
    for name, _ in _EPOCHS:
        check_range(args, name, 0)
    check_range(args, "cloud-width", 0.05, 2)
    check_range(args, "exits", 1)
    check_range(args, "threads", 1)
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
    print_table(
        ("output", "top-5"),
        [(name, f"{100 * top5:.1f}") for name, top5 in rows.items()],
        title=f"{args.out}: top-5 accuracy in %",
        numbers_from=1,
    )
