"""`mc-sched models`: list bundles."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mc_sched.cli.options.output import add_output_option
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.bundle.load import Bundle

NAME = "models"
HELP = "List bundles with their networks, size, accuracy per exit and profiles for this host."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `models`."""
    parser.epilog = "example: mc-sched models ./my-bundle"
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*",
                        help="directories or shipped names (default: all shipped bundles)"
    )  # fmt: skip
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print one entry per bundle."""
    import json

    from mc_models.bundle.files import BundleError, shipped_names
    from mc_models.bundle.load import load_bundle

    try:
        entries = [_entry(load_bundle(name)) for name in args.bundles or shipped_names()]
    except BundleError as error:
        raise UserError(str(error)) from error
    if args.output == "json":
        print(json.dumps({"schema": "mc-sched/models/1", "bundles": entries}))
        return 0
    for entry in entries:
        _print(entry)
    return 0


def _entry(bundle: Bundle) -> dict[str, Any]:
    from mc_models.inference.outputs import LOCAL
    from mc_models.inference.profile import this_host
    from mc_models.inference.profile_store import default_file, read_profiles

    host = this_host()
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
            for p in read_profiles(default_file(bundle))
            if p.host == host
        ],
    }


def _print(entry: dict[str, Any]) -> None:
    print(
        f"{entry['name']}: {entry['local']} and {entry['cloud']}, {entry['classes']} classes, "
        f"{entry['bytes'] / 1e6:.1f} MB"
    )
    top5 = ", ".join(f"{name} {100 * share:.1f}" for name, share in entry["top5"].items())
    print(f"  top-5 in %: {top5}")
    profiles = "; ".join(
        f"{p['part']} {p['precision']}, {p['device']}, {p['threads']} thread(s)"
        for p in entry["profiles"]
    )
    missing = "none; the agents measure what they need when they start"
    print(f"  profiles for this host: {profiles or missing}")
