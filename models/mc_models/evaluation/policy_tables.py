"""Tables that only the baseline policies need, measured on held-out images.

DDNN needs the local net's entropy for each image, and whether each net is right about it. The
partitioning policies need the accuracy of every exit behind every raw split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mc_models.bundle.load import Bundle
from mc_models.bundle.rows import ExitRow, SplitRow
from mc_models.codec.cut import behind_cut
from mc_models.codec.feature_codec import FEATURES, FeatureCodec, load_codec
from mc_models.codec.splits import quantised, split_rows
from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import batch_input, through_jpeg
from mc_models.inference.outputs import hits
from mc_models.inference.predict import normalised_entropy
from mc_models.networks.branches import BranchedNet
from mc_models.progress import OnProgress

BATCH = 32


@dataclass(frozen=True)
class PolicyTables:
    """The local net's entropy and both nets' top-5 hits per image, and the accuracy by split."""

    entropies: tuple[float, ...]
    """Normalised entropies of the local net."""
    local_right: tuple[bool, ...]
    cloud_right: dict[str, tuple[bool, ...]]
    """Hits of the last exit, by codec."""
    splits: tuple[SplitRow, ...]
    exits: tuple[ExitRow, ...]
    """The bundle's exits, with their accuracy behind each split."""


@torch.inference_mode()
def measure_policy_tables(
    bundle: Bundle, images: ImageSet, on_progress: OnProgress | None = None
) -> PolicyTables:
    """Measure on JPEG-compressed `images`, as a camera sends them. Raises BundleError."""
    local, cloud = bundle.local_net(), bundle.cloud_net()
    codec = load_codec(bundle) if bundle.codecs else None
    cut = bundle.codec(FEATURES).stage if codec else 0
    splits = split_rows(list(cloud.stages), bundle.input_px)
    rng = torch.Generator().manual_seed(0)  # the noise of the stored accuracies
    entropies: list[float] = []
    right: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    for start in range(0, len(images), BATCH):
        end = min(start + BATCH, len(images))
        x = batch_input(through_jpeg(images.images[start:end]))
        labels = torch.from_numpy(images.labels[start:end])
        local_logits = local(x)
        entropies += normalised_entropy(local_logits, bundle.local.temperature).tolist()
        right["", ""].append(torch.stack(hits(local_logits, labels)))
        for payload, logits in _logits_by_payload(cloud, splits, codec, cut, x, rng):
            for exit_, answers in logits.items():
                right[payload, exit_].append(torch.stack(hits(answers, labels)))
        if on_progress is not None:
            on_progress(end, len(images))
    return _tables(bundle, splits, entropies, {key: torch.cat(p, 1) for key, p in right.items()})


def _logits_by_payload(
    net: BranchedNet,
    splits: tuple[SplitRow, ...],
    codec: FeatureCodec | None,
    cut: int,
    x: Tensor,
    rng: torch.Generator,
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each codec or split with the logits of its exits; for jpeg only of the last exit."""
    name_of = {row.stage: row.name for row in splits}
    for number, stage in enumerate(net.stages, start=1):
        x = stage(x)
        if codec is not None and number == cut:
            yield FEATURES, behind_cut(net, cut, codec(x, rng))
        if number in name_of:
            yield name_of[number], behind_cut(net, number, quantised(x))
    last = net.exit_names[-1]
    yield "jpeg", {last: net.heads[last](x)}


def _tables(
    bundle: Bundle,
    splits: tuple[SplitRow, ...],
    entropies: list[float],
    right: dict[tuple[str, str], Tensor],
) -> PolicyTables:
    """Make the tables from hits: bool [2, images] for top-1 and top-5, by codec and exit."""
    names = {row.name for row in splits}
    exits = []
    for row in bundle.exits:
        shares = {
            codec: found.float().mean(1).tolist()
            for (codec, exit_), found in right.items()
            if exit_ == row.name and codec in names
        }
        top1 = {codec: round(first, 4) for codec, (first, _) in shares.items()}
        top5 = {codec: round(five, 4) for codec, (_, five) in shares.items()}
        exits.append(replace(row, top1={**row.top1, **top1}, top5={**row.top5, **top5}))
    last = bundle.exits[-1].name
    codecs = ("jpeg", *(row.name for row in bundle.codecs))
    return PolicyTables(
        tuple(entropies),
        _flags(right["", ""]),
        {codec: _flags(right[codec, last]) for codec in codecs},
        splits,
        tuple(exits),
    )


def _flags(found: Tensor) -> tuple[bool, ...]:
    return tuple(found[1].tolist())
