import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mc_models.data.contact_sheet import contact_sheet
from mc_models.data.image_sets import ImageSet, generated_set
from mc_models.data.preprocess import batch_input, encode_jpeg
from mc_models.evaluation.attackers import (
    CentreColour,
    Reconstructor,
    psnr_db,
    ssim,
    train_attribute_inference,
    train_reconstructor,
)
from mc_models.evaluation.privacy import SHOWN, Attack, attack_images, measure_privacy, to_pixels
from mc_models.training.fit import Budget
from PIL import Image

from mc_sched.cli.evaluate import privacy as verb

QUICK = Attack(
    own_count=8,
    test_count=8,
    reconstruct=Budget(steps=1, crop_px=64, batch=4),
    infer=Budget(steps=1, crop_px=64, batch=4),
)


def silent(*progress):
    pass


@pytest.fixture(scope="module")
def small_images():
    return generated_set("train", 64, 0, 64)


@pytest.fixture(scope="module")
def report(coded_bundle):
    own, test = attack_images(coded_bundle, None, QUICK, 0, silent)
    return measure_privacy(coded_bundle, own, test, QUICK, silent)


def test_equal_images_have_similarity_one_and_noise_lowers_it(small_images):
    x = batch_input(small_images.images[:2])
    noisy = x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert ssim(x, x).tolist() == pytest.approx([1.0, 1.0])
    assert (ssim(noisy, x) < 0.9).all()
    assert (psnr_db(noisy, x) < psnr_db(x + 0.01, x)).all()


def test_a_known_distance_has_its_psnr():
    black, grey = torch.full((1, 3, 32, 32), -127.5 / 64), torch.full((1, 3, 32, 32), -102.0 / 64)
    assert psnr_db(grey, black).item() == pytest.approx(20.0, abs=1e-3)  # a tenth of the range


def test_pixels_come_back_from_network_input(small_images):
    images = small_images.images[:3]
    assert (to_pixels(batch_input(images)) == images).all()


def test_the_centre_has_one_of_eight_colours():
    pixels = torch.zeros(2, 3, 64, 64)
    pixels[0, :, 16:48, 16:48] = torch.tensor([1.0, 1.0, -1.0])[:, None, None]
    pixels[1, :, :8] = 1.0  # far from the middle
    colour = CentreColour(torch.zeros(3))
    assert [colour.names[i] for i in colour(pixels)] == ["yellow", "black"]


def test_medians_make_the_colours_even(small_images):
    x = batch_input(small_images.images)
    above = (
        torch.stack([(CentreColour.of(small_images.images)(x) >> bit) & 1 for bit in range(3)])
        .float()
        .mean(1)
    )
    assert above.tolist() == pytest.approx([0.5] * 3, abs=0.02)


def test_an_attacker_who_sees_pixels_starts_with_them(small_images):
    x = batch_input(small_images.images[:2])
    assert torch.equal(Reconstructor(3, 64, 64)(x), x)


def test_evidence_of_any_side_becomes_an_image():
    for side in (8, 16, 32):
        assert Reconstructor(5, side, 64)(torch.zeros(1, 5, side, side)).shape == (1, 3, 64, 64)


def test_a_reconstructor_learns(small_images):
    losses = []
    budget = Budget(steps=40, crop_px=0, batch=8, peak_lr=3e-3)

    def view(x, rng):
        return torch.nn.functional.avg_pool2d(x, 4)

    train_reconstructor(view, (3, 16), small_images, budget, lambda *p: losses.append(p[2]))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def plain_pictures(seed):
    """Images of a single colour each."""
    colours = np.random.default_rng(seed).integers(0, 256, (64, 1, 1, 3), dtype=np.uint8)
    return ImageSet(colours.repeat(64, 1).repeat(64, 2), np.zeros(64, np.int64), ("plain",))


@pytest.mark.parametrize(("sees", "least", "most"), [(True, 0.7, 1.0), (False, 0.0, 0.4)])
def test_attribute_inference_finds_the_colour_only_if_it_is_visible(sees, least, most):
    own, test = plain_pictures(0), plain_pictures(1)
    colour = CentreColour.of(own.images)
    budget = Budget(steps=40, crop_px=0, batch=16, peak_lr=3e-3)

    def view(x, rng):
        return x if sees else torch.zeros_like(x)

    attack = train_attribute_inference(view, (3, 64), own, colour, budget, None)
    x = batch_input(test.images)
    right = (attack(view(x, None)).argmax(1) == colour(x)).float().mean().item()
    assert least <= right <= most


def test_both_codecs_are_attacked_and_compared(report, coded_bundle):
    jpeg, features = report.rows
    assert (jpeg.codec, features.codec) == ("jpeg", "features")
    assert features.mean_bytes == coded_bundle.codec("features").message_bytes
    images = generated_set("test", 8, 0, 224, jpeg=True).images
    assert jpeg.mean_bytes == sum(len(encode_jpeg(image)) for image in images) / 8
    assert jpeg.top5 == coded_bundle.exits[-1].top5["jpeg"]
    assert features.top5 == coded_bundle.exits[-1].top5["features"]
    assert features.reconstructions.shape == report.originals.shape == (SHOWN, 224, 224, 3)
    assert 1 / 8 <= report.blind_attribute_accuracy < 1


def test_a_blind_attacker_is_measured_too(report):
    """Two grey images have some similarity; no attack on a codec can score below it."""
    jpeg, _ = report.rows
    assert 0 < report.blind_ssim < jpeg.ssim
    assert 5 < report.blind_psnr_db < jpeg.psnr_db
    assert f"{report.blind_ssim:.3f}" in verb.table_rows(report)[-1]


def test_even_a_briefly_trained_attacker_reconstructs_jpeg_better(report):
    jpeg, features = report.rows
    assert jpeg.ssim > 0.4 > features.ssim


def test_the_results_are_printed_as_text_and_json(report, capsys):
    verb._print(report)
    table = capsys.readouterr().out
    assert "jpeg" in table
    assert "features" in table
    assert "nothing" in table
    content = json.loads(json.dumps(verb.as_json(report)))
    assert content["schema"] == "mc-sched/privacy/2"
    features = content["codecs"]["features"]
    assert features["top5_lost"] == pytest.approx(
        content["codecs"]["jpeg"]["top5"] - features["top5"]
    )


def test_the_contact_sheet_shows_originals_and_both_reconstructions(report, tmp_path):
    verb._write(report, tmp_path / "images")
    with Image.open(tmp_path / "images" / "privacy.png") as sheet:
        assert sheet.width > SHOWN * 224
        assert sheet.height > 3 * 224


def test_a_contact_sheet_shows_every_image(small_images):
    images = small_images.images
    sheet = contact_sheet({"first": images[:3], "second": images[3:6]})
    tiles = [sheet.crop((6 + 70 * c, 24 + 94 * r, 70 + 70 * c, 88 + 94 * r))
             for r in range(2) for c in range(3)]  # fmt: skip
    assert [tile.tobytes() for tile in tiles] == [image.tobytes() for image in images[:6]]


def test_a_folder_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(verb.UserError, match="choose another --write"):
        verb._write(report, tmp_path / "file")


def test_a_bundle_without_codec_cannot_be_attacked(small_bundle):
    args = SimpleNamespace(
        bundle=str(small_bundle.path), data="generated", count=None, seed=None, threads=0
    )
    with pytest.raises(verb.UserError, match="no codec 'features'"):
        verb.run(args)
