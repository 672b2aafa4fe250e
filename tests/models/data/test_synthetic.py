import csv
import time

import numpy as np
import pytest
from mc_models.data.image_files import write_images
from mc_models.data.preprocess import decode_image
from mc_models.data.shapes import SHAPES, shape_mask
from mc_models.data.synthetic import CLASS_NAMES, render, render_split
from mc_models.data.textures import TEXTURES, texture_field


def test_there_are_a_hundred_classes():
    assert len(set(CLASS_NAMES)) == 100
    assert CLASS_NAMES[31] == "star-stripes"


def test_the_same_call_gives_the_same_pixels():
    assert np.array_equal(render(42, 7), render(42, 7))
    assert not np.array_equal(render(42, 7), render(42, 8))
    assert not np.array_equal(render(42, 7), render(43, 7))


def test_a_split_is_the_same_wherever_it_starts():
    whole = list(render_split("val", 6, seed=3, px=64))
    part = list(render_split("val", 2, seed=3, px=64, start=4))
    assert [label for _, label in part] == [label for _, label in whole[4:]]
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(part, whole[4:], strict=True))


def test_splits_share_no_image():
    images = [
        image.tobytes()
        for split in ("train", "val", "test")
        for image, _ in render_split(split, 20, seed=0, px=48)
    ]
    assert len(set(images)) == len(images)


def test_every_class_comes_equally_often():
    labels = [label for _, label in render_split("train", 200, px=32)]
    assert np.bincount(labels, minlength=100).tolist() == [2] * 100


@pytest.mark.parametrize("px", [32, 112, 224])
def test_images_have_the_requested_size(px):
    image = render(55, 1, px)
    assert image.shape == (px, px, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_fills_a_fair_part_of_its_box(shape):
    mask = np.asarray(shape_mask(shape, 80, 20.0))
    assert mask.shape == (80, 80)
    assert 0.15 < mask.mean() / 255 < 0.8


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_are_fields_between_zero_and_one(texture):
    field = texture_field(texture, 60, 9.0, 0.4, np.random.default_rng(1))
    assert field.shape == (60, 60)
    assert 0 <= field.min() <= field.max() <= 1
    assert (field.std() > 0.2) == (texture != "plain")


def test_rendering_is_quick():
    start = time.perf_counter()
    for seed in range(20):
        render(seed, seed, 112)
    assert (time.perf_counter() - start) / 20 < 0.03  # about 1.3 ms on an idle core


def test_written_images_carry_their_label(tmp_path):
    written = write_images(tmp_path / "frames", 5, px=64)
    with (tmp_path / "frames" / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["file"] == f"00000_{CLASS_NAMES[0]}.jpg"
    assert written.count == len(rows) == 5
    for row in rows:
        assert CLASS_NAMES[int(row["label index"])] == row["label name"]
        data = (tmp_path / "frames" / row["file"]).read_bytes()
        assert decode_image(data, 64).shape == (64, 64, 3)
