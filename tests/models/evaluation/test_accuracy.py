import csv
import dataclasses
import json

import pytest
import torch
from mc_models.data.image_sets import DataError
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from mc_models.evaluation.accuracy import _only_right, evaluate, evaluation_images
from mc_models.evaluation.files import as_values, write_evaluation


@pytest.fixture(scope="module")
def result(small_bundle):
    return evaluate(small_bundle, evaluation_images(small_bundle, "generated", None, None))


def image_folder(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "1.jpg").write_bytes(encode_jpeg(render(0, 0, 64)))
    return root


def test_evaluation_reproduces_the_stored_table(small_bundle, result):
    assert [row.name for row in result.rows] == ["local", *(e.name for e in small_bundle.exits)]
    assert all(abs(row.top5_difference) < 0.01 for row in result.rows)
    stored = [small_bundle.local, *small_bundle.exits]
    for row, was in zip(result.rows, stored, strict=True):
        assert row.ece_before == pytest.approx(was.ece_before, abs=1e-3)
        assert row.ece_after == pytest.approx(was.ece_after, abs=1e-3)


def test_confusion_counts_what_only_one_of_two_gets_right():
    shallow = torch.tensor([True, True, False, False, False])
    deep = torch.tensor([True, False, True, True, False])
    assert _only_right([shallow, deep]) == ((0, 1), (2, 0))


def test_confusion_explains_the_difference_in_accuracy(result):
    for counts, accuracy in (
        (result.confusion.top1, [row.measured.top1 for row in result.rows]),
        (result.confusion.top5, [row.measured.top5 for row in result.rows]),
    ):
        for i, one in enumerate(accuracy):
            assert counts[i][i] == 0
            for j, other in enumerate(accuracy):
                assert counts[i][j] - counts[j][i] == round((one - other) * result.images)


def test_the_written_json_equals_the_printed_one(result, tmp_path):
    files = write_evaluation(result, tmp_path / "tables")
    assert [file.name for file in files] == ["evaluation.json", "accuracy.csv", "confusion.csv"]
    values = as_values(result)
    assert json.loads(files[0].read_text(encoding="utf-8")) == values
    with files[1].open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [row["name"] for row in rows] == values["only_right"]["outputs"]
    assert [float(row["top5"]) for row in rows] == [row["top5"] for row in values["rows"]]
    with files[2].open(encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if line[0] == "top5"]
    assert [[int(n) for n in line[2:]] for line in lines] == values["only_right"]["top5"]


def test_a_missing_folder_is_named(small_bundle, tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        evaluation_images(small_bundle, str(tmp_path / "nowhere"), None, None)


def test_a_class_folder_that_is_not_a_label_is_named(small_bundle, tmp_path):
    root = image_folder(tmp_path, "disc-plain", "zebra")
    with pytest.raises(DataError, match="'zebra' is not a label"):
        evaluation_images(small_bundle, str(root), None, None)


def test_folders_are_matched_to_labels_by_name_and_unreadable_files_counted(small_bundle, tmp_path):
    root = image_folder(tmp_path, "star-dots", "disc-plain")
    (root / "star-dots" / "broken.jpg").write_bytes(b"no image")
    images = evaluation_images(small_bundle, str(root), None, None)
    assert [images.class_names[label] for label in images.labels] == ["disc-plain", "star-dots"]
    assert [name.endswith("broken.jpg") for name in images.unreadable] == [True]


def test_a_bundle_of_other_classes_needs_a_folder(small_bundle):
    other = dataclasses.replace(small_bundle, labels=("cat", "dog"))
    with pytest.raises(DataError, match="give a folder of its classes"):
        evaluation_images(other, "generated", None, None)
