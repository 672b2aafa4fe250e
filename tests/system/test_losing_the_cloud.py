"""The cloud dies or the link is cut during a stream; the device continues."""

import asyncio
import shutil

import pytest

from mc_sched.obs.log.event_log import read_log
from mc_sched.obs.replay import replay
from tests.system.deployment import (
    CLOUD_ONLY,
    NOT_SERVING,
    SERVING,
    TABLE,
    health,
    kinds,
    sites,
    until,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

EDGE, LINK = "mc.v1.EdgeAgent", "cloud-link"


def is_confident_or_explained(outcome):
    """Outcomes allowed for a task that needs the cloud while it may not answer."""
    if outcome.kind.value == "succeeded":
        return outcome.expected_accuracy >= CLOUD_ONLY
    return "cloud" in outcome.reason


async def test_a_killed_cloud_agent_costs_no_task_that_the_local_net_can_serve(deployment):
    """All other tasks have exactly one outcome, and the cloud is used again after its restart."""
    await deployment.uses_the_cloud()
    before = await deployment.status()
    either = deployment.stream("kill", count=50)
    cloud_only = deployment.stream("kill-deep", count=50, accuracy=CLOUD_ONLY)
    await either.answered(10)
    await deployment.kill_cloud()
    outcomes = await either.outcomes()
    assert kinds(outcomes) == {"succeeded": 50}
    assert sites(outcomes)["cloud"] > 0
    assert sites(outcomes)["edge"] > 0
    deep = await cloud_only.outcomes()
    assert len(deep) == 50
    assert all(is_confident_or_explained(outcome) for outcome in deep)
    gone = await deployment.cloud_is("down")
    assert "does not answer" in gone.cloud_detail

    await deployment.start_cloud()
    after = await deployment.cloud_is("up")
    assert await deployment.uses_the_cloud()
    assert after.uptime_ns > before.uptime_ns  # the same edge agent all the time


@pytest.mark.filterwarnings("ignore:.*the log ends before the last:UserWarning")
async def test_the_log_of_a_killed_agent_continues_after_its_restart(deployment, tmp_path):
    """The log of both runs replays; only lines that were queued at the kill are missing."""
    stream = deployment.stream("kill-log", count=20, policy="server")
    await stream.answered(5)
    await deployment.kill_cloud()
    await stream.outcomes()
    await deployment.start_cloud()
    await deployment.cloud_is("up")
    await deployment.stream("kill-log-again", count=5, policy="server").outcomes()
    await asyncio.sleep(0.6)
    log = shutil.copy(deployment.cloud_log, tmp_path / "cloud.jsonl")
    records = list(read_log(log))
    lives = sum(record["kind"] == "config" for record in records)
    steps = list(replay(records))
    assert lives >= 2
    assert len(steps) > 100
    assert [step for step in steps if not step.same] == []
    assert sum(step.cut for step in steps) < lives  # at most the last step of each killed run


@pytest.mark.parametrize("mode", ["blackhole", "reset"])
async def test_a_cut_link_costs_no_task_that_the_local_net_can_serve(deployment, mode):
    await deployment.uses_the_cloud()
    stream = deployment.stream(f"cut-{mode}", count=50)
    await stream.answered(10)
    await deployment.cut_link(mode)
    gone = await deployment.cloud_is("down")
    assert "does not answer" in gone.cloud_detail
    outcomes = await stream.outcomes()
    assert kinds(outcomes) == {"succeeded": 50}
    assert sites(outcomes)["cloud"] > 0
    assert sites(outcomes)["edge"] > 0

    await deployment.restore_link()
    await deployment.cloud_is("up")
    assert await deployment.uses_the_cloud()


async def test_without_a_cloud_confident_local_answers_are_served(deployment):
    await deployment.cut_link("reset")
    await deployment.cloud_is("down")
    outcomes = await deployment.stream("sure", count=40, accuracy=CLOUD_ONLY).outcomes()
    assert sites(outcomes) == {"edge": 40}
    assert kinds(outcomes)["succeeded"] > 0
    assert all(is_confident_or_explained(outcome) for outcome in outcomes)


async def test_tasks_that_only_the_cloud_can_serve_are_refused_with_the_reason(deployment):
    await deployment.cut_link("reset")
    await deployment.cloud_is("down")
    stream = deployment.stream("unreachable", count=3, accuracy=TABLE.exits[-1].top5["jpeg"])
    for outcome in await stream.outcomes():
        assert outcome.kind.value == "refused"
        assert "cloud is not reachable" in outcome.reason
        assert "edge reaches accuracy" in outcome.reason


async def test_the_health_service_tells_the_truth_about_the_link(deployment):
    async def link_is(state):
        return await health(deployment.edge_address, LINK) == state

    await until(lambda: link_is(SERVING))
    assert await health(deployment.cloud_address, "mc.v1.CloudAgent") == SERVING
    await deployment.cut_link("reset")
    await until(lambda: link_is(NOT_SERVING))
    assert await health(deployment.edge_address, EDGE) == SERVING
    assert await health(deployment.edge_address) == SERVING
    await deployment.restore_link()
    await until(lambda: link_is(SERVING))
