"""Payloads that leave the device under each privacy setting, by a deployment's event log."""

import dataclasses

import pytest

from tests.system.deployment import CLOUD_ONLY, LOCAL_WILL_DO, TABLE, Stream, demand, kinds, sites

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

FRAMES = 8


async def streamed(deployment, stream_id, privacy, accuracy):
    """Run a stream with this setting; return its outcomes and the codecs of the sent frames."""
    demands = dataclasses.replace(demand(stream_id, accuracy=accuracy), privacy=privacy)
    stream = Stream(deployment.edge_address, deployment.frames, FRAMES, 10, demands)
    outcomes = await stream.outcomes()
    records = await deployment.edge_log_of(stream_id)
    sent = [r["data"]["codec"] for r in records if r["name"] == "SendToCloud"]
    return outcomes, sent


async def test_a_stream_that_demands_features_sends_nothing_else(deployment):
    accuracy = (TABLE.local.top5 + TABLE.exits[-1].top5["features"]) / 2
    outcomes, sent = await streamed(deployment, "features", "features", accuracy)
    assert kinds(outcomes) == {"succeeded": FRAMES}
    assert sites(outcomes) == {"cloud": FRAMES}
    assert sent == ["features"] * FRAMES
    size = TABLE.codec("features").message_bytes
    assert {outcome.bytes_up for outcome in outcomes} == {size}
    assert all(outcome.energy.encode_j > 0 for outcome in outcomes)


async def test_nothing_of_an_edge_only_stream_leaves_the_device(deployment):
    outcomes, sent = await streamed(deployment, "at-home", "edge-only", LOCAL_WILL_DO)
    assert kinds(outcomes) == {"succeeded": FRAMES}
    assert sites(outcomes) == {"edge": FRAMES}
    assert sent == []


async def test_an_edge_only_stream_is_served_if_the_local_net_is_confident(deployment):
    outcomes, sent = await streamed(deployment, "sure", "edge-only", CLOUD_ONLY)
    assert sites(outcomes) == {"edge": FRAMES}
    assert all(
        outcome.expected_accuracy >= CLOUD_ONLY or outcome.kind.value == "failed"
        for outcome in outcomes
    )
    assert sent == []


async def test_tasks_that_only_the_cloud_can_serve_are_refused_in_an_edge_only_stream(deployment):
    deepest = TABLE.exits[-1].top5["jpeg"]
    outcomes, sent = await streamed(deployment, "too-much", "edge-only", deepest)
    assert kinds(outcomes) == {"refused": FRAMES}
    assert sent == []
