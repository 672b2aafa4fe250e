"""`mc-sched profile`: measure how long a bundle's networks take on this host, and keep it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mc_models.bundle.bundle import Bundle
    from mc_models.inference.profile import Part, Profile, Times

NAME = "profile"
HELP = "measure a bundle's layers, stages and heads on this host, for the agents"

_EPILOG = """\
the agents read what this stores, and measure at their start what is missing; times of another
bundle, host, device, precision, thread count or version of torch are never used

examples:
  mc-sched profile set-a
  mc-sched profile ./my-bundle --part cloud --threads 4 --output json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="a bundle's folder, or a shipped name such as set-a")
    add("--part", choices=("both", "edge", "cloud"), default="both",
        help="edge: the local net, cloud: stages and heads (default: both)")  # fmt: skip
    add("--threads", type=int, default=1, metavar="N", help="CPU threads (default: 1)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="auto: every one that the device has, and which is best (default)")  # fmt: skip
    add("--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: the GPU if there is one (default)")  # fmt: skip
    add("--file", type=Path, metavar="FILE",
        help="an agent's profile file (default: the user's, below ~/.local/state)")  # fmt: skip
    add("--output", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Measure, keep and print."""
    from mc_models.bundle.bundle import load_bundle
    from mc_models.bundle.files import BundleError
    from mc_models.inference.profile import PARTS
    from mc_models.inference.profile_store import default_file
    from mc_models.inference.runtime import DeviceError

    if not 1 <= args.threads <= 256:
        raise UserError(f"--threads {args.threads} is out of range; choose 1 to 256", 2)
    parts: Sequence[Part] = PARTS if args.part == "both" else (args.part,)
    try:
        bundle = load_bundle(args.bundle)
        measured = {part: _measure(args, bundle, part) for part in parts}
    except (BundleError, DeviceError) as error:
        raise UserError(str(error)) from error
    kept = [part for part, profiles in measured.items() if _keep(args, bundle, profiles)]
    if args.output == "json":
        _print_json(bundle, measured, kept, args.file or default_file(bundle))
    else:
        _print_tables(bundle, measured)
    return 0


def _measure(args: argparse.Namespace, bundle: Bundle, part: Part) -> list[Profile]:
    from mc_models.inference.profile import blank_profile, measure_profiles
    from mc_models.inference.runtime import checked_device, precisions

    device = checked_device(args.device)
    choices = precisions(args.precision, device)
    print(f"measuring the {part} net in {', '.join(choices)}", file=sys.stderr, flush=True)
    blanks = [blank_profile(bundle, part, args.threads, choice, device) for choice in choices]
    return measure_profiles(blanks, bundle, device)


def _keep(args: argparse.Namespace, bundle: Bundle, profiles: list[Profile]) -> bool:
    """Store the profiles of one network, and say where or why not."""
    from mc_models.inference.profile_store import default_file, keep_profiles

    try:
        kept = keep_profiles(profiles, bundle, args.file)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {args.file}: {reason}; choose another --file") from error
    if kept:
        print(f"kept in {args.file or default_file(bundle)}", file=sys.stderr)
    else:
        busy = max(profile.disturbed for profile in profiles)
        print(
            f"not kept: other programs had the CPU for {100 * busy:.0f}% of the time, "
            "or there is no place to write to",
            file=sys.stderr,
        )
    return kept


def _print_tables(bundle: Bundle, measured: Mapping[Part, list[Profile]]) -> None:
    from mc_models.inference.profile_store import best

    for part, profiles in measured.items():
        chosen = best(profiles)
        for profile in profiles:
            mark = ", which auto uses" if profile is chosen and len(profiles) > 1 else ""
            print(
                f"{bundle.name}, {part} net in {profile.precision}{mark}, on {profile.host}, "
                f"{profile.device}, {profile.threads} thread(s); times in ms"
            )
            _print_table(profile)


def _print_table(profile: Profile) -> None:
    print(f"  {'piece':<14} {'p50':>8} {'p95':>8} {'p99':>8} {'runs':>5}")
    kinds = (profile.images, profile.codecs, profile.layers, profile.stages, profile.heads)
    for times_by_name in kinds:
        for name, times in times_by_name.items():
            _print_row(name, times)
    print(f"  {'whole net':<14} {profile.total_ns / 1e6:8.3f}\n")


def _print_row(name: str, times: Times) -> None:
    p50, p95, p99 = (ns / 1e6 for ns in (times.p50_ns, times.p95_ns, times.p99_ns))
    print(f"  {name:<14} {p50:8.3f} {p95:8.3f} {p99:8.3f} {times.count:5d}")


def _print_json(
    bundle: Bundle, measured: Mapping[Part, list[Profile]], kept: list[Part], file: Path | None
) -> None:
    import json
    from dataclasses import asdict

    from mc_models.inference.profile_store import best

    content = {
        "schema": "mc-sched/profile/1",
        "bundle": bundle.name,
        "file": str(file) if file else None,
        "kept": kept,
        "best": {part: best(profiles).precision for part, profiles in measured.items()},
        "profiles": [
            {**asdict(profile), "total_ns": profile.total_ns}
            for profiles in measured.values()
            for profile in profiles
        ],
    }
    print(json.dumps(content))
