"""The tables of the other policies are measured into a bundle and read by the core."""

import shutil

import pytest
import torch
from mc_models.bundle.files import EDGE_FILE
from mc_models.bundle.load import load_bundle
from mc_models.data.image_sets import generated_set
from mc_models.inference.predict import normalised_entropy, top5_and_entropy

from mc_sched.bundles.policy_tables import add_policy_tables

SHIPPED = ("set-a", "set-b")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_bundles_have_policy_tables(name):
    bundle = load_bundle(name, verify=False)
    last = bundle.exits[-1]
    first, *_, widest = bundle.thresholds
    assert (first.kept, widest.kept) == (0.0, 1.0)
    for codec in ("jpeg", "features"):
        assert first.top5[codec] == pytest.approx(last.top5[codec], abs=0.0006)
        assert widest.top5[codec] == pytest.approx(bundle.local.top5, abs=0.0006)
    assert [row.stage for row in bundle.splits] == list(range(1, len(bundle.stages)))
    for row in bundle.splits:
        assert last.top5[row.name] == pytest.approx(last.top5["jpeg"], abs=0.005)


@pytest.mark.parametrize("name", SHIPPED)
def test_an_exit_before_a_split_lacks_it(name):
    bundle = load_bundle(name, verify=False)
    for row in bundle.exits:
        splits = {split.name for split in bundle.splits if split.stage <= row.stage}
        assert {codec for codec in row.top5 if codec.startswith("split")} == splits


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A copy of set-a, measured again on a few images."""
    shipped = load_bundle("set-a")
    path = shutil.copytree(shipped.path, tmp_path_factory.mktemp("bundles") / "set-a")
    images = generated_set("test", 8, 1, shipped.input_px)
    seen = []
    bundle = add_policy_tables(load_bundle(path), images, lambda done, total: seen.append(done))
    return shipped, bundle, seen


def test_only_tables_change(measured):
    shipped, bundle, seen = measured
    assert bundle.hash != shipped.hash
    assert (bundle.local, bundle.codecs, bundle.stages) == (
        shipped.local, shipped.codecs, shipped.stages,
    )  # fmt: skip
    for was, row in zip(shipped.exits, bundle.exits, strict=True):
        assert (row.top5["jpeg"], row.temperature) == (was.top5["jpeg"], was.temperature)
    weights = (EDGE_FILE, "cloud.safetensors", "codec.safetensors")
    assert all((bundle.path / f).read_bytes() == (shipped.path / f).read_bytes() for f in weights)
    assert seen == [8]


def test_there_is_a_row_for_each_measured_entropy(measured):
    _, bundle, _ = measured
    kept = [row.kept for row in bundle.thresholds]
    assert kept == sorted(kept)
    assert set(kept) == {n / 8 for n in range(9)}


# --- entropy ----------------------------------------------------------------------------------


def test_entropy_is_1_for_equal_probabilities_and_0_for_a_sure_answer():
    logits = torch.stack([torch.zeros(10), torch.eye(10)[0] * 1e4])
    assert normalised_entropy(logits, 1.0).tolist() == pytest.approx([1.0, 0.0])


def test_entropy_of_two_equal_classes_among_four_is_a_half():
    logits = torch.tensor([0.0, 0.0, -1e4, -1e4])
    [(top, entropy)] = top5_and_entropy(logits[None], 1.0)
    assert entropy == pytest.approx(0.5)
    assert top[0][1] == pytest.approx(0.5)


def test_a_higher_temperature_has_more_entropy():
    logits = torch.tensor([[3.0, 1.0, 0.0]])
    assert normalised_entropy(logits, 2.0) > normalised_entropy(logits, 1.0)
