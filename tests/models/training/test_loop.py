import dataclasses
import io

import pytest
import torch
from mc_models.data.image_sets import DataError, folder_set, generated_set, split_folder
from mc_models.data.preprocess import encode_jpeg
from mc_models.data.synthetic import render
from mc_models.inference.outputs import calibration_error, fit_temperature
from mc_models.networks.sets import SETS, build_cloud, build_local
from mc_models.training import pipeline
from mc_models.training.augment import training_batch
from mc_models.training.loop import train
from mc_models.training.losses import class_loss, exits_loss
from mc_models.training.recipe import Recipe
from mc_models.training.schedule import Phase, Plan, TrainConfig
from PIL import Image

SMALL = dataclasses.replace(SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
SMALL_B = dataclasses.replace(SETS["b"], local_width=0.1, cloud_width=0.1, head_hidden=8)
QUICK = TrainConfig(phases=(Phase(64, 2, "crop"),), batch=8)
CPU = torch.device("cpu")


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


def test_rounds_add_one_block_and_head_after_the_other(images):
    net = cloud_net()
    before = {name: weights(head).clone() for name, head in net.heads.items()}
    config = dataclasses.replace(QUICK, strategy="multi-round", phases=(Phase(64, 1, "crop"),))
    train(net, images, config)  # two steps: rounds 1 and 3 of five
    changed = {n for n, head in net.heads.items() if not torch.equal(weights(head), before[n])}
    assert changed == {"exit1", "exit2", "exit3"}


def test_rounds_each_have_a_cycle_and_the_last_phase_trains_all():
    config = TrainConfig(
        phases=(Phase(112, 10, "crop"), Phase(224, 1)), batch=10, strategy="multi-round"
    )
    plan = Plan(config, 100, exits=5)
    moments = [plan.at(step) for step in range(plan.steps)]
    assert [moment.exits for moment in moments[:100]] == [i // 20 + 1 for i in range(100)]
    starts = [moments[step].learning_rate for step in range(0, 100, 20)]
    assert max(starts) < 0.1 * config.peak_lr
    assert {moment.exits for moment in moments[100:]} == {5}


def test_joint_training_reaches_every_exit_and_lowers_the_loss(images):
    net, losses = cloud_net(), []
    before = {name: weights(head).clone() for name, head in net.heads.items()}
    config = dataclasses.replace(QUICK, phases=(Phase(64, 8, "crop"),))
    train(net, images, config, on_step=lambda p: losses.append(p.loss))
    assert losses[-1] < losses[0]
    assert not any(torch.equal(weights(head), before[n]) for n, head in net.heads.items())


@pytest.mark.parametrize("spec", [SMALL, SMALL_B])
def test_the_local_net_trains(spec):
    torch.manual_seed(0)
    losses = []
    full = generated_set("train", 16, 0, 224)
    config = dataclasses.replace(QUICK, phases=(Phase(224, 10),))
    train(build_local(spec, 100, norm=True), full, config, on_step=lambda p: losses.append(p.loss))
    assert losses[-1] < losses[0]


def test_the_learning_rate_warms_up_and_falls():
    config = TrainConfig(
        phases=(Phase(96, 6, "zoom"), Phase(160, 4, "zoom"), Phase(224, 1)), batch=10
    )
    plan = Plan(config, 100)
    rates = [plan.at(step).learning_rate for step in range(plan.steps)]
    assert max(rates) == pytest.approx(config.peak_lr, rel=0.01)
    assert rates[0] < 0.1 * config.peak_lr
    assert rates[99] < 0.1 * config.peak_lr
    assert rates[100] == pytest.approx(config.last_lr)
    assert rates[-1] < rates[100]


def test_images_grow_and_work_counts_their_pixels():
    plan = Plan(TrainConfig(phases=(Phase(112, 2, "zoom"), Phase(224, 1)), batch=10), 100)
    assert [plan.at(step).phase.px for step in (0, 19, 20)] == [112, 112, 224]
    assert [plan.at(step).last_phase for step in (19, 20)] == [False, True]
    assert plan.work(20) == 50  # 200 images of a quarter of the pixels
    assert plan.work(plan.steps) == 150


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


def test_the_last_exit_can_count_more():
    labels = torch.tensor([0])
    right, wrong = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
    even = exits_loss([right, wrong], labels, 1.0, 0.0, grouped=False).item()
    heavy = exits_loss([right, wrong], labels, 3.0, 0.0, grouped=False).item()
    assert heavy == pytest.approx(1.5 * even, rel=0.01)


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


def test_defaults_show_small_and_large_folders_about_equally_often():
    recipe = Recipe(data="photos")
    for part in ("edge", "cloud"):
        shown = [
            sum(phase.epochs * count for phase in recipe.config(part, count).phases)
            for count in (1000, 5000)
        ]
        assert shown[0] == pytest.approx(shown[1], rel=0.2)


def test_folders_train_on_growing_images_and_generated_ones_on_crops():
    folder = Recipe(data="photos").config("cloud", 1000).phases
    assert [(phase.px, phase.view) for phase in folder] == [
        (96, "zoom"), (160, "zoom"), (224, "full"),
    ]  # fmt: skip
    generated = Recipe().config("cloud", 1000).phases
    assert [(phase.px, phase.view) for phase in generated] == [(112, "crop"), (224, "full")]
    tied = Recipe(data="photos").config("edge", 1000, any_size=False).phases
    assert [phase.px for phase in tied] == [224, 224]


def test_backbone_weights_go_with_the_published_width():
    assert Recipe(set_name="b").spec().cloud_width == SETS["b"].cloud_width
    assert Recipe(set_name="b", backbone="w.pth").spec().cloud_width == 1.0
    assert Recipe(set_name="b", backbone="w.pth", cloud_width=0.5).spec().cloud_width == 0.5
    assert Recipe(cloud="mobilenet_v3_small").spec().cloud_width == 1.0


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
