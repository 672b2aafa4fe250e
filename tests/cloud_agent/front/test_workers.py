"""Several workers: routing, load, and workers that die."""

import asyncio

from mc_proto.v1 import cloud_pb2

from cloud_agent.front import open_tasks
from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import MS, TABLE, until
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.cloud_agent.front.front_rig import chunk, opened


async def test_tasks_go_to_the_worker_that_promises_the_earliest_answer(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await client.send(*(opened(task_id) for task_id in "abcd"))
    await until(lambda: len(agent.front.tasks) == 4)
    assert [len(worker.received) for worker in agent.workers] == [2, 2]
    agent.workers[0].report(queue_ns=500 * MS, slowdown=1.0)
    agent.workers[1].report(queue_ns=0, slowdown=1.0)
    await client.send(opened("e"), opened("f"))
    await until(lambda: len(agent.front.tasks) == 6)
    assert agent.workers[1].received[2:] == ["robot/e", "robot/f"]


async def test_a_dead_workers_tasks_fail_and_the_others_go_on(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await client.send(opened("a"), opened("b"), opened("c", b"12345678", head=4))
    await until(lambda: len(agent.front.tasks) == 3)
    agent.workers[1].die("killed by signal 9")
    end, message = await client.end("b")
    assert (end, message.failed) == ("stopped", True)
    reason = "worker 1 (cpu) died: killed by signal 9; it is being started again"
    assert message.reason == reason
    assert agent.serving == {"worker-0": True, "worker-1": False}
    assert agent.notes("state")[-1] == reason.removeprefix("worker 1 (cpu) ")
    agent.workers[0].answer("robot/a")
    assert (await client.end("a"))[0] == "result"
    await client.send(opened("d"))
    await until(lambda: "robot/d" in agent.workers[0].tasks)
    assert agent.front.ends["stopped", ""] == 1


async def test_messages_of_a_task_that_was_on_a_dead_worker_are_dropped(start):
    agent = await start()
    client = await agent.join()
    await client.send(opened("a"))
    await until(lambda: agent.worker.tasks)
    agent.worker.die()
    assert (await client.end())[0] == "stopped"
    agent.front.on_message(agent.worker, "robot/a", b"late", None)
    await until(agent.is_free)
    assert client.names() == ["stopped"]


async def test_without_a_worker_tasks_are_refused_with_the_reason(start):
    agent = await start()
    client = await agent.join()
    await until(lambda: client.credits)
    agent.worker.die("out of memory")
    await client.send(opened("a"))
    end, message = await client.end()
    assert (end, message.code) == ("refused", "infeasible")
    assert message.reason == "worker 0 (cpu) died: out of memory; it is being started again"
    assert (await agent.probe()).queue_ns == 0


async def test_a_worker_that_dies_during_an_upload_costs_the_task_nothing_if_another_is_up(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await client.send(opened("a", b"12345678", head=4))
    await until(lambda: len(agent.front.tasks) == 1)
    agent.workers[0].die()
    await client.send(opened("b"))
    await until(lambda: agent.workers[1].received == ["robot/b"])


async def test_an_upload_that_ends_without_a_worker_is_refused(start):
    agent = await start()
    client = await agent.join()
    await client.send(opened("a", b"12345678", head=4))
    await until(lambda: len(agent.front.tasks) == 1)
    agent.worker.die()
    await client.send(opened("a2"))
    assert (await client.end("a2"))[0] == "refused"
    await client.send(chunk("a", b"5678"))
    assert (await client.end("a"))[0] == "refused"
    await until(agent.is_free)


async def test_a_worker_that_comes_up_again_knows_the_edges_and_serves(start):
    agent = await start()
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 64)
    agent.worker.die()
    await until(lambda: client.credits[-1] == 1)
    agent.worker.start()
    await until(lambda: client.credits[-1] == 64)
    assert agent.worker.count(ev.EdgeJoined) == 2
    assert agent.serving == {"worker-0": True}
    await client.send(opened("a"))
    await until(lambda: agent.worker.tasks)


async def test_a_task_of_a_silent_worker_ends_after_its_budget(start, monkeypatch):
    monkeypatch.setattr(open_tasks, "OVERDUE_NS", 50 * MS)
    agent = await start()
    client = await agent.join()
    await client.send(opened("a", budget_ns=50 * MS), opened("b"))
    end, message = await client.end()
    assert (end, message.failed) == ("stopped", True)
    assert message.reason == "the worker has not answered within the task's budget"
    assert agent.worker.count(ev.ClientGone) == 1
    agent.worker.answer("robot/b")
    assert (await client.end("b"))[0] == "result"
    await until(agent.is_free)


async def test_a_dead_worker_gets_no_events(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 128)
    agent.workers[0].die()
    before = len(agent.workers[0].events)
    await agent.probe(edge_id="robot", last_rtt_ns=5 * MS)
    client.call.cancel()
    await until(lambda: agent.workers[1].count(ev.EdgeLeft))
    assert agent.workers[1].count(ev.LinkSampled) == 1
    assert len(agent.workers[0].events) == before


async def test_a_probe_tells_the_load_of_the_best_worker(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    agent.workers[0].report(queue_ns=10_000 * MS, slowdown=1.0)
    agent.workers[1].report(queue_ns=5_000 * MS, slowdown=2.0)
    reply = await agent.probe(edge_id="robot", reply_padding_bytes=100_000, padding=b"x" * 5000)
    assert 4_000 * MS < reply.queue_ns <= 5_000 * MS
    assert (reply.slowdown, reply.bundle_hash, reply.draining) == (2.0, "the bundle", False)
    assert len(reply.padding) == 65_536
    assert reply.held_ns > 0


async def test_a_probe_without_a_round_trip_reports_none(agent):
    await agent.probe(edge_id="robot")
    assert agent.worker.count(ev.LinkSampled) == 0


async def test_idle_clients_learn_of_another_load(agent):
    client = await agent.join()
    await until(lambda: client.loads)
    await asyncio.sleep(0.06)
    agent.worker.report(queue_ns=60_000 * MS, slowdown=1.5)
    await until(lambda: client.loads[-1].queue_ns > 50_000 * MS)
    assert client.loads[-1].slowdown == 1.5
    assert len(client.loads) < 10


async def test_it_describes_what_its_workers_host(agent):
    reply = await agent.ask.Describe(cloud_pb2.DescribeRequest())
    assert (reply.network, reply.bundle_hash, reply.version) == ("cloud", "the bundle", "0.0.1")
    assert tuple(reply.stage_ns) == TABLE.stage_ns
    assert [(c.name, c.stage, c.payload_bytes) for c in reply.codecs] == [
        ("jpeg", 0, 0), ("features", 1, 6)
    ]  # fmt: skip
