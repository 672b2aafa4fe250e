"""Train a `features` codec for a bundle, measure it, and add it to the bundle.

The networks stay as they are. The bundle's hash changes, since the tables get the codec's column.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from mc_models.bundle.files import CODEC_FILE
from mc_models.bundle.load import Bundle
from mc_models.bundle.rows import ExitRow
from mc_models.bundle.save import rewrite_table
from mc_models.bundle.weights import save_weights
from mc_models.codec.feature_codec import FEATURES, load_codec
from mc_models.data.image_sets import ImageSet
from mc_models.inference.outputs import accuracy, features_logits
from mc_models.progress import OnProgress, OnStageProgress
from mc_models.training.codec import CodecConfig, train_codec


def add_codec(
    bundle: Bundle,
    train: ImageSet,
    test: ImageSet,
    config: CodecConfig,
    on_progress: OnStageProgress,
) -> Bundle:
    """Train the codec on `train`, measure it on `test`; return the bundle as loaded back.

    Raises DataError if the cloud net cannot be cut at the configured stage.
    """

    def on_step(step: int, steps: int, loss: float) -> None:
        on_progress("train features codec", step, steps, loss)

    def on_batch(done: int, total: int) -> None:
        on_progress("measure features codec", done, total, None)

    codec, row = train_codec(bundle.cloud_net(), train, config, on_step)
    save_weights(codec, bundle.path / CODEC_FILE)
    # thresholds measured with another codec are not valid for this one
    changed = replace(bundle, codecs=(row,), thresholds=())
    return rewrite_table(replace(changed, exits=measured_exits(changed, test, on_batch)))


def measured_exits(
    bundle: Bundle, test: ImageSet, on_progress: OnProgress | None = None
) -> tuple[ExitRow, ...]:
    """The bundle's exits with the codec's accuracy on `test`, which those before the cut lack."""
    stage = bundle.codec(FEATURES).stage
    logits = features_logits(
        bundle.cloud_net(), load_codec(bundle), stage, test, on_progress=on_progress
    )
    labels = torch.from_numpy(test.labels)
    rows = []
    for old in bundle.exits:
        top1 = {codec: value for codec, value in old.top1.items() if codec != FEATURES}
        top5 = {codec: value for codec, value in old.top5.items() if codec != FEATURES}
        if old.name in logits:
            result = accuracy(logits[old.name], labels)
            top1[FEATURES], top5[FEATURES] = round(result.top1, 4), round(result.top5, 4)
        rows.append(replace(old, top1=top1, top5=top5))
    return tuple(rows)
