"""`mc-sched evaluate --privacy`: attack the payloads of both codecs, jpeg and features."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from mc_sched.cli.output.tables import print_table
from mc_sched.errors import UserError

if TYPE_CHECKING:
    from mc_models.evaluation.privacy import PrivacyReport

IMAGES_FILE = "privacy.png"
HEADINGS = ("codec", "bytes", "PSNR dB", "SSIM", "attribute %", "top-5 %", "lost")


def run(args: argparse.Namespace) -> int:
    """Attack both codecs and print the measurements."""
    import torch
    from mc_models.bundle.files import BundleError
    from mc_models.data.image_sets import DataError

    if args.threads > 0:
        torch.set_num_threads(args.threads)
    try:
        report = _measure(args)
    except (BundleError, DataError) as error:
        raise UserError(str(error)) from error
    if args.write is not None:
        _write(report, args.write)
    if args.output == "json":
        print(json.dumps(as_json(report)))
    else:
        _print(report)
    return 0


def _measure(args: argparse.Namespace) -> PrivacyReport:
    from mc_models.bundle.load import load_bundle
    from mc_models.evaluation.accuracy import evaluation_images
    from mc_models.evaluation.privacy import Attack, attack_images, measure_privacy

    from mc_sched.cli.output.progress import StageBars

    attack = Attack() if args.count is None else Attack(test_count=args.count)
    bundle = load_bundle(args.bundle)
    bundle.codec("features")  # raise early if there is nothing to attack
    with StageBars() as bars:
        folder = None
        if args.data != "generated":
            folder = evaluation_images(
                bundle, args.data, None, None, lambda d, n: bars("read images", d, n)
            )
        own, test = attack_images(bundle, folder, attack, args.seed or 0, bars)
        return measure_privacy(bundle, own, test, attack, bars)


def table_rows(report: PrivacyReport) -> list[tuple[str, ...]]:
    """The measurements as text: a row per codec, and one for an attacker without a payload."""
    jpeg = report.rows[0]
    rows = [
        (
            row.codec, f"{row.mean_bytes:,.0f}", f"{row.psnr_db:.1f}", f"{row.ssim:.3f}",
            f"{100 * row.attribute_accuracy:.1f}", f"{100 * row.top5:.1f}",
            f"{100 * (jpeg.top5 - row.top5):.1f}",
        )
        for row in report.rows
    ]  # fmt: skip
    psnr_db, ssim, accuracy = (
        report.blind_psnr_db,
        report.blind_ssim,
        report.blind_attribute_accuracy,
    )
    blind = ("nothing", "0", f"{psnr_db:.1f}", f"{ssim:.3f}", f"{100 * accuracy:.1f}", "", "")
    return [*rows, blind]


def as_json(report: PrivacyReport) -> dict[str, object]:
    """Return the measurements as a JSON object."""
    jpeg = report.rows[0]
    return {
        "schema": "mc-sched/privacy/2",
        "bundle": report.bundle,
        "images": report.images,
        "blind_psnr_db": report.blind_psnr_db,
        "blind_ssim": report.blind_ssim,
        "attribute": report.attribute,
        "blind_attribute_accuracy": report.blind_attribute_accuracy,
        "codecs": {
            row.codec: {
                "bytes": row.mean_bytes,
                "psnr_db": row.psnr_db,
                "ssim": row.ssim,
                "attribute_accuracy": row.attribute_accuracy,
                "top5": row.top5,
                "top5_lost": jpeg.top5 - row.top5,
            }
            for row in report.rows
        },
    }


def _print(report: PrivacyReport) -> None:
    title = f"{report.bundle}: attackers on the payloads, {report.images} images"
    print_table(HEADINGS, table_rows(report), title=title, numbers_from=1)
    print(f"attribute: {report.attribute}")


def _write(report: PrivacyReport, folder: Path) -> None:
    from mc_models.data.contact_sheet import save_sheet

    rows = {"original": report.originals}
    for row in report.rows:
        rows[f"reconstructed from {row.codec}, SSIM {row.ssim:.2f}"] = row.reconstructions
    try:
        save_sheet(rows, folder / IMAGES_FILE)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {folder}: {reason}; choose another --write") from error
