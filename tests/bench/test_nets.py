import json

import pytest
import torch
from mc_models.data.image_sets import generated_set
from mc_models.data.preprocess import to_input
from mc_models.data.synthetic import render
from mc_models.inference import batch_profiler, profiler
from mc_models.inference.predict import top5
from mc_models.inference.prepare import prepare_cloud
from mc_models.inference.profile_store import host_profile

from mc_sched.bench import staged_runs
from mc_sched.bench.nets import measure_nets
from mc_sched.bench.staged_runs import CheckedStages, ScheduledStages
from mc_sched.cli.main import main

X = to_input(render(0, 0))


@pytest.fixture(autouse=True)
def state_home(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for module in (profiler, batch_profiler):
        monkeypatch.setattr(module, "BUDGET_S", 0.0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", [CheckedStages, ScheduledStages])
@torch.inference_mode()
def test_stages_with_checks_reach_the_answer_of_one_forward_pass(small_bundle, kind):
    net = prepare_cloud(small_bundle)
    stages = kind(small_bundle, net, host_profile(small_bundle, "cloud", 1, "float32"))
    for x in (X, -X):
        assert stages.run(x) == top5(net(x), small_bundle.exits[-1].temperature)


@torch.inference_mode()
def test_checked_stages_leave_at_the_exit_that_the_budget_allows(small_bundle, monkeypatch):
    net = prepare_cloud(small_bundle)
    profile = host_profile(small_bundle, "cloud", 1, "float32")
    stages = CheckedStages(small_bundle, net, profile)
    monkeypatch.setattr(staged_runs, "BUDGET_NS", 0)
    assert stages.run(X) == top5(net.forward_all(X)["exit1"], small_bundle.exits[0].temperature)


def test_every_figure_is_there_for_every_bundle(small_bundle):
    images = generated_set("test", 2, 0, 224)
    report = measure_nets([small_bundle], lambda bundle: images, 2, 1, lambda text: None)
    figures = report["sets"]["small"]
    assert figures["stagewise_ratio"] > 0
    assert figures["scheduled_ratio"] > 0
    assert figures["batch_gain"] >= 1
    assert figures["batch_ms_per_image"]["1"] > 0
    assert figures["speedup"] == min(figures["speedups"].values()) > 0
    outputs = ["local", *(row.name for row in small_bundle.exits)]
    assert [*figures["top5_differences"]] == outputs
    assert abs(figures["top5_difference"]) == max(map(abs, figures["top5_differences"].values()))
    assert set(figures["precisions"]) == {"local", "cloud"}
    assert figures["images"] == 2
    json.dumps(report)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rounds", "1"], "--rounds 1 is out of range; choose 5 or more"),
        (["--images", "0"], "--images 0 is out of range; choose 1 or more"),
        (["--bundle", "nowhere"], "is not a bundle"),
    ],
)
def test_bad_options_get_a_sentence(capsys, options, sentence):
    assert main(["bench", "nets", *options]) != 0
    assert sentence in capsys.readouterr().err
