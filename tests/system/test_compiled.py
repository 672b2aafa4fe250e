"""The compiled simulator gives the same results as the plain one, to the last digit."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mc_sched.bundles.scenario_tables import tables_of
from mc_sched.cli.simulate import simulated
from mc_sched.compiled.finder import in_use
from mc_sched.compiled.workers import simulation_workers
from mc_sched.sim.scenario import load_scenario

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]
SCENARIOS = Path(__file__).parents[2] / "configs" / "scenarios"


@pytest.fixture(scope="module")
def worker():
    subprocess.run([sys.executable, "-m", "mc_sched.compiled.build"], check=True)
    with simulation_workers(1) as pool:
        assert pool.submit(in_use).result()
        yield pool


@pytest.mark.parametrize("policy", ["mc", "mc-paper", "ddnn", "neurosurgeon"])
@pytest.mark.parametrize("name", ["4g", "outages", "several-edges", "trace"])
def test_the_same_summary(worker, name, policy):
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    edges = [edge.model_copy(update={"policy": policy}) for edge in scenario.edges]
    scenario = scenario.model_copy(update={"edges": edges})
    given = (scenario, tables_of(scenario), SCENARIOS)
    assert worker.submit(simulated, *given).result() == simulated(*given)
