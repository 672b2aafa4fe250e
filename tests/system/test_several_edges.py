"""Several devices on one cloud agent, and a device with another bundle."""

import asyncio
import json
import shutil

import pytest

from tests.system.deployment import (
    CLOUD_ONLY,
    NOT_SERVING,
    SHIPPED,
    Stream,
    demand,
    edge_daemon,
    health,
    kinds,
    mc_sched,
    sites,
    status,
    until,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

TASKS = 25
"""Concurrent tasks of each edge; together fewer than the cloud's max_tasks."""


async def met_the_cloud(agent):
    async def is_up():
        return (await status(agent.address)).cloud == "up"

    await until(is_up)


async def test_edges_with_the_same_task_ids_do_not_disturb_each_other(
    deployment, profiles, frames, tmp_path
):
    """One of the edges gives up all its tasks, and disconnects at the end."""
    async with edge_daemon(tmp_path, profiles, deployment.cloud_address, edge_id="one") as one:
        await met_the_cloud(one)
        ids = [f"same-{number}" for number in range(30)]
        patient = demand("same", CLOUD_ONLY, deadline_s=30, policy="server")
        hasty = demand("same", CLOUD_ONLY, deadline_s=0.015, policy="server")
        steady = Stream(one.address, frames, 30, 10, patient, ids)
        giving_up = Stream(deployment.edge_address, frames, 30, 10, hasty, ids)
        await giving_up.answered(15)
        await giving_up.leave()
        outcomes = await steady.outcomes()
        assert kinds(outcomes) == {"succeeded": 30}
        assert sites(outcomes) == {"cloud": 30}


async def test_edges_that_were_given_no_name_do_not_disturb_each_other(
    deployment, profiles, frames, tmp_path
):
    """Two robots set up from one image share a host name, and both number tasks from 1."""
    async with edge_daemon(tmp_path, profiles, deployment.cloud_address) as one:
        await met_the_cloud(one)
        demands = demand("", CLOUD_ONLY, deadline_s=30, policy="server")
        ids = [f"t{number}" for number in range(TASKS)]
        addresses = (one.address, deployment.edge_address)
        streams = [Stream(address, frames, TASKS, 1000, demands, ids) for address in addresses]
        for outcomes in await asyncio.gather(*(stream.outcomes() for stream in streams)):
            assert kinds(outcomes) == {"succeeded": TASKS}


@pytest.fixture
def another_bundle(tmp_path):
    """A copy of the shipped bundle under another name, and thus with another hash."""
    bundle = shutil.copytree(SHIPPED, tmp_path / "another")
    table = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**table, "name": "another"}))
    return bundle


async def test_an_edge_with_another_bundle_works_alone_and_reports_it(
    deployment, profiles, frames, tmp_path, another_bundle
):
    daemon = edge_daemon(tmp_path, profiles, deployment.cloud_address, another_bundle)
    async with daemon as agent:

        async def cloud_is_down():
            seen = await status(agent.address)
            return seen if seen.cloud == "down" else None

        seen = await until(cloud_is_down)
        assert seen.bundle == "another"
        assert seen.cloud_detail == "the cloud runs another bundle; install the same one on both"
        shown = mc_sched("status", "--edge", agent.address, "--output", "json")
        assert json.loads(shown.out)["cloud_detail"] == seen.cloud_detail
        assert await health(agent.address, "cloud-link") == NOT_SERVING
        outcomes = await Stream(agent.address, frames, 10, 10, demand("alone")).outcomes()
        assert kinds(outcomes) == {"succeeded": 10}
        assert sites(outcomes) == {"edge": 10}
