"""The bundle that `mc-sched evaluate` measures, and the images that it is measured on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle
    from mc_models.data.image_sets import ImageSet

    from mc_sched.cli.output.progress import StageBars


def load_inputs(args: argparse.Namespace, bars: StageBars) -> tuple[Bundle, ImageSet]:
    """Load the bundle and read its evaluation images, with the number of threads that is set.

    Raises BundleError or DataError.
    """
    import torch
    from mc_models.bundle.load import load_bundle
    from mc_models.evaluation.accuracy import evaluation_images

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    bundle = load_bundle(args.bundle)
    images = evaluation_images(
        bundle, args.data, args.count, args.seed, lambda d, n: bars("read images", d, n)
    )
    return bundle, images
