"""Every policy live on the shipped bundle: outcomes, privacy, and a log that replays exactly."""

import asyncio
from dataclasses import replace

import pytest
from mc_models.inference.devices import host_device
from mc_models.inference.profile import Times, blank_profile
from mc_models.inference.profile_store import keep_profiles

from mc_sched.client import Constraints
from mc_sched.core.policies import PARTITIONERS, POLICIES
from mc_sched.obs.log.event_log import read_log
from mc_sched.obs.replay import replay
from tests.system.deployment import (
    GENEROUS,
    LOCAL_WILL_DO,
    TABLE,
    Stream,
    cloud_daemon,
    edge_daemon,
    kinds,
    sites,
    status,
    until,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

COUNT = 24
DEMANDING = 0.98
"""A QoR for which ddnn answers about two thirds of the frames on the edge."""


async def stream(address, frames, name, policy, privacy="any", accuracy=LOCAL_WILL_DO, mode=""):
    """Run a short stream under this policy and return its outcomes."""
    demands = Constraints(int(GENEROUS * 1e9), accuracy, mode, policy, privacy, stream_id=name)
    return await Stream(address, frames, COUNT, 8, demands).outcomes()


async def streamed(deployment, policy, privacy="any", accuracy=LOCAL_WILL_DO, mode="performance"):
    """Run a short stream on the deployment, and return its outcomes and log records."""
    name = f"{policy}-{privacy}-{mode}-{accuracy:.3f}"
    address, frames = deployment.edge_address, deployment.frames
    outcomes = await stream(address, frames, name, policy, privacy, accuracy, mode)
    return outcomes, await deployment.edge_log_of(name)


def sent_by(records):
    return {r["data"]["codec"] for r in records if r["name"] == "SendToCloud"}


@pytest.mark.parametrize("policy", POLICIES)
async def test_every_frame_is_served(deployment, policy):
    outcomes, _ = await streamed(deployment, policy)
    assert kinds(outcomes) == {"succeeded": COUNT}


async def test_ddnn_answers_confident_images_on_the_edge_and_offloads_the_rest(deployment):
    outcomes, records = await streamed(deployment, "ddnn", accuracy=DEMANDING)
    assert kinds(outcomes) == {"succeeded": COUNT}
    assert sites(outcomes).keys() == {"edge", "cloud"}
    done = [r for r in records if r["name"] == "LocalDone"]
    reports = {r["task_id"]: r["data"]["prediction"]["entropy"] for r in done}
    here = [reports[o.task_id] for o in outcomes if o.site.value == "edge"]
    there = [reports[o.task_id] for o in outcomes if o.site.value == "cloud"]
    assert max(here) < min(there)


@pytest.mark.parametrize("policy", sorted(PARTITIONERS))
async def test_images_that_must_not_leave_run_through_the_cloud_net_on_the_edge(deployment, policy):
    outcomes, records = await streamed(deployment, policy, "edge-only")
    assert sites(outcomes) == {"edge": COUNT}
    assert {outcome.exit for outcome in outcomes} == {"final"}
    assert sent_by(records) == set()


@pytest.mark.parametrize("policy", sorted(POLICIES.keys() - {"edge-only"}))
async def test_private_frames_leave_as_features_if_at_all(deployment, policy):
    _, records = await streamed(deployment, policy, "features", mode="energy")
    assert sent_by(records) <= {"features"}


async def test_the_log_of_all_this_replays_exactly(deployment):
    await asyncio.sleep(0.3)
    steps = list(replay(read_log(deployment.edge_log)))
    assert len(steps) > COUNT * len(POLICIES)
    assert [step.event for step in steps if not step.same] == []


# --- a device whose early stages are profiled as fast, and a cloud where they are slow ------------


def times(ms):
    return Times(*(round(ms * 1e6),) * 3, 20)


def keep_invented_profile(file, part, early_ms, last_ms):
    """Write a profile in which all stages but the last take `early_ms` each."""
    *early, last = TABLE.stages
    profile = replace(
        blank_profile(TABLE, part, 1, "float32", host_device()),
        layers={row.name: times(1) for row in TABLE.local.layers} if part == "edge" else {},
        stages={row.name: times(early_ms) for row in early} | {last.name: times(last_ms)},
        heads={row.name: times(1) for row in TABLE.exits},
        images={"decode": times(1), "encode": times(1)},
        codecs={row.name: times(3) for row in TABLE.codecs},
        splits={row.name: times(0.01) for row in TABLE.splits},
    )
    assert keep_profiles([profile], TABLE, file)


@pytest.mark.parametrize("policy", sorted(PARTITIONERS))
async def test_a_split_is_uploaded_and_the_cloud_continues(deployment, policy, tmp_path):
    log, edge_profile = tmp_path / "edge.jsonl", tmp_path / "edge.json"
    # whatever the link is measured as, the best cut is before the last stage
    keep_invented_profile(edge_profile, "edge", early_ms=0.001, last_ms=10_000)
    keep_invented_profile(tmp_path / "cloud.json", "cloud", early_ms=400, last_ms=1)
    keys = {"profile": edge_profile, "precision": "float32", "event_log": log, "policy": policy}
    async with (
        cloud_daemon(tmp_path, tmp_path, "--precision", "float32") as cloud,
        edge_daemon(tmp_path, tmp_path, cloud.address, **keys) as edge,
    ):

        async def met():
            return (await status(edge.address)).cloud == "up"

        await until(met)
        outcomes = await stream(edge.address, deployment.frames, "s", "", mode="performance")
        await asyncio.sleep(0.3)
    assert kinds(outcomes) == {"succeeded": COUNT}
    assert {outcome.exit for outcome in outcomes} == {"final"}
    assert sent_by(read_log(log)) == {"split4"}
