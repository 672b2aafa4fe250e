"""The part of `mc-sched train` that makes the features codec."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.training.train_codec import CodecConfig

# option, least, most, type, what
_OPTIONS = (
    ("stage", 1, 64, int, "the cloud goes on at this stage, the edge runs those before it"),
    ("channels", 1, 1024, int, "bytes per cell of the message"),
    ("side", 1, 256, int, "side of the message's map, in cells"),
    ("noise", 0.0, 10.0, float, "standard deviation of the noise; values reach from -3 to 3"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    for name, _, _, kind, what in _OPTIONS:
        parser.add_argument(
            f"--codec-{name}", type=kind, metavar="N", help=f"features codec: {what}"
        )


def chosen(args: argparse.Namespace) -> CodecConfig:
    """The codec's defaults, changed where the arguments say so."""
    from mc_models.training.train_codec import CodecConfig

    wanted = {}
    for name, least, most, _, _ in _OPTIONS:
        value = getattr(args, f"codec_{name}")
        if value is None:
            continue
        if not least <= value <= most:
            raise UserError(
                f"--codec-{name} {value} is out of range; choose {least} to {most}", exit_code=2
            )
        wanted[name] = value
    return CodecConfig(**wanted)
