import dataclasses

import pytest
import torch
from mc_models.data.image_sets import DataError
from mc_models.networks.sets import SETS
from mc_models.training import pipeline
from mc_models.training.recipe import Recipe
from PIL import Image

from tests.models.folders import class_folder

SMALL = dataclasses.replace(SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
SMALL_B = dataclasses.replace(SETS["b"], local_width=0.1, cloud_width=0.1, head_hidden=8)


@pytest.mark.parametrize("spec", [SMALL, SMALL_B])
def test_a_folder_becomes_a_bundle_in_two_processes(tmp_path, monkeypatch, spec):
    monkeypatch.setitem(SETS, "a", spec)
    root = class_folder(tmp_path / "photos")
    recipe = Recipe(data=str(root), local_epochs=1, cloud_epochs=1, full_epochs=1, threads=1)
    out = tmp_path / "mine"
    assert pipeline.train_bundle(out, recipe, ("edge",)) is None
    bundle = pipeline.train_bundle(out, recipe, ("cloud",))
    assert bundle is not None
    assert bundle.labels == ("cat", "dog")
    assert bundle.measured["count"] == 2
    assert str(tmp_path) not in (out / "bundle.json").read_text(encoding="utf-8")
    with Image.open(out / "report.png") as report:
        assert report.size[0] > 1000
    with pytest.raises(DataError, match="other options"):
        pipeline.train_bundle(out, dataclasses.replace(recipe, seed=5), ("edge",))
    (root / "cat" / "5.jpg").unlink()
    with pytest.raises(DataError, match="or images"):
        pipeline.train_bundle(out, recipe, ("edge",))


def test_backbone_weights_start_a_bundles_cloud_net(tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(5)
    published = get_model("mobilenet_v3_small", weights=None)
    torch.save(published.state_dict(), tmp_path / "m.pth")
    recipe = Recipe(
        data=str(class_folder(tmp_path / "photos")),
        cloud="mobilenet_v3_small",
        backbone=str(tmp_path / "m.pth"),
        exits=2,
        cloud_epochs=0,
        full_epochs=0.1,
        threads=1,
    )
    out = tmp_path / "mine"
    pipeline.train_bundle(out, recipe, ("cloud",))
    state = torch.load(tmp_path / "mine.work" / "cloud.pt", weights_only=True)["net"]
    name = next(key for key in state if key.endswith("features_12_0.weight"))
    assert torch.allclose(state[name], published.features[12][0].weight, atol=0.02)
