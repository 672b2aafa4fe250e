"""`mc-sched profile`: measure the run times of a bundle's networks on this host."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.cli.options.output import add_output_option
from mc_sched.cli.options.ranges import check_range
from mc_sched.cli.output.progress import print_progress
from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mc_models.bundle.load import Bundle
    from mc_models.inference.profile import Part, Profile, Times

NAME = "profile"
HELP = "Measure the run times of a bundle's layers, stages and heads on this host."

_EPILOG = """\
The agents read the stored profiles, and measure missing ones when they start. A profile is valid
for one bundle, host, device, precision, thread count and version of torch.

examples:
  mc-sched profile set-a
  mc-sched profile ./my-bundle --part cloud --threads 4 --output json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `profile`."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="directory of a bundle, or a shipped name such as set-a")
    add("--part", choices=("both", "edge", "cloud"), default="both",
        help="edge: the local net; cloud: stages and heads (default: %(default)s)")  # fmt: skip
    add("--threads", type=int, default=1, metavar="N",
        help="number of CPU threads, from 1 to 256 (default: %(default)s)")  # fmt: skip
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="auto: every precision that the device supports (default: %(default)s)")  # fmt: skip
    add("--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: the GPU if there is one (default: %(default)s)")  # fmt: skip
    add("--file", type=Path, metavar="FILE",
        help="file to store the profiles in (default: the user's, in ~/.local/state)")  # fmt: skip
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, store and print the profiles."""
    from mc_models.bundle.files import BundleError
    from mc_models.bundle.load import load_bundle
    from mc_models.inference.devices import DeviceError
    from mc_models.inference.profile import PARTS
    from mc_models.inference.profile_store import default_file

    check_range(args, "threads", 1, 256)
    parts: Sequence[Part] = PARTS if args.part == "both" else (args.part,)
    try:
        bundle = load_bundle(args.bundle)
        measured = {part: _measure(args, bundle, part) for part in parts}
    except (BundleError, DeviceError) as error:
        raise UserError(str(error)) from error
    kept = [part for part, profiles in measured.items() if _store(args, bundle, profiles)]
    if args.output == "json":
        _print_json(bundle, measured, kept, args.file or default_file(bundle))
    else:
        _print_tables(bundle, measured)
    return 0


def _measure(args: argparse.Namespace, bundle: Bundle, part: Part) -> list[Profile]:
    from mc_models.inference.devices import checked_device, precisions
    from mc_models.inference.profile import blank_profile
    from mc_models.inference.profiler import measure_profiles

    device = checked_device(args.device)
    choices = precisions(args.precision, device)
    print_progress(f"measuring the {part} net in {', '.join(choices)}")
    blanks = [blank_profile(bundle, part, args.threads, choice, device) for choice in choices]
    return measure_profiles(blanks, bundle, device)


def _store(args: argparse.Namespace, bundle: Bundle, profiles: list[Profile]) -> bool:
    """Store the profiles of one network, and report where or why not."""
    from mc_models.inference.profile_store import default_file, keep_profiles

    try:
        kept = keep_profiles(profiles, bundle, args.file)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {args.file}: {reason}; choose another --file") from error
    if kept:
        print_progress(f"stored in {args.file or default_file(bundle)}")
    else:
        busy = max(profile.disturbed for profile in profiles)
        print_progress(
            f"not stored: other programs used the CPU for {100 * busy:.0f}% of the time, "
            "or the file cannot be written"
        )
    return kept


def _print_tables(bundle: Bundle, measured: Mapping[Part, list[Profile]]) -> None:
    from mc_models.inference.profile_store import best

    for part, profiles in measured.items():
        chosen = best(profiles)
        for profile in profiles:
            mark = ", chosen by auto" if profile is chosen and len(profiles) > 1 else ""
            _print_table(
                profile,
                f"{bundle.name}, {part} net in {profile.precision}{mark}, on {profile.host}, "
                f"{profile.device}, {profile.threads} thread(s); times in ms",
            )


def _print_table(profile: Profile, title: str) -> None:
    kinds = (profile.images, profile.codecs, profile.layers, profile.stages, profile.heads)
    rows = [_row(name, times) for kind in kinds for name, times in kind.items()]
    total = ("complete net", f"{profile.total_ns / 1e6:.3f}", "", "", "")
    headings = ("piece", "p50", "p95", "p99", "runs")
    print_table(headings, [*rows, total], title=title, numbers_from=1)
    if profile.batches:
        print()
        _print_batches(profile)


def _print_batches(profile: Profile) -> None:
    """Print the median time per image by batch size."""
    sizes = profile.batch_sizes
    by_piece = {
        **dict(zip(profile.stages, profile.stage_batch_ns, strict=True)),
        **profile.head_batch_ns,
        "complete net": tuple(profile.batch_total_ns.values()),
    }
    rows = [
        (piece, *(f"{ns / size / 1e6:.3f}" for ns, size in zip(times_ns, sizes, strict=True)))
        for piece, times_ns in by_piece.items()
    ]
    headings = ("piece", *(f"batch {size}" for size in sizes))
    print_table(headings, rows, title="median time per image in ms", numbers_from=1)


def _row(name: str, times: Times) -> tuple[str, ...]:
    quantiles_ns = (times.p50_ns, times.p95_ns, times.p99_ns)
    return (name, *(f"{ns / 1e6:.3f}" for ns in quantiles_ns), str(times.count))


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
