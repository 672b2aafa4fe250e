"""Networks and times like the paper's: a Jetson TX1 and a server with a GTX 1080 Ti.

The boards, the networks and one time are from the paper (Tang et al. 2020): in the case study the
local net starts with 36 of 84 ms left and answers at 83.6 ms, so CaffeNet takes 35.6 ms on the TX1.
The complete networks' top-5 on ImageNet 2012 are published, and their operations follow from their
layers. Everything else is marked as ESTIMATE. The 79.8 ms that the case study gives for the first
acceptable exit include more than these parts; the paper does not say what.
"""

from __future__ import annotations

from dataclasses import dataclass

from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable

MS = 1_000_000
CAFFENET_NS = round(35.6 * MS)
"""Tang et al. 2020, case study: 83.6 ms - (84 ms - 36 ms)."""

# (name, multiply-accumulates, weights): Krizhevsky et al. 2012, as Caffe's bvlc_reference_caffenet
_CAFFENET = (
    ("conv1", 105_415_200, 0), ("conv2", 223_948_800, 0), ("conv3", 149_520_384, 0),
    ("conv4", 112_140_288, 0), ("conv5", 74_760_192, 0),
    ("fc6", 37_748_736, 37_748_736), ("fc7", 16_777_216, 16_777_216), ("fc8", 4_096_000, 4_096_000),
)  # fmt: skip
# Lin et al. 2013, the ImageNet net of Caffe's model zoo, 224 x 224
_NIN = (
    ("conv1", 101_616_768, 0), ("cccp1", 26_873_856, 0), ("cccp2", 26_873_856, 0),
    ("conv2", 447_897_600, 0), ("cccp3", 47_775_744, 0), ("cccp4", 47_775_744, 0),
    ("conv3", 149_520_384, 0), ("cccp5", 24_920_064, 0), ("cccp6", 24_920_064, 0),
    ("conv4", 127_401_984, 0), ("cccp7", 37_748_736, 0), ("cccp8", 36_864_000, 0),
)  # fmt: skip
_TX1_BYTES_PER_S = 25.6e9
"""Memory bandwidth; a dense layer at batch 1 reads its float32 weights once (ESTIMATE)."""
_FC_NS = sum(round(weights * 4 / _TX1_BYTES_PER_S * 1e9) for _, _, weights in _CAFFENET)
_NS_PER_MAC = (CAFFENET_NS - _FC_NS) / sum(macs for _, macs, weights in _CAFFENET if not weights)
"""The rest of CaffeNet's time is assigned to its convolutions by their operations (ESTIMATE)."""

GOOGLENET_NS, RESNET_NS = 8 * MS, 25 * MS
"""Complete networks, one image, on the GTX 1080 Ti with the frameworks of 2017 (ESTIMATE)."""
_HEAD_NS = round(0.3 * MS)
"""Pooling and one dense layer (ESTIMATE)."""
_DECODE_NS = 2 * MS
"""Decoding a JPEG of 224 x 224, or the features decoder's projection (ESTIMATE)."""
_FEATURES_BYTES = 3_136
"""28 x 28 patches, four values of 8 bits each (ESTIMATE)."""
_RANGE_BYTES = 8
"""Minimum and maximum of an activation, sent with it as two float32."""
_FEATURES_LOSS = 0.02
"""Loss of accuracy by the codec (ESTIMATE; Osia et al. 2020 report losses of this order)."""


_PACK_BYTES_PER_S = _TX1_BYTES_PER_S / 5
"""Packing an activation reads a float32 and writes a byte for each value (ESTIMATE)."""
_UNPACK_NS_PER_BYTE = 1
"""Unpacking on the server (ESTIMATE)."""
_CLASSES = 1000


def _layers(rows: tuple[tuple[str, int, int], ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the operations and times of each layer."""
    times_ns = (
        weights * 4 / _TX1_BYTES_PER_S * 1e9 if weights else macs * _NS_PER_MAC
        for _, macs, weights in rows
    )
    return tuple(macs for _, macs, _ in rows), tuple(round(ns) for ns in times_ns)


@dataclass(frozen=True)
class _CloudNet:
    """A cloud net in five stages, from published data."""

    name: str
    server_ns: int
    """Time of the complete network on the server."""
    macs: float
    """Multiply-accumulates of the complete network."""
    shares: tuple[float, ...]
    """Relative share of each stage in them."""
    accuracies: tuple[float, ...]
    channels: int
    """Channels of the last activation, the input of the network's own dense layer."""
    boundary_values: tuple[int, ...]
    """Number of values in the activation after each stage except the last."""

    def cloud_table(self) -> CloudTable:
        """Return the network's table on the server."""
        codecs = (
            Codec("jpeg", 0, _DECODE_NS),
            Codec("features", 1, _DECODE_NS, _FEATURES_BYTES),
        )
        splits = tuple(
            Codec(f"split{stage}", stage, values * _UNPACK_NS_PER_BYTE, values + _RANGE_BYTES)
            for stage, values in enumerate(self.boundary_values, start=1)
        )
        hash_ = f"paper-class {self.name}"
        return CloudTable(
            self.name, self._spread(self.server_ns), self._exits(_HEAD_NS), hash_, codecs, splits
        )

    def tx1_table(self) -> CloudTable:
        """Return the table on the TX1, with convolutions timed like CaffeNet's (ESTIMATE)."""
        head_ns = round(self.channels * _CLASSES * 4 / _TX1_BYTES_PER_S * 1e9)
        stage_ns = self._spread(round(self.macs * _NS_PER_MAC))
        return CloudTable(self.name, stage_ns, self._exits(head_ns))

    def encode_ns(self) -> dict[str, int]:
        """Return the TX1's encoding times: the stages before each split, and packing."""
        stage_ns = self.tx1_table().stage_ns
        packed = {
            f"split{stage}": sum(stage_ns[:stage]) + round(values / _PACK_BYTES_PER_S * 1e9)
            for stage, values in enumerate(self.boundary_values, start=1)
        }
        return {"features": stage_ns[0], **packed}

    def _spread(self, total_ns: int) -> tuple[int, ...]:
        return tuple(round(total_ns * share / sum(self.shares)) for share in self.shares)

    def _exits(self, head_ns: int) -> tuple[Exit, ...]:
        last = len(self.shares) - 1
        return tuple(
            Exit(
                f"exit{stage + 1}" if stage < last else "final", stage, head_ns, _by_codec(stage, a)
            )
            for stage, a in enumerate(self.accuracies)
        )


def _by_codec(stage: int, accuracy: float) -> dict[str, float]:
    """Return the accuracy by codec; raw activations in 8 bits lose nothing (ESTIMATE).

    The shipped bundles lose 0.05 points by them.
    """
    splits = {f"split{before}": accuracy for before in range(1, stage + 1)}
    features = {"features": round(accuracy - _FEATURES_LOSS, 3)} if stage else {}
    return {"jpeg": accuracy, **features, **splits}


# Set A: CaffeNet, top-5 80.4%; GoogLeNet (Szegedy et al. 2015), top-5 89%, 1.5 billion MACs in five
# blocks of similar size. The accuracies of its first four exits are ESTIMATES; the paper says that
# three exits reach 75%. Table 1 of Szegedy et al. gives the activations: the blocks end
# approximately after pool2 (28 x 28 x 192), pool3 (14 x 14 x 480), inception 4c (14 x 14 x 512)
# and pool4 (7 x 7 x 832).
_GOOGLENET = _CloudNet(
    "googlenet", GOOGLENET_NS, 1.5e9, (1, 1, 1, 1, 1), (0.56, 0.70, 0.79, 0.86, 0.89),
    1024, (28 * 28 * 192, 14 * 14 * 480, 14 * 14 * 512, 7 * 7 * 832),
)  # fmt: skip
SET_A = (
    LocalTable(
        "caffenet", 0.804, *_layers(_CAFFENET), _GOOGLENET.encode_ns(),
        cloud_net=_GOOGLENET.tx1_table(),
    ),
    _GOOGLENET.cloud_table(),
)  # fmt: skip
# Set B: Network-in-Network, top-5 about 81%; ResNet-152 (He et al. 2016), top-5 93.5%, 11.3 billion
# MACs: conv1 and conv2_x, then four blocks of similar size. The first four exits are ESTIMATES.
# conv2_x ends with 56 x 56 x 256 values; the other blocks end within conv4_x (14 x 14 x 1024), as
# its 36 units are most of the network.
_RESNET152 = _CloudNet(
    "resnet152", RESNET_NS, 11.3e9, (0.77, 2.63, 2.63, 2.63, 2.63),
    (0.45, 0.70, 0.82, 0.90, 0.935), 2048, (56 * 56 * 256, *(14 * 14 * 1024,) * 3),
)  # fmt: skip
SET_B = (
    LocalTable(
        "nin", 0.81, *_layers(_NIN), _RESNET152.encode_ns(), cloud_net=_RESNET152.tx1_table()
    ),
    _RESNET152.cloud_table(),
)
SETS = {"paper-a": SET_A, "paper-b": SET_B}
