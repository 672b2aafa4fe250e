"""The paper's networks with the cloud on a server with a Tesla T4, whose times depend on the batch.

The edges are those of `paper_networks`. The times of whole networks in batches of 1, 4 and 8 are
measured (TensorRT, float16): PaddleClas, docs/zh_CN/models/ImageNet1k, Inception.md (GoogLeNet, on
images of 299 x 299, so it is faster at 224 x 224) and ResNet.md (ResNet-152). Batches of 16 and 32
continue the slope between 4 and 8 (ESTIMATE). Stages share a network's time by their operations, as
in `paper_networks` (ESTIMATE).
"""

from __future__ import annotations

from dataclasses import replace

from mc_sched.core.tables import CloudTable
from mc_sched.sim import paper_networks

MEASURED_SIZES = (1, 4, 8)
GOOGLENET_MS = (1.75451, 3.39931, 4.71909)
RESNET152_MS = (7.28665, 10.62001, 14.90317)
EXTRAPOLATED_SIZES = (16, 32)
BATCH_SIZES = (*MEASURED_SIZES, *EXTRAPOLATED_SIZES)
HEAD_MS, HEAD_MS_PER_IMAGE = 0.04, 0.01
"""Pooling, one dense layer and the answers of a batch: of the batch, and of each image (ESTIMATE).
The whole networks' times include that of the last head."""
DECODE_NS = 700_000
"""A JPEG of 224 x 224, or a features payload, on one CPU thread; 0.5 to 0.8 ms on a Zen 4, by
`mc-sched profile`."""
DECODERS = 4
"""CPU threads that decode; a cloud instance with one T4 has four and more."""


def _on_t4(table: CloudTable, measured_ms: tuple[float, ...]) -> CloudTable:
    """Return the table with the times of a whole network on the T4, by batch."""
    shares = [ns / sum(table.stage_ns) for ns in table.stage_ns]
    head_ns = tuple(round((HEAD_MS + HEAD_MS_PER_IMAGE * size) * 1e6) for size in BATCH_SIZES)
    whole_ns = [round(ms * 1e6) for ms in _extrapolated(measured_ms)]
    stage_batch_ns = tuple(
        tuple(round(share * (ns - head)) for ns, head in zip(whole_ns, head_ns, strict=True))
        for share in shares
    )
    return replace(
        table,
        bundle_hash=f"{table.bundle_hash} on a T4",
        stage_ns=tuple(times[0] for times in stage_batch_ns),
        exits=tuple(replace(e, head_ns=head_ns[0], head_batch_ns=head_ns) for e in table.exits),
        codecs=tuple(replace(codec, decode_ns=DECODE_NS) for codec in table.codecs),
        batch_sizes=BATCH_SIZES,
        stage_batch_ns=stage_batch_ns,
    )


def _extrapolated(measured_ms: tuple[float, ...]) -> tuple[float, ...]:
    """Return the times for all batch sizes; large ones continue the last measured slope."""
    before, last = MEASURED_SIZES[-2:]
    slope_ms = (measured_ms[-1] - measured_ms[-2]) / (last - before)
    return (
        *measured_ms,
        *(measured_ms[-1] + slope_ms * (size - last) for size in EXTRAPOLATED_SIZES),
    )


SETS = {
    "t4-a": (paper_networks.SET_A[0], _on_t4(paper_networks.SET_A[1], GOOGLENET_MS)),
    "t4-b": (paper_networks.SET_B[0], _on_t4(paper_networks.SET_B[1], RESNET152_MS)),
}
