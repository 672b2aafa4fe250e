"""Train a `features` codec for a bundle, measure it, and put it into the bundle.

Nothing else in the bundle changes; its hash does, as the table now has the codec's column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from mc_models.bundle.bundle import Bundle, rewrite_table
from mc_models.bundle.calibrate import accuracy
from mc_models.bundle.files import CODEC_FILE
from mc_models.bundle.rows import ExitRow
from mc_models.bundle.weights import save_weights
from mc_models.codec.features import NAME, features_logits, load_codec
from mc_models.data.image_sets import ImageSet
from mc_models.training.train_codec import CodecConfig, train_codec

Report = Callable[[str, int, int, float | None], None]
"""Called with the stage of the work, done, total, loss."""


def add_codec(
    bundle: Bundle, train: ImageSet, test: ImageSet, config: CodecConfig, report: Report
) -> Bundle:
    """Make the codec on `train`, its accuracy column on `test`; the bundle as loaded back.

    Raises DataError for a cut that the cloud net does not have.
    """

    def on_step(step: int, steps: int, loss: float) -> None:
        report("train features codec", step, steps, loss)

    def on_batch(done: int, total: int) -> None:
        report("measure features codec", done, total, None)

    codec, row = train_codec(bundle.cloud_net(), train, config, on_step)
    save_weights(codec, bundle.path / CODEC_FILE)
    # thresholds that were measured with another codec say nothing of this one
    made = replace(bundle, codecs=(row,), thresholds=())
    return rewrite_table(replace(made, exits=measured_exits(made, test, on_batch)))


def measured_exits(
    bundle: Bundle, test: ImageSet, report: Callable[[int, int], None] | None = None
) -> tuple[ExitRow, ...]:
    """The bundle's exits with the codec's accuracy on `test`; those before the cut lack it."""
    stage = bundle.codec(NAME).stage
    logits = features_logits(bundle.cloud_net(), load_codec(bundle), stage, test, report=report)
    labels = torch.from_numpy(test.labels)
    rows = []
    for old in bundle.exits:
        top1 = {codec: value for codec, value in old.top1.items() if codec != NAME}
        top5 = {codec: value for codec, value in old.top5.items() if codec != NAME}
        if old.name in logits:
            result = accuracy(logits[old.name], labels)
            top1[NAME], top5[NAME] = round(result.top1, 4), round(result.top5, 4)
        rows.append(replace(old, top1=top1, top5=top5))
    return tuple(rows)
