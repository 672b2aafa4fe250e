import itertools
import json
import shutil

import pytest
import torch
from mc_models.bundle.files import SHIPPED, BundleError, shipped_names
from mc_models.bundle.load import load_bundle
from mc_models.data.preprocess import to_input
from mc_models.data.synthetic import render
from mc_models.evaluation.accuracy import evaluate, evaluation_images
from mc_models.inference.predict import top5

X = to_input(render(0, 0))


@pytest.fixture
def copied(small_bundle, tmp_path):
    """A copy to tamper with."""
    return shutil.copytree(small_bundle.path, tmp_path / "copy")


def edit(path, change):
    file = path / "bundle.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    change(raw)
    file.write_text(json.dumps(raw), encoding="utf-8")


def test_layers_and_stages_run_one_by_one(small_bundle):
    edge, x = small_bundle.local_net(), X
    assert len(edge.layers) == len(small_bundle.local.layers)
    for layer in edge.layers:
        x = layer(x)
    assert x.shape == (1, 100)
    cloud, x = small_bundle.cloud_net(), X
    assert len(cloud.stages) == len(small_bundle.stages) == len(small_bundle.exits) == 5
    with torch.inference_mode():
        for stage, row in zip(cloud.stages, small_bundle.exits, strict=True):
            x = stage(x)
            assert cloud.heads[row.name](x).shape == (1, 100)


def test_merged_norms_change_nothing(small_bundle):
    merged, plain = small_bundle.cloud_net(), small_bundle.cloud_net(fold=False)
    for name, logits in plain.forward_all(X).items():
        assert torch.allclose(logits, merged.forward_all(X)[name], atol=1e-4)


def test_loading_twice_gives_the_same_hash(small_bundle, copied):
    assert load_bundle(small_bundle.path).hash == load_bundle(copied).hash == small_bundle.hash


def test_a_changed_table_changes_the_hash(small_bundle, copied):
    edit(copied, lambda raw: raw["local"].update(top5=0.99))
    assert load_bundle(copied).hash != small_bundle.hash


def test_a_missing_bundle_is_named_with_the_shipped_ones(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere.*set-a"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["edge.safetensors", "cloud.safetensors"])
def test_an_altered_weight_file_is_named(copied, name):
    data = bytearray((copied / name).read_bytes())
    data[-1] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(BundleError, match=name):
        load_bundle(copied)
    load_bundle(copied, verify=False)


@pytest.mark.parametrize("name", ["edge.safetensors", "cloud.safetensors"])
def test_a_missing_weight_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        load_bundle(copied)


def test_another_format_is_refused(copied):
    edit(copied, lambda raw: raw.update(format=99))
    with pytest.raises(BundleError, match="format 99"):
        load_bundle(copied)


def test_a_table_that_is_not_json_is_refused(copied):
    (copied / "bundle.json").write_text("{", encoding="utf-8")
    with pytest.raises(BundleError, match=r"bundle\.json"):
        load_bundle(copied)


def test_an_incomplete_table_is_refused(copied):
    edit(copied, lambda raw: raw.pop("exits"))
    with pytest.raises(BundleError, match="exits"):
        load_bundle(copied)


def test_weights_of_another_network_name_the_weight(copied):
    edit(copied, lambda raw: raw["spec"].update(local_fc=64))
    with pytest.raises(BundleError, match=r"edge\.safetensors: weight layers\.10.*shape"):
        load_bundle(copied).local_net()


@pytest.mark.parametrize("key", ["local", "cloud"])
def test_an_unknown_network_is_named(copied, key):
    edit(copied, lambda raw: raw["spec"].update({key: "lenet", "cloud_width": 1.0}))
    bundle = load_bundle(copied)
    with pytest.raises(BundleError, match=r"bundle\.json: .*'lenet'"):
        bundle.local_net() if key == "local" else bundle.cloud_net()


def test_top5_is_sorted_and_softened_by_the_temperature():
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0, 5.0]])
    sharp, soft = top5(logits, 1.0), top5(logits, 4.0)
    assert [index for index, _ in sharp] == [5, 1, 3, 2, 0]
    assert sharp[0][1] == pytest.approx(logits.softmax(1).max().item())
    assert soft[0][1] < sharp[0][1]


@pytest.mark.parametrize("content", ["[]", "null", '"text"'])
def test_a_table_of_another_kind_is_refused(copied, content):
    (copied / "bundle.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match="format None"):
        load_bundle(copied)


@pytest.mark.parametrize("hashes", [None, {}, []])
def test_a_table_without_hashes_is_refused(copied, hashes):
    edit(copied, lambda raw: raw.update(sha256=hashes))
    with pytest.raises(BundleError, match="copy"):
        load_bundle(copied)


def test_a_table_from_before_calibration_errors_still_loads(copied):
    def forget(raw):
        for row in [raw["local"], *raw["exits"]]:
            del row["ece_before"], row["ece_after"]

    edit(copied, forget)
    bundle = load_bundle(copied)
    assert bundle.local.ece_before is None
    assert bundle.exits[-1].ece_after is None


def test_the_table_holds_calibration_errors(small_bundle):
    for row in [small_bundle.local, *small_bundle.exits]:
        assert 0 <= row.ece_before <= 1
        assert 0 <= row.ece_after <= 1


@pytest.mark.parametrize("name", shipped_names())
class TestShipped:
    """The bundles that come with the package."""

    def test_the_accuracies_of_its_exits_differ(self, name):
        bundle = load_bundle(name)
        local, exits = bundle.local.top5, [e.top5["jpeg"] for e in bundle.exits]
        assert bundle.measured["count"] >= 2000
        assert local >= 0.76
        assert exits[-1] - exits[0] >= 0.12
        assert exits[-1] - local >= 0.08

    def test_deeper_exits_are_not_worse(self, name):
        exits = load_bundle(name).exits
        for codec in exits[-1].top5:
            top5 = [e.top5[codec] for e in exits if codec in e.top5]
            assert all(deep > shallow - 0.005 for shallow, deep in itertools.pairwise(top5))

    def test_features_cost_little_accuracy(self, name):
        last = load_bundle(name).exits[-1]
        assert last.top5["jpeg"] - last.top5["features"] <= 0.02

    def test_it_still_gives_its_table_on_the_first_images(self, name):
        bundle = load_bundle(name)
        rows = evaluate(bundle, evaluation_images(bundle, "generated", 100, None)).rows
        assert all(abs(row.top5_difference) < 0.15 for row in rows)


def test_both_sets_are_shipped():
    assert shipped_names() == ("set-a", "set-b")


def test_all_shipped_weights_are_small():
    assert sum(f.stat().st_size for f in SHIPPED.glob("*/*.safetensors")) < 32_000_000
