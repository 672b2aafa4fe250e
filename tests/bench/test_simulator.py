"""`mc-sched bench simulator` on a few tasks, without checks of the speed."""

from mc_sched.bench import simulator


def test_one_run_has_its_slices_its_sites_and_its_memory():
    run = simulator.run_once(200, 100)
    assert len(run.slices_us) == 2
    assert run.task_us > 0
    assert run.peak_rss_mb > 1
    assert set(run.sites) == {"edge", "cloud"}


def test_each_site_can_be_measured_alone():
    assert set(simulator.run_once(50, 50, "edge").sites) == {"edge"}


def test_the_report_holds_the_figures_that_are_asked_for(monkeypatch):
    monkeypatch.setattr(simulator, "_in_process", simulator.run_once)
    messages = []
    report = simulator.measure_simulator(300, 100, messages.append)
    assert report["tasks_per_s"] > 0
    assert report["long_over_short"] > 0
    assert report["task_us"].keys() == {"long", "short", "edge", "cloud"}
    assert report["peak_rss_mb"].keys() == {"long", "short"}
    assert len(messages) == 3
    assert messages[1] == simulator.NOT_COMPILED
