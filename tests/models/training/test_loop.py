import dataclasses

import pytest
import torch
from mc_models.data.image_sets import generated_set
from mc_models.networks.sets import SETS, build_cloud, build_local
from mc_models.training.loop import train
from mc_models.training.schedule import Phase, TrainConfig

SMALL = dataclasses.replace(SETS["a"], local_width=0.1, local_fc=32, cloud_width=0.1, head_hidden=8)
SMALL_B = dataclasses.replace(SETS["b"], local_width=0.1, cloud_width=0.1, head_hidden=8)
QUICK = TrainConfig(phases=(Phase(64, 2, "crop"),), batch=8)


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


def test_an_interrupted_training_resumes_to_the_same_weights(images, tmp_path):
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
