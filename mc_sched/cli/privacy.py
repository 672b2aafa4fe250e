"""`mc-sched evaluate --privacy`: attack what leaves the device, jpeg against features."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.evaluation.privacy import PrivacyReport

PICTURE = "privacy.png"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--privacy", action="store_true",
        help="train attackers on what leaves the device, jpeg and features (minutes)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Attack both codecs and print the figures."""
    import torch
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    try:
        report = _measured(args)
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    if args.write is not None:
        _write(report, args.write)
    print(json.dumps(as_json(report)) if args.output == "json" else as_table(report))
    return 0


def _measured(args: argparse.Namespace) -> PrivacyReport:
    from mc_models.bundle.bundle import load_bundle
    from mc_models.evaluation.evaluate import evaluation_images
    from mc_models.evaluation.privacy import Attack, attack_images, measure_privacy

    from mc_sched.cli.progress import StageBars

    attack = Attack() if args.count is None else Attack(test_count=args.count)
    bundle = load_bundle(args.bundle)
    bundle.codec("features")  # an early answer where there is nothing to attack
    with StageBars() as bars:
        folder = None
        if args.data != "generated":
            folder = evaluation_images(
                bundle, args.data, None, None, lambda d, n: bars("read images", d, n)
            )
        own, test = attack_images(bundle, folder, attack, args.seed or 0, bars)
        return measure_privacy(bundle, own, test, attack, bars)


def as_table(report: PrivacyReport) -> str:
    """The figures for people."""
    lines = [
        f"{report.bundle}: attackers on what leaves the device, {report.images} images",
        f"{'codec':<9} {'bytes':>7} {'PSNR dB':>8} {'SSIM':>6} {'attribute %':>12}"
        f" {'top-5 %':>8} {'lost':>5}",
    ]
    first = report.rows[0]
    lines += [
        f"{row.codec:<9} {row.mean_bytes:7,.0f} {row.psnr_db:8.1f} {row.ssim:6.3f}"
        f" {100 * row.attribute_accuracy:12.1f} {100 * row.top5:8.1f}"
        f" {100 * (first.top5 - row.top5):5.1f}"
        for row in report.rows
    ]
    lines.append(
        f"{'nothing':<9} {0:7} {report.blind_psnr_db:8.1f} {report.blind_ssim:6.3f}"
        f" {100 * report.chance:12.1f}"
    )
    lines.append(f"attribute: {report.attribute}")
    return "\n".join(lines)


def as_json(report: PrivacyReport) -> dict[str, object]:
    """The figures for programs."""
    first = report.rows[0]
    return {
        "schema": "mc-sched/privacy/1",
        "bundle": report.bundle,
        "images": report.images,
        "blind_psnr_db": report.blind_psnr_db,
        "blind_ssim": report.blind_ssim,
        "attribute": report.attribute,
        "chance": report.chance,
        "codecs": {
            row.codec: {
                "bytes": row.mean_bytes,
                "psnr_db": row.psnr_db,
                "ssim": row.ssim,
                "attribute_accuracy": row.attribute_accuracy,
                "top5": row.top5,
                "top5_lost": first.top5 - row.top5,
            }
            for row in report.rows
        },
    }


def _write(report: PrivacyReport, folder: Path) -> None:
    from mc_models.data.contact_sheet import save_sheet

    rows = {"original": report.originals}
    for row in report.rows:
        rows[f"reconstructed from {row.codec}, SSIM {row.ssim:.2f}"] = row.reconstructions
    try:
        save_sheet(rows, folder / PICTURE)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {folder}: {reason}; choose another --write") from error
