"""A trace that a client sends is found on both nodes."""

import asyncio
import json

import pytest
from mc_proto.channel import connect
from mc_proto.v1 import edge_pb2, edge_pb2_grpc

from mc_sched.obs.log.event_log import read_log
from tests.system.deployment import GENEROUS, mc_sched, until

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def submitted(deployment, task_id):
    """Submit a task that the cloud answers, from a program that traces its calls."""
    task = edge_pb2.Task(
        task_id=task_id, image=deployment.frames[0], deadline_ns=int(GENEROUS * 1e9),
        policy="server",
    )  # fmt: skip
    metadata = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),)
    async with connect(deployment.edge_address) as channel:
        stub = edge_pb2_grpc.EdgeAgentStub(channel)
        return await stub.Submit(task, metadata=metadata, timeout=GENEROUS + 10)


def stored(deployment):
    """Return the lines of the trace that `mc-sched logs` finds in both stores."""
    options = [f"--store={deployment.directory / name}.db" for name in ("edge", "cloud")]
    where = f"trace_id={TRACE} level!=debug"
    ran = mc_sched("logs", *options, "--where", where, "--output", "json")
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


async def test_a_trace_finds_both_nodes_lines_and_the_tasks_story(deployment):
    assert await deployment.uses_the_cloud()
    assert (await submitted(deployment, "traced")).site == "cloud"

    async def found():
        return {"Finish", "Reply"} <= {record["name"] for record in await logged()}

    async def logged():
        return await asyncio.to_thread(stored, deployment)

    await until(found)
    records = await logged()
    assert {record["node"] for record in records} == {"edge", "cloud"}
    assert {record["task_id"].rpartition("/")[2] for record in records} == {"traced"}
    assert {record["trace_id"] for record in records} == {TRACE}
    for name in ("edge", "cloud"):  # and in the files
        lines = read_log(deployment.directory / f"{name}.jsonl")
        assert any(record.get("trace_id") == TRACE for record in lines)
    options = ("--store", deployment.directory / "edge.db", "--output", "json")
    ran = await asyncio.to_thread(mc_sched, "explain", TRACE, *options)
    assert json.loads(ran.out)["task_id"] == "traced", ran.err
