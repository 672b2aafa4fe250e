"""`--codec-*`: the options of `mc-sched train` for the features codec."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mc_sched.cli.options.ranges import check_range

if TYPE_CHECKING:
    from mc_models.training.codec import CodecConfig

# option, default, least, most, type, help; the defaults are those of CodecConfig
OPTIONS = (
    ("stage", 1, 1, 64, int, "number of stages that run on the edge, before the cut"),
    ("channels", 8, 1, 1024, int, "bytes per cell of the message"),
    ("side", 28, 1, 256, int, "largest side of the message's map, in cells"),
    ("noise", 1.2, 0.0, 10.0, float, "standard deviation of the noise; values range from -3 to 3"),
)


def add_codec_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the features codec; all default to None."""
    for name, default, _, _, kind, help_ in OPTIONS:
        parser.add_argument(
            f"--codec-{name}", type=kind, metavar="N",
            help=f"features codec: {help_} (default: {default})",
        )  # fmt: skip


def codec_config(args: argparse.Namespace) -> CodecConfig:
    """Return the codec's configuration: the given options, and defaults for the others."""
    from mc_models.training.codec import CodecConfig

    given = {}
    for name, _, least, most, _, _ in OPTIONS:
        check_range(args, f"codec-{name}", least, most)
        value = getattr(args, f"codec_{name}")
        if value is not None:
            given[name] = value
    return CodecConfig(**given)
