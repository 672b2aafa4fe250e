"""Networks and clocks in round figures: every forecast is a whole number of milliseconds.

    local net   20 ms in four layers of 5 ms, accuracy 0.80
    cloud net   five stages of 4 ms, heads of 1 ms: 5, 9, 13, 17, 21 ms to exit0 .. exit4
    link        10 ms round trip; 8 Mbps up, which is 10 ms for an image of 10 kB
    batches     of 2, 4 and 8 tasks take 1.25, 1.5 and 2 times the time of one
    features    5 ms to encode, 4 kB, 3 ms to decode; the cloud goes on at stage 2; two points of
                accuracy less: 3 + 5, 9, 13 ms to exit2 .. exit4
    cloud net on the device: stages of 12 ms, heads of 2 ms; 62 ms to exit4
    splits      1 ms to pack, none to unpack; 20, 4, 2 and 2 kB behind the stages
    ddnn        keeps 0, 40, 70 or 100% of the images and reaches 0.94, 0.92, 0.86 or 0.80 in all

So the cloud answers a lone task of the basic QoR, 0.75, after 10 + 10 + 9 = 29 ms, at exit1.
"""

from dataclasses import replace
from math import exp, log

from mc_sched.core.tables import CloudTable, Codec, EntropyThreshold, Exit, LocalTable
from mc_sched.core.task import Prediction

MS = 1_000_000
START_NS = 1_000 * MS
"""Zero of the tests' clock; events before it have taught the predictors the figures above."""

LOCAL = LocalTable("local", 0.80, (10, 30, 40, 20), (5 * MS,) * 4)
LOCAL_MS = 20
ACCURACIES = (0.60, 0.77, 0.83, 0.91, 0.94)
CLOUD = CloudTable(
    "cloud",
    stage_ns=(4 * MS,) * 5,
    exits=tuple(Exit(f"exit{i}", i, MS, {"jpeg": a}) for i, a in enumerate(ACCURACIES)),
)
BATCHED = replace(
    CLOUD,
    exits=tuple(replace(e, head_batch_ns=(MS, 1_250_000, 1_500_000, 2 * MS)) for e in CLOUD.exits),
    batch_sizes=(1, 2, 4, 8),
    stage_batch_ns=((4 * MS, 5 * MS, 6 * MS, 8 * MS),) * 5,
)
"""The cloud net on a device that runs eight tasks in twice the time of one."""
FEATURES = Codec("features", stage=2, decode_ns=3 * MS, payload_bytes=4_000)
ENCODING_LOCAL = replace(LOCAL, encode_ns={"features": 5 * MS})
"""The local net's table on an edge with an encoder for features."""
TWO_CODECS = replace(
    CLOUD,
    exits=tuple(
        replace(e, accuracy=e.accuracy | {"features": round(e.accuracy["jpeg"] - 0.02, 2)})
        if e.stage >= FEATURES.stage
        else e
        for e in CLOUD.exits
    ),
    codecs=(*CLOUD.codecs, FEATURES),
)
SPLIT_BYTES = (20_000, 4_000, 2_000, 2_000)
SPLITS = tuple(Codec(f"split{n}", n, 0, size) for n, size in enumerate(SPLIT_BYTES, start=1))
PARTITIONED = replace(
    TWO_CODECS,
    exits=tuple(
        replace(
            e,
            accuracy=e.accuracy
            | {s.name: e.accuracy["jpeg"] for s in SPLITS if s.stage <= e.stage},
        )
        for e in TWO_CODECS.exits
    ),
    splits=SPLITS,
)
WHOLE = CloudTable(
    "cloud", (12 * MS,) * 5, tuple(replace(e, head_ns=2 * MS) for e in PARTITIONED.exits)
)
THRESHOLDS = tuple(
    EntropyThreshold(entropy, kept, {"jpeg": jpeg, "features": features}, unsure)
    for entropy, kept, jpeg, features, unsure in (
        (0.0, 0.0, 0.94, 0.92, 0.80),
        (0.3, 0.4, 0.92, 0.90, 0.70),
        (0.5, 0.7, 0.86, 0.85, 0.50),
        (1.0, 1.0, 0.80, 0.80, 0.0),
    )
)
EVERY_POLICY_LOCAL = replace(
    ENCODING_LOCAL,
    encode_ns=ENCODING_LOCAL.encode_ns | {s.name: (12 * s.stage + 1) * MS for s in SPLITS},
    thresholds=THRESHOLDS,
    cloud_net=WHOLE,
)
"""The local net's table on an edge with the tables of every policy."""
IMAGE_BYTES = 10_000
BOTH_PAYLOADS = {"jpeg": IMAGE_BYTES, "features": FEATURES.payload_bytes}
UP_MS, RTT_MS = 10, 10
ANSWER = Prediction(((7, 0.9), (3, 0.1)))
UNSURE = Prediction(((7, 0.3), (3, 0.2)), entropy=0.8)


def ns(ms: float) -> int:
    """Milliseconds in nanoseconds."""
    return round(ms * MS)


def at(ms: float) -> int:
    """Convert a time of the tests' clock, in milliseconds, to the machine's clock."""
    return START_NS + ns(ms)


def faded(*samples: float) -> float:
    """The mean of these samples, the oldest first: each weighs 0.8 of the next newer one."""
    weighed = [(0.8**age, log(sample)) for age, sample in enumerate(reversed(samples))]
    return exp(sum(w * logarithm for w, logarithm in weighed) / sum(w for w, _ in weighed))
