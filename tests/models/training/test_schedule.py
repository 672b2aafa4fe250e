import pytest
from mc_models.training.schedule import Phase, Plan, TrainConfig


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
