"""Folders of images, one sub-folder per class, for the tests of data and training."""

from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render


def class_folder(root, count=6):
    """Write `count` images of a cat and of a dog below `root`; return `root`."""
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = render(0 if name == "cat" else 55, i, 64)
            (root / name / f"{i}.jpg").write_bytes(encode_jpeg(image))
    return root
