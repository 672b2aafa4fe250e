"""`mc-sched evaluate --for-policies`: measure the tables of the baselines and store them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from mc_sched.bundles.policy_tables import add_policy_tables
from mc_sched.cli.evaluate.inputs import load_inputs
from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle


def run(args: argparse.Namespace) -> int:
    """Measure on the images of the stored table, write the bundle, and print the tables."""
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError

    from mc_sched.cli.output.progress import StageBars

    try:
        with StageBars() as bars:
            bundle, images = load_inputs(args, bars)
            bundle = add_policy_tables(bundle, images, lambda d, n: bars("measure", d, n))
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {args.bundle}: {reason}; pass a copy of it") from error
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
    print_table(
        ("entropy", "kept", *codecs),
        [
            (
                f"{row.entropy:.4f}",
                f"{100 * row.kept:.1f}",
                *(f"{100 * row.top5[codec]:.1f}" for codec in codecs),
            )
            for row in bundle.thresholds
        ],
        title=f"{bundle.name}, thresholds of ddnn: share answered on the edge, "
        "and top-5 of all answers per codec, in %",
        numbers_from=0,
    )
    print_table(
        ("split", "bytes", "top-5"),
        [
            (row.name, str(row.message_bytes), f"{100 * last.top5[row.name]:.1f}")
            for row in bundle.splits
        ],
        title=f"{bundle.name}, splits: message size, and top-5 of the last exit in % "
        f"(jpeg: {100 * last.top5['jpeg']:.1f})",
        numbers_from=1,
    )
