import pytest
import torch
from mc_models.data.image_sets import generated_set
from mc_models.training.augment import training_batch
from mc_models.training.schedule import Phase

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    return generated_set("train", 16, 0, 96)


def seeded():
    return torch.Generator().manual_seed(0)


def test_a_crop_keeps_the_scale_and_a_zoom_the_frame(images):
    pixels = torch.from_numpy(images.images)
    crop = training_batch(pixels, Phase(64, 1, "crop"), False, seeded(), CPU)
    zoom = training_batch(pixels, Phase(64, 1, "zoom"), False, seeded(), CPU)
    full = training_batch(pixels, Phase(96, 1), False, seeded(), CPU)
    assert crop.shape == zoom.shape == (16, 3, 64, 64)
    assert full.shape == (16, 3, 96, 96)
    places = [full[:, :, t : t + 64, s : s + 64] for t in range(33) for s in range(33)]
    assert any(torch.equal(crop, place) for place in places)
    assert not any(torch.equal(zoom, place) for place in places)


def test_mirroring_is_a_choice(images):
    pixels = torch.from_numpy(images.images)
    plain = training_batch(pixels, Phase(96, 1), False, seeded(), CPU)
    mirrored = training_batch(pixels, Phase(96, 1), True, seeded(), CPU)
    turned = [i for i in range(16) if not torch.equal(plain[i], mirrored[i])]
    assert 0 < len(turned) < 16
    assert all(torch.equal(plain[i].flip(2), mirrored[i]) for i in turned)
