import io

import pytest
from mc_models.data.image_sets import DataError, folder_set, split_folder
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from PIL import Image

from tests.models.folders import class_folder


def test_a_folder_is_read_and_unreadable_files_are_counted(tmp_path):
    root = class_folder(tmp_path / "photos")
    (root / "cat" / "broken.jpg").write_bytes(b"no image")
    (root / "cat" / "notes.txt").write_text("not looked at")
    data = folder_set(root, 64)
    assert data.class_names == ("cat", "dog")
    assert len(data) == 12
    assert [name.endswith("broken.jpg") for name in data.unreadable] == [True]


def test_a_folder_of_one_class_is_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    (tmp_path / "cat" / "a.png").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="at least two"):
        folder_set(tmp_path, 64)
    with pytest.raises(DataError, match="not a folder"):
        folder_set(tmp_path / "nowhere", 64)


def test_every_class_is_in_every_split(tmp_path):
    data = folder_set(class_folder(tmp_path / "photos", count=3), 64)
    parts = split_folder(data, seed=0)
    assert {name: sorted(part.labels.tolist()) for name, part in parts.items()} == {
        "train": [0, 1],
        "val": [0, 1],
        "test": [0, 1],
    }
    pixels = [image.tobytes() for part in parts.values() for image in part.images]
    assert len(set(pixels)) == 6


def test_a_class_of_two_images_is_trained_and_tested(tmp_path):
    root = class_folder(tmp_path / "photos", count=4)
    for name in ("2.jpg", "3.jpg"):
        (root / "dog" / name).unlink()
    parts = split_folder(folder_set(root, 64), seed=0)
    assert [sorted(set(parts[n].labels.tolist())) for n in ("train", "val", "test")] == [
        [0, 1], [0], [0, 1],
    ]  # fmt: skip


def test_a_class_with_a_single_image_is_named(tmp_path):
    root = class_folder(tmp_path / "photos")
    (root / "eel").mkdir()
    (root / "eel" / "only.jpg").write_bytes(encode_jpeg(render(3, 0, 64)))
    with pytest.raises(DataError, match="class 'eel' has 1 readable image"):
        split_folder(folder_set(root, 64), seed=0)


def test_two_images_a_class_leave_none_to_calibrate_with(tmp_path):
    root = class_folder(tmp_path / "photos", count=2)
    with pytest.raises(DataError, match="calibrate"):
        split_folder(folder_set(root, 64), seed=0)
