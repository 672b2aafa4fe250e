"""Raw splits: the unpacked activation is close to the packed one, and so is the answer."""

import struct

import pytest
import torch
from mc_models.bundle.rows import SplitRow
from mc_models.codec.splits import pack, quantised, split_rows, unpack
from mc_models.data.preprocess import to_input
from mc_models.data.synthetic import render
from mc_models.networks.branches import BranchedNet

ROW = SplitRow("split1", 1, 4, 3)


def activation(seed=0, scale=5.0):
    return scale * torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_a_value_differs_by_half_a_level_at_most(scale):
    x = activation(scale=scale)
    step = (x.max() - x.min()) / 255
    assert (unpack(pack(x), ROW) - x).abs().max() <= step * 0.51


def test_a_message_is_a_byte_per_value_and_their_range():
    x = activation()
    assert len(pack(x)) == ROW.message_bytes == 4 * 9 + 8
    assert struct.unpack_from("<ff", pack(x)) == (x.min(), x.max())


def test_the_order_of_values_in_memory_does_not_matter():
    x = activation()
    assert pack(x) == pack(x.contiguous(memory_format=torch.channels_last))


def test_equal_values_arrive_as_they_are():
    flat = torch.full((1, 4, 3, 3), 2.5)
    assert torch.equal(unpack(pack(flat), ROW), flat)


def test_the_accuracy_is_measured_on_the_messages_that_are_sent():
    x = torch.cat([activation(1), activation(2, scale=50.0)])
    arrived = torch.cat([unpack(pack(one), ROW) for one in x.split(1)])
    assert torch.allclose(quantised(x), arrived, atol=1e-5)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", "has 44 bytes, this one has 0"),
        (bytes(45), "has 44 bytes, this one has 45"),
        (
            struct.pack("<ff", 1.0, 0.0) + bytes(36),
            "from 1 to 0; it must be within -65504 to 65504",
        ),
        (struct.pack("<ff", 0.0, 65505.0) + bytes(36), "to 65505"),
        (struct.pack("<ff", -3e38, 0.0) + bytes(36), r"from -3e\+38"),
        (struct.pack("<ff", float("nan"), 1.0) + bytes(36), "from nan"),
        (struct.pack("<ff", 0.0, float("inf")) + bytes(36), "to inf"),
    ],
)
def test_an_invalid_message_raises_a_descriptive_error(message, error):
    with pytest.raises(ValueError, match=error):
        unpack(message, ROW)


def test_there_is_a_split_behind_every_stage_but_the_last(small_bundle):
    net = small_bundle.cloud_net()
    rows = split_rows(list(net.stages), small_bundle.input_px)
    assert [(row.name, row.stage) for row in rows] == [(f"split{n}", n) for n in range(1, 5)]


def test_the_net_continues_from_any_split(small_bundle):
    net = small_bundle.cloud_net()
    assert isinstance(net, BranchedNet)
    with torch.inference_mode():
        x = to_input(render(0, 0, small_bundle.input_px))
        whole = net(x)
        for row in split_rows(list(net.stages), small_bundle.input_px):
            x = net.stages[row.stage - 1](x)
            y = unpack(pack(x), row)
            for stage in net.stages[row.stage :]:
                y = stage(y)
            logits = net.heads["final"](y)
            assert (logits - whole).norm() <= 0.1 * whole.norm()
