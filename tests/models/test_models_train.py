import dataclasses
import io

import pytest
import torch
from mc_models import pipeline
from mc_models.calibrate import calibration_error, fit_temperature
from mc_models.data import DataError, folder_set, generated_set
from mc_models.preprocess import encode_jpeg
from mc_models.sets import SETS, build_cloud, build_local
from mc_models.synthetic import render
from mc_models.train import Plan, TrainConfig, augment, class_loss, train
from PIL import Image

SMALL = dataclasses.replace(SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
QUICK = TrainConfig(epochs=2, full_epochs=0, crop_px=64, batch=8)


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def cloud_net():
    torch.manual_seed(3)
    return build_cloud(SMALL, 100)


@pytest.fixture(scope="module")
def images():
    return generated_set("train", 16, 0, 96)


def test_the_same_seed_trains_the_same_weights(images):
    first, second = train(cloud_net(), images, QUICK), train(cloud_net(), images, QUICK)
    assert torch.equal(weights(first), weights(second))


def test_an_interrupted_training_goes_on_to_the_same_weights(images, tmp_path):
    whole = train(cloud_net(), images, QUICK)

    class Interrupted(Exception):
        pass

    def stop(epoch):
        raise Interrupted

    with pytest.raises(Interrupted):
        train(cloud_net(), images, QUICK, tmp_path / "c.pt", on_epoch=stop)
    steps = []
    resumed = train(cloud_net(), images, QUICK, tmp_path / "c.pt", lambda p: steps.append(p.step))
    assert steps == [3, 4]
    assert torch.allclose(weights(whole), weights(resumed), atol=1e-6)


def test_rounds_train_one_block_and_head_after_the_other(images):
    net = cloud_net()
    before = {name: weights(head).clone() for name, head in net.heads.items()}
    config = dataclasses.replace(QUICK, strategy="multi-round", epochs=1, batch=8)
    train(net, images, config)  # two steps: the first half of five rounds starts at exit1
    changed = {n for n, head in net.heads.items() if not torch.equal(weights(head), before[n])}
    assert changed == {"exit1", "exit3"}


def test_joint_training_reaches_every_exit_and_lowers_the_loss(images):
    net, losses = cloud_net(), []
    config = dataclasses.replace(QUICK, epochs=8)
    train(net, images, config, on_step=lambda p: losses.append(p.loss))
    assert losses[-1] < losses[0]


def test_the_local_net_trains(images):
    torch.manual_seed(0)
    losses = []
    full = generated_set("train", 16, 0, 224)
    config = dataclasses.replace(QUICK, epochs=10, crop_px=0)
    train(build_local(SMALL, 100, norm=True), full, config, on_step=lambda p: losses.append(p.loss))
    assert losses[-1] < losses[0]


def test_the_learning_rate_warms_up_and_falls():
    config = TrainConfig(epochs=10, full_epochs=1, batch=10)
    plan = Plan.of(config, 100)
    rates = [plan.learning_rate(step, config) for step in range(plan.steps)]
    assert max(rates) == pytest.approx(config.peak_lr, rel=0.01)
    assert rates[0] < 0.1 * config.peak_lr
    assert rates[99] < 0.1 * config.peak_lr
    assert rates[100] == pytest.approx(config.full_lr)
    assert rates[-1] < rates[100]


def test_augmentation_crops_near_the_centre_and_keeps_the_scale(images):
    x = augment(torch.from_numpy(images.images), 64, torch.Generator().manual_seed(0))
    assert x.shape == (16, 3, 64, 64)
    assert augment(torch.from_numpy(images.images), 0, torch.Generator()).shape[-1] == 96


def test_sharing_a_shape_or_texture_costs_less_than_sharing_neither():
    def loss(guess):
        logits = torch.zeros(1, 100)
        logits[0, guess] = 8.0
        return class_loss(logits, torch.tensor([37]), 0.0, grouped=True).item()

    assert loss(37) < loss(36) < loss(46)
    assert loss(37) < loss(27) < loss(46)


def test_temperature_undoes_overconfidence():
    torch.manual_seed(0)
    logits = torch.randn(4000, 5) * 1.5
    labels = torch.multinomial(logits.softmax(1), 1)[:, 0]
    temperature = fit_temperature(logits * 3, labels)
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert calibration_error(logits * 3, labels, temperature) < 0.03
    assert calibration_error(logits * 3, labels, 1.0) > 0.1


def class_folder(root, count=6):
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = render(0 if name == "cat" else 55, i, 64)
            (root / name / f"{i}.jpg").write_bytes(encode_jpeg(image))
    return root


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


def test_a_folder_becomes_a_bundle_in_two_processes(tmp_path, monkeypatch):
    monkeypatch.setitem(pipeline.SETS, "a", SMALL)
    root = class_folder(tmp_path / "photos")
    recipe = pipeline.Recipe(data=str(root), local_epochs=1, cloud_epochs=1, threads=1)
    out = tmp_path / "mine"
    assert pipeline.train_bundle(out, recipe, ("edge",)) is None
    bundle = pipeline.train_bundle(out, recipe, ("cloud",))
    assert bundle is not None
    assert bundle.labels == ("cat", "dog")
    assert str(tmp_path) not in (out / "bundle.json").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="other options"):
        pipeline.train_bundle(out, dataclasses.replace(recipe, seed=5), ("edge",))
