"""Shipped bundles are remade by one command; narrow nets and a few steps stand in for hours."""

import dataclasses
import json

import pytest
import torch
from mc_models.bundle.load import load_bundle
from mc_models.data.image_sets import DataError, generated_set
from mc_models.networks.sets import SETS
from mc_models.training import remake as remake_module
from mc_models.training.codec import CodecConfig
from mc_models.training.estimate import describe, estimate
from mc_models.training.fit import Budget
from mc_models.training.loop import plan_of
from mc_models.training.recipe import Recipe
from mc_models.training.remake import build_net, load_trunk, remake
from mc_models.training.schedule import Phase
from mc_models.training.shipped import SHIPPED

from mc_sched.bundles.policy_tables import add_policy_tables


def tiny(name):
    """A shipped recipe with the same stages, narrow nets of 96 pixels and a few steps."""
    full = SHIPPED[name]

    def shrink(stage):
        spec = dataclasses.replace(
            stage.spec, local_width=0.1, cloud_width=0.1, head_hidden=8, input_px=96
        )
        phases = (Phase(64, 1, "crop"), Phase(96, 1))
        if stage.continues:
            phases = (Phase(64, 3, "crop"), Phase(96, 1))
        config = dataclasses.replace(stage.config, phases=phases, batch=8)
        return dataclasses.replace(stage, spec=spec, images=8, config=config)

    codec = dataclasses.replace(full.codec, budget=Budget(steps=2, crop_px=64, batch=4))
    return dataclasses.replace(
        full,
        nets=tuple(map(shrink, full.nets)),
        codec=codec,
        codec_images=8,
        validation_images=4,
        test_images=4,
    )


class Progress:
    """Collects the stages that report progress, and can interrupt one."""

    def __init__(self, interrupt=None):
        self.stages, self._interrupt = [], interrupt

    def __call__(self, stage, done, total, loss=None):
        if stage not in self.stages:
            self.stages.append(stage)
        if stage == self._interrupt:
            raise KeyboardInterrupt


def test_set_b_is_remade_stage_by_stage_and_resumes_after_an_interruption(tmp_path):
    recipe, out = tiny("set-b"), tmp_path / "remade"
    first = Progress(interrupt="cloud, eight exits")
    with pytest.raises(KeyboardInterrupt):
        remake(recipe, out, add_policy_tables, first)
    finished = json.loads((tmp_path / "remade.work" / "stages.json").read_text())["finished"]
    assert finished == ["local", "cloud, six exits", "cloud, six exits, continued"]
    assert not out.exists()

    second = Progress()
    bundle = remake(recipe, out, add_policy_tables, second)
    trained = [stage for stage in second.stages if stage in {s.name for s in recipe.nets}]
    assert trained == ["cloud, eight exits"]
    assert bundle.name == "set-b"
    assert (bundle.local.name, bundle.cloud_name, len(bundle.exits)) == ("nin", "resnet152", 8)
    assert [row.name for row in bundle.codecs] == ["features"]
    assert len(bundle.splits) == 7
    assert bundle.thresholds
    assert bundle.measured == {"data": "generated", "split": "test", "count": 4, "seed": 0}
    assert load_bundle(out).hash == bundle.hash
    assert (out / "report.png").is_file()

    third = Progress()
    assert remake(recipe, out, add_policy_tables, third).hash == bundle.hash
    assert third.stages == ["draw test images"]


def test_a_work_folder_of_another_recipe_is_refused(tmp_path):
    recipe, out = tiny("set-b"), tmp_path / "remade"
    with pytest.raises(KeyboardInterrupt):
        remake(recipe, out, add_policy_tables, Progress(interrupt="draw train images"))
    with pytest.raises(DataError, match=r"remade\.work holds checkpoints of another recipe"):
        remake(dataclasses.replace(recipe, seed=1), out, add_policy_tables, Progress())


def test_the_continued_stage_starts_with_the_checkpoint_of_the_first(tmp_path):
    recipe = tiny("set-b")
    images = generated_set("train", 8, 0, 96)
    steps = {}
    for stage in recipe.nets[1:3]:
        progress = []
        remake_module.train_stage(
            stage, recipe, tmp_path, images, lambda _, done, total, loss, p=progress: p.append(done)
        )
        steps[stage.name] = len(progress)
    assert steps == {"cloud, six exits": 2, "cloud, six exits, continued": 2}  # of 4 in all


def test_a_trunk_that_is_cut_anew_computes_the_same_map_and_its_heads_are_fresh():
    recipe = tiny("set-b")
    six, eight = recipe.stage("cloud, six exits"), recipe.stage("cloud, eight exits")
    old = build_net(six, recipe)
    for parameter in old.parameters():
        torch.nn.init.uniform_(parameter, 0.0, 0.1)
    new = build_net(eight, recipe)
    heads = {name: weight.clone() for name, weight in new.heads.state_dict().items()}
    load_trunk(new, old.state_dict())
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    maps = []
    for net in (old.eval(), new.eval()):
        y = x
        for stage in net.stages:
            y = stage(y)
        maps.append(y)
    assert torch.equal(*maps)
    assert len(new.stages) == 8
    assert all(torch.equal(new.heads.state_dict()[name], weight) for name, weight in heads.items())


def test_the_dry_run_lists_every_stage_with_a_time_and_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = tiny("set-b")
    stages = list(estimate(recipe))
    assert [stage.name for stage in stages] == [
        "images", *(stage.name for stage in recipe.nets), "tables", "codec", "policy tables",
    ]  # fmt: skip
    assert all(stage.expected_s > 0 for stage in stages)
    assert not list(tmp_path.iterdir())


def test_the_work_of_a_stage_is_described_by_its_numbers():
    last = SHIPPED["set-b"].nets[-1]
    assert describe(last) == (
        "resnet152 with 8 exits on 8,000 images: 3 epochs of 112-pixel crops, then 0.6 epochs of "
        "full 224-pixel frames; peak learning rate 0.002; starts with the trunk of "
        "'cloud, six exits, continued'"
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_last_stages_give_the_networks_of_the_shipped_bundle(name):
    recipe, bundle = SHIPPED[name], load_bundle(name)
    assert recipe.last("cloud").spec == bundle.spec
    assert recipe.last("edge").spec == bundle.spec
    assert bundle.measured["count"] == recipe.test_images
    assert bundle.measured["seed"] == recipe.seed
    row = bundle.codec("features")
    assert (recipe.codec.stage, recipe.codec.noise) == (row.stage, row.noise)


def test_the_recorded_options_of_train_mean_the_same_steps():
    """`train --set a --part edge --train-count 8000 --local-epochs 2 --full-epochs 1`."""
    a, b = SHIPPED["set-a"], SHIPPED["set-b"]
    options = Recipe(set_name="a", train_count=8000, local_epochs=2, full_epochs=1)
    assert a.stage("local").config == options.config("edge", 8000, any_size=False)
    options = Recipe(set_name="a", train_count=8000, cloud_epochs=8, full_epochs=1)
    assert a.stage("cloud").config == options.config("cloud", 8000)
    assert b.stage("local").config == Recipe(set_name="b").config("edge", 16_000)
    options = Recipe(set_name="b", exits=6)
    assert b.stage("cloud, six exits, continued").config == options.config("cloud", 16_000)
    assert b.stage("cloud, six exits, continued").spec == options.spec()
    assert a.codec == CodecConfig().on(generated=True, seed=0)
    assert SETS["a"] == a.last("cloud").spec
    first, then = (b.stage(n) for n in ("cloud, six exits", "cloud, six exits, continued"))
    steps = [plan_of(build_net(s, tiny("set-b")), s.config, s.images).steps for s in (first, then)]
    assert steps == [2250, 4750]
