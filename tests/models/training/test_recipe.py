import pytest
from mc_models.networks.sets import SETS
from mc_models.training.recipe import Recipe


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
