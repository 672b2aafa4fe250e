"""The self-test refuses networks that give no valid answer on the device."""

import pytest
import torch
from mc_models.bundle.load import load_bundle
from mc_models.inference.self_test import SelfTestFailed, try_cloud, try_local

BUNDLE = load_bundle("set-a", verify=False)
LABELS = len(BUNDLE.labels)


def answers(logits):
    return lambda x: logits


def test_finite_logits_for_every_label_pass():
    try_local([answers(torch.zeros(1, LABELS))], BUNDLE, runs=1)


@pytest.mark.parametrize(
    "logits", [torch.full((1, LABELS), float("nan")), torch.zeros(1, LABELS - 1)]
)
def test_anything_else_fails_with_what_to_try(logits):
    with pytest.raises(SelfTestFailed, match=r"fails its self-test.*precision: float32"):
        try_local([answers(logits)], BUNDLE, runs=1)


def test_each_exit_of_the_cloud_net_is_tried():
    good, bad = torch.zeros(1, LABELS), torch.full((1, LABELS), float("inf"))
    heads = {"exit1": answers(good), "exit2": answers(bad)}
    with pytest.raises(SelfTestFailed, match="exit2 fails"):
        try_cloud([lambda x: x, lambda x: x], heads, BUNDLE, runs=1)


def test_every_batch_size_up_to_the_largest_is_tried():
    sizes = []

    def head(x):
        sizes.append(len(x))
        return torch.zeros(len(x), LABELS)

    try_cloud([lambda x: x], {"final": head}, BUNDLE, runs=1, largest_batch=3)
    assert sorted(set(sizes)) == [1, 2, 3]


def test_a_net_that_is_wrong_only_in_batches_fails():
    def head(x):
        return torch.zeros(1, LABELS) if len(x) == 1 else torch.full((2, LABELS), float("nan"))

    try_cloud([lambda x: x], {"final": head}, BUNDLE, runs=1)
    with pytest.raises(SelfTestFailed, match="final fails"):
        try_cloud([lambda x: x], {"final": head}, BUNDLE, runs=1, largest_batch=2)
