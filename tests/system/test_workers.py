"""A cloud agent with two worker processes: one dies under load, and the front dies."""

import asyncio
import json
import os
import signal
import urllib.request

import psutil
import pytest
import pytest_asyncio
from mc_proto.channel import connect

from tests.cloud_agent.front.front_rig import ENDS, Client, hello, opened
from tests.system.deployment import (
    BUNDLE,
    NOT_SERVING,
    PATIENCE_S,
    SERVING,
    TABLE,
    Daemon,
    health,
    mc_sched,
    until,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

TASKS, RATE = 240, 60
WORKER = "mc.v1.CloudAgent/worker-{}"


@pytest_asyncio.fixture(loop_scope="session")
async def agent(profiles, tmp_path):
    """A cloud agent with two workers on the CPU and an event log."""
    config = tmp_path / "two.yaml"
    config.write_text(f"profile: {profiles / 'cloud.json'}\ndevices: [cpu, cpu]\n")
    log, store = tmp_path / "cloud.jsonl", tmp_path / "cloud.db"
    options = ("--event-log", log, "--log-store", store, "--http", "127.0.0.1:0")
    where = ("--config", config, "--listen", "127.0.0.1:0", "--bundle", BUNDLE)
    async with Daemon("cloud_agent", tmp_path, *where, *options) as daemon:
        daemon.log, daemon.config = log, config
        yield daemon


def workers_of(daemon):
    """The worker processes, in the order of their start."""
    children = psutil.Process(daemon.process.pid).children()
    return sorted(children, key=lambda child: child.create_time())


def metrics_of(daemon):
    """The agent's metrics as text."""
    address = daemon.stderr.partition("console and metrics at ")[2].split()[0]
    with urllib.request.urlopen(f"{address}/metrics", timeout=PATIENCE_S) as answer:
        return answer.read().decode()


async def answered(client, task_ids):
    """The one last message about each task, once all have one."""

    def ends():
        return [[n for n in client.names(task_id) if n in ENDS] for task_id in task_ids]

    await until(lambda: all(ends()))
    assert {len(found) for found in ends()} == {1}
    return [end for (end,) in ends()]


async def test_a_worker_that_is_killed_under_load(agent, frames):
    async with connect(agent.address) as channel:
        client = Client(channel)
        await client.send(hello(bundle_hash=TABLE.hash))
        await until(lambda: client.credits)
        demands = {"accuracy": 0.5, "budget_ns": 20 * 10**9}
        task_ids = [f"t{number}" for number in range(TASKS)]
        for number, task_id in enumerate(task_ids):
            await client.send(opened(task_id, frames[number % len(frames)], **demands))
            await asyncio.sleep(1 / RATE)
            if number == TASKS // 2:
                workers_of(agent)[0].kill()
        ends = await answered(client, task_ids)
        assert set(ends) <= {"result", "stopped", "refused"}
        assert ends.count("result") > TASKS / 4
        await until(lambda: agent.stderr.count("worker 0 (cpu) is up") == 2)
        assert await health(agent.address, WORKER.format(0)) == SERVING
        more = [f"more{number}" for number in range(10)]
        for task_id in more:
            await client.send(opened(task_id, frames[0], **demands))
            await answered(client, [task_id])
    assert (
        "worker 0 (cpu) died: it was killed by SIGKILL; it is being started again" in agent.stderr
    )
    metrics = metrics_of(agent)
    for number, restarts in ((0, 1), (1, 0)):
        assert f'mc_worker_up{{device="cpu",worker="{number}"}} 1.0' in metrics
        restarted = f'mc_worker_restarts_total{{device="cpu",worker="{number}"}} {restarts}.0'
        assert restarted in metrics
    agent.terminate()
    assert await agent.exit_code() == 0
    check_log(agent.log)


def check_log(log):
    """Each worker's machine replays, the killed one's too."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    begun = [record["worker"] for record in records if record["kind"] == "config"]
    assert begun == [0, 1, 0]
    ran = mc_sched("replay", log, "--output", "json")
    assert ran.code == 0, ran.err + ran.out
    report = json.loads(ran.out)
    assert report["events"] == report["events_agreed"] > 3 * TASKS


def reconfigured(log):
    """The workers whose machines have new settings, with their limits of tasks."""
    records = map(json.loads, log.read_text().splitlines())
    found = [record for record in records if record["name"] == "CloudReconfigured"]
    return [(record["worker"], record["data"]["settings"]["max_tasks"]) for record in found]


async def test_a_reload_reaches_every_worker(agent):
    await until(lambda: "console and metrics at " in agent.stderr)
    metrics_of(agent)  # its loop answers, so it takes signals
    agent.config.write_text(agent.config.read_text() + "max_tasks: 7\n")
    agent.process.send_signal(signal.SIGHUP)
    await until(lambda: len(reconfigured(agent.log)) == 2)
    assert sorted(reconfigured(agent.log)) == [(0, 7), (1, 7)]
    workers_of(agent)[1].kill()
    await until(lambda: agent.stderr.count("worker 1 (cpu) is up") == 2)
    agent.terminate()
    assert await agent.exit_code() == 0
    records = [json.loads(line) for line in agent.log.read_text().splitlines()]
    begun = [r["data"]["settings"]["max_tasks"] for r in records if r["kind"] == "config"]
    assert begun == [64, 64, 7]


async def test_without_a_worker_the_agent_does_not_serve_until_one_is_back(agent):
    assert await health(agent.address) == SERVING
    stopped = workers_of(agent)
    for worker in stopped:
        worker.kill()

    async def is_down():
        return await health(agent.address) == NOT_SERVING

    async def is_up():
        return await health(agent.address) == SERVING

    await until(is_down)
    await until(is_up)
    assert {worker.pid for worker in workers_of(agent)}.isdisjoint({w.pid for w in stopped})


async def test_workers_go_with_a_front_that_is_killed(agent):
    workers = workers_of(agent)
    assert len(workers) == 2
    os.kill(workers[1].pid, signal.SIGSTOP)
    agent.process.kill()
    await agent.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert alive == []
