"""`mc-sched evaluate --for-policies`: the figures that baselines decide by, put into the bundle."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from mc_sched.bundles.policy_tables import add_policy_tables
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.bundle import Bundle


def run(args: argparse.Namespace) -> int:
    """Measure on the images that the stored table rests on, write, print."""
    import torch
    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError
    from mc_models.evaluation.evaluate import evaluation_images

    from mc_sched.cli.progress import StageBars

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    try:
        bundle = load_bundle(args.bundle)
        with StageBars() as bars:
            images = evaluation_images(
                bundle, args.data, args.count, args.seed, lambda d, n: bars("read images", d, n)
            )
            bundle = add_policy_tables(bundle, images, lambda d, n: bars("measure", d, n))
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {args.bundle}: {reason}; give a copy of it") from error
    if args.output == "json":
        print(json.dumps(_as_json(bundle)))
    else:
        _print(bundle)
    return 0


def _as_json(bundle: Bundle) -> dict[str, Any]:
    last = bundle.exits[-1]
    return {
        "schema": "mc-sched/policy-tables/1",
        "bundle": bundle.name,
        "hash": bundle.hash,
        "thresholds": [
            {"entropy": row.entropy, "kept": row.kept, "top5": row.top5}
            for row in bundle.thresholds
        ],
        "splits": [
            {"name": row.name, "bytes": row.message_bytes, "top5": last.top5[row.name]}
            for row in bundle.splits
        ],
    }


def _print(bundle: Bundle) -> None:
    last = bundle.exits[-1]
    codecs = list(bundle.thresholds[0].top5)
    print(f"{bundle.name}: ddnn's thresholds; answered at the edge and top-5 of all answers, in %")
    print(f"{'entropy':<8} {'kept':>6}" + "".join(f" {codec:>9}" for codec in codecs))
    for row in bundle.thresholds:
        shares = "".join(f" {100 * row.top5[codec]:9.1f}" for codec in codecs)
        print(f"{row.entropy:<8.4f} {100 * row.kept:6.1f}{shares}")
    print(f"\nsplits; bytes, and top-5 of the last exit in % (jpeg {100 * last.top5['jpeg']:.1f})")
    for split in bundle.splits:
        print(f"{split.name:<8} {split.message_bytes:8d} {100 * last.top5[split.name]:6.1f}")
