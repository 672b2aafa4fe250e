"""`mc-sched explain` of tasks from a real run: each explanation names the true cause."""

import asyncio
import json

import pytest

from tests.system.deployment import CLOUD_ONLY, GENEROUS, mc_sched, until

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def explained(deployment, task_id):
    """The command's explanation of a task, once the agent has written its lines."""
    await asyncio.sleep(0.5)
    options = ("--store", deployment.directory / "edge.db", "--output", "json")
    ran = await asyncio.to_thread(mc_sched, "explain", task_id, *options)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


async def test_a_refused_task(deployment):
    """No network reaches this accuracy."""
    (outcome,) = await deployment.stream("refused", count=1, accuracy=1.0).outcomes()
    found = await explained(deployment, outcome.task_id)
    assert found["outcome"] == "refused"
    assert found["cause"] == f"it was refused on arrival: {outcome.reason}"
    assert "1.000 is required" in found["cause"]
    assert found["faithful"]


async def test_a_task_that_fell_back(deployment):
    """The link is cut during the upload."""
    assert await deployment.uses_the_cloud()
    await deployment.cut_link()
    (outcome,) = await deployment.stream("fallen", count=1).outcomes()
    found = await explained(deployment, outcome.task_id)
    assert (found["outcome"], found["site"]) == ("succeeded", "edge")
    assert found["cause"].startswith("it fell back to the local net: ")
    assert "upload" in found["cause"] or "session was lost" in found["cause"]
    assert "the cloud costs fewer joules" in found["chosen"]


async def test_a_task_that_was_given_up_at_its_deadline(deployment):
    """The link is cut during the upload of a task that only the cloud could have served."""
    assert await deployment.uses_the_cloud()
    await deployment.cut_link()
    stream = deployment.stream("given-up", count=1, accuracy=CLOUD_ONLY, deadline_s=1.0)
    (outcome,) = await stream.outcomes()
    found = await explained(deployment, outcome.task_id)
    assert found["outcome"] in ("late", "failed")
    assert "upload began" in found["cause"] or "the session was lost" in found["cause"]
    assert "the upload was stopped" not in found["cause"]
    assert "only the cloud could serve it" in found["chosen"]
    assert "refuse" not in found["chosen"]


async def test_a_task_that_came_too_late_from_the_cloud(deployment):
    """Its deadline is shorter than its upload takes, and policy `server` ignores deadlines."""
    assert await deployment.uses_the_cloud()
    stream = deployment.stream("too-short", count=1, policy="server", deadline_s=0.02)
    (outcome,) = await stream.outcomes()
    assert outcome.kind.value == "late"
    found = await explained(deployment, outcome.task_id)
    assert found["cause"].startswith("it was late: the answer was overdue")
    assert found["chosen"].endswith("decided by policy server")
    others = {who.split()[0] for names in found["alternatives"] for who in names.split(", ")}
    assert {"mc", "mc-paper", "ddnn", "edge-only"} <= others


async def test_the_timeline_holds_the_clouds_part(deployment):
    assert await deployment.uses_the_cloud()
    outcomes = await deployment.stream("whole", count=3, policy="server").outcomes()
    answered = next(o for o in outcomes if o.site is not None)
    assert answered.latency_ns < GENEROUS * 1e9
    found = await explained(deployment, answered.task_id)
    stages = [
        step["what"] for step in found["timeline"] if step["what"].startswith("cloud: stage ")
    ]
    assert len(stages) >= 4
    sent = next(s["at_ms"] for s in found["timeline"] if s["what"].startswith("upload started"))
    reports = next(
        s["at_ms"] for s in found["timeline"] if s["what"].startswith("answered by the cloud")
    )
    inside = [s["at_ms"] for s in found["timeline"] if s["what"].startswith("cloud: ")]
    assert sent <= min(inside)
    assert max(inside) <= reports


async def test_the_logs_of_a_running_agent(deployment):
    await deployment.stream("logged", count=2).outcomes()

    async def reports():
        options = ("--edge", deployment.edge_address, "--where", "name=Finish", "--output", "json")
        ran = await asyncio.to_thread(mc_sched, "logs", *options)
        ids = [json.loads(line)["task_id"] for line in ran.out.splitlines()]
        return {"logged-000", "logged-001"} <= set(ids)

    assert await until(reports)
