"""`mc-sched models`: list bundles."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.bundle import Bundle

NAME = "models"
HELP = "list bundles: networks, classes, size, accuracy of every exit, profiles of this host"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "example: mc-sched models ./my-bundle"
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*",
                        help="folders or shipped names (default: all shipped bundles)")  # fmt: skip
    parser.add_argument("--output", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Print one entry per bundle."""
    import json

    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import BundleError, shipped_names

    try:
        rows = [_row(load_bundle(name)) for name in args.bundles or shipped_names()]
    except BundleError as error:
        raise UserError(str(error)) from error
    if args.output == "json":
        print(json.dumps({"schema": "mc-sched/models/1", "bundles": rows}))
        return 0
    for row in rows:
        _print(row)
    return 0


def _row(bundle: Bundle) -> dict[str, Any]:
    from mc_models.bundle.calibrate import LOCAL
    from mc_models.inference.profile import this_host
    from mc_models.inference.profile_store import default_file, read_profiles

    here = [p for p in read_profiles(default_file(bundle)) if p.host == this_host()]
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "hash": bundle.hash,
        "local": bundle.local.name,
        "cloud": bundle.cloud_name,
        "classes": len(bundle.labels),
        "bytes": sum(file.stat().st_size for file in bundle.path.iterdir() if file.is_file()),
        "top5": {LOCAL: bundle.local.top5, **{row.name: row.top5["jpeg"] for row in bundle.exits}},
        "profiles": [
            {"part": p.part, "device": p.device, "threads": p.threads, "precision": p.precision}
            for p in here
        ],
    }


def _print(row: dict[str, Any]) -> None:
    print(
        f"{row['name']}: {row['local']} and {row['cloud']}, {row['classes']} classes, "
        f"{row['bytes'] / 1e6:.1f} MB"
    )
    top5 = ", ".join(f"{name} {100 * share:.1f}" for name, share in row["top5"].items())
    print(f"  top-5 in %: {top5}")
    profiles = "; ".join(
        f"{p['part']} {p['precision']}, {p['device']}, {p['threads']} thread(s)"
        for p in row["profiles"]
    )
    print(f"  profiles here: {profiles or 'none, the agents will measure at their start'}")
