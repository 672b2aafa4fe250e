import dataclasses

import pytest
import torch
from mc_models.data.preprocess import PIXEL_MEAN, PIXEL_SCALE
from mc_models.networks.backbone import BackboneError, load_backbone
from mc_models.networks.chains import torchvision_chain
from mc_models.networks.sets import SETS, build_cloud
from safetensors.torch import save_file
from torchvision.models import get_model

IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@pytest.fixture(scope="module")
def published():
    """A small torchvision network with 1,000 classes and random weights and statistics."""
    torch.manual_seed(1)
    net = get_model("resnet18", weights=None)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64))
    return net.eval()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_trunk_computes_the_same_from_our_input_as_from_torchvisions(
    published, suffix, tmp_path
):
    file = tmp_path / f"weights{suffix}"
    state = published.state_dict()
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    chain = torchvision_chain("resnet18", 10)
    load_backbone(chain, "resnet18", file)
    pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    with torch.no_grad():
        ours = (pixels - PIXEL_MEAN) / PIXEL_SCALE
        assert [name for name, _ in chain.trunk[:2]] == ["conv1", "bn1"]
        for _, module in chain.trunk[:2]:
            ours = module.eval()(ours)
        theirs = published.bn1(published.conv1((pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD))
    inside = (..., slice(3, -3), slice(3, -3))  # the padded border differs
    assert torch.allclose(ours[inside], theirs[inside], atol=1e-4)


def test_googlenet_takes_pixels_in_minus_one_to_one(tmp_path):
    net = get_model("googlenet", weights=None, aux_logits=False, init_weights=False)
    torch.save(net.state_dict(), tmp_path / "g.pth")
    chain = torchvision_chain("googlenet", 10)
    load_backbone(chain, "googlenet", tmp_path / "g.pth")
    pixels = torch.randint(0, 256, (1, 3, 64, 64)).float()
    with torch.no_grad():
        ours = chain.trunk[0][1].eval()((pixels - PIXEL_MEAN) / PIXEL_SCALE)
        theirs = net.eval().conv1(pixels / 127.5 - 1)
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_cloud_net_of_published_width_starts_from_the_weights(published, tmp_path):
    torch.save(published.state_dict(), tmp_path / "r.pth")
    spec = dataclasses.replace(SETS["b"], cloud="resnet18", cloud_width=1.0, exits=3)
    net = build_cloud(spec, 10, tmp_path / "r.pth")
    loaded = net.stages[-1].layer4_1.conv2.weight
    assert torch.equal(loaded, published.layer4[1].conv2.weight)


def test_a_tensor_of_another_shape_is_named(published, tmp_path):
    state = published.state_dict()
    state["layer2.0.conv1.weight"] = torch.zeros(64, 64, 3, 3)
    torch.save(state, tmp_path / "r.pth")
    expected = r"layer2\.0\.conv1\.weight has shape \(64, 64, 3, 3\).*needs \(128, 64, 3, 3\)"
    with pytest.raises(BackboneError, match=expected):
        load_backbone(torchvision_chain("resnet18", 10), "resnet18", tmp_path / "r.pth")


def test_narrow_nets_do_not_take_published_weights(published, tmp_path):
    torch.save(published.state_dict(), tmp_path / "r.pth")
    with pytest.raises(BackboneError, match=r"conv1\.weight.*published width"):
        build_cloud(SETS["b"], 10, tmp_path / "r.pth")


def test_files_that_are_not_weights_are_named(tmp_path):
    chain = torchvision_chain("resnet18", 10)
    with pytest.raises(BackboneError, match=r"none\.pth is not a file"):
        load_backbone(chain, "resnet18", tmp_path / "none.pth")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("no weights", encoding="utf-8")
        with pytest.raises(BackboneError, match=rf"{name}: not readable"):
            load_backbone(chain, "resnet18", tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BackboneError, match="is not a state dict"):
        load_backbone(chain, "resnet18", tmp_path / "list.pth")
    torch.save({"conv1.bias": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BackboneError, match=r"has no weight conv1\.weight"):
        load_backbone(chain, "resnet18", tmp_path / "other.pth")
