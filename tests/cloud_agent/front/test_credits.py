"""Credits on the front: the sum of the workers', and clients that send without."""

import grpc

from cloud_agent.front.edges import GRACE_NS, Edge
from cloud_agent.front.throttle import BURST, CUT_NS, RATE_PER_S, Throttle
from mc_sched.core import events as ev
from tests.cloud_agent.cloud_rig import S, until
from tests.cloud_agent.front.fake_worker import FakeWorker
from tests.cloud_agent.front.front_rig import opened


async def test_an_edges_credits_are_the_sum_over_its_workers(start):
    agent = await start(FakeWorker(0, credits=3), FakeWorker(1, credits=4))
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 7)
    agent.workers[1].grant("robot", 10)
    await until(lambda: client.credits[-1] == 13)
    agent.workers[0].die()
    await until(lambda: client.credits[-1] == 10)
    agent.workers[1].die()
    await until(lambda: client.credits[-1] == 1)


async def test_changes_that_come_together_are_sent_once(agent):
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 64)
    replies = client.replies
    for credits in (3, 9, 5):
        agent.worker.grant("robot", credits)
    await until(lambda: client.credits[-1] == 5)
    assert client.replies == replies + 1


async def test_a_grant_for_an_edge_that_has_left_is_ignored(agent):
    agent.worker.grant("nobody", 5)
    assert agent.front.sessions == []


async def test_sessions_of_one_edge_share_its_credits(agent):
    one = await agent.join()
    await until(lambda: one.credits and one.credits[-1] == 64)
    two = await agent.join()
    await until(lambda: two.credits and (one.credits[-1], two.credits[-1]) == (32, 32))
    two.call.cancel()
    await until(lambda: one.credits[-1] == 64)


async def test_a_task_without_credit_is_refused(start):
    agent = await start(FakeWorker(credits=2))
    client = await agent.join()
    await until(lambda: client.credits and client.credits[-1] == 2)
    await client.send(opened("a"), opened("b"), opened("c", wanted=3))
    end, message = await client.end("c")
    assert (end, message.code) == ("refused", "no-credit")
    assert message.reason == "2 tasks are open, and the edge has 2 credits"
    assert agent.worker.received == ["robot/a", "robot/b"]
    await until(lambda: agent.worker.count(ev.CreditsWanted))
    assert agent.worker.events[-1].wanted == 4
    agent.worker.answer("robot/a")
    await client.end("a")
    await client.send(opened("d"))
    await until(lambda: "robot/d" in agent.worker.tasks)
    assert agent.front.ends == {("refused", "no-credit"): 1}


async def test_all_workers_learn_of_the_credits_that_are_wanted(start):
    agent = await start(FakeWorker(0), FakeWorker(1))
    client = await agent.join()
    await client.send(opened("a", wanted=5))
    await until(lambda: all(worker.count(ev.CreditsWanted) for worker in agent.workers))
    assert [worker.events[-1].wanted for worker in agent.workers] == [5, 5]
    ((event, _),) = agent.worker.tasks.values()
    assert event.wanted == 5


def test_a_withdrawn_credit_is_honoured_for_a_second():
    edge = Edge("robot", "")
    assert edge.grant(0, 0, 8)
    edge.open_tasks = 6
    assert edge.grant(5, 0, 2)
    assert not edge.grant(6, 0, 2)
    assert edge.has_credit(GRACE_NS)
    assert not edge.has_credit(GRACE_NS + 10)
    assert edge.has_credit(GRACE_NS + 10, waited_ns=10)
    edge.open_tasks = 8
    assert not edge.has_credit(10)
    edge.open_tasks = 1
    assert edge.has_credit(GRACE_NS + 10)


def test_the_highest_of_several_withdrawn_credits_counts_while_it_may_have_been_known():
    edge = Edge("robot", "")
    for at_ns, credits in ((0, 9), (10, 4), (20, 6), (30, 2)):
        edge.grant(at_ns, 0, credits)
    edge.open_tasks = 8
    assert edge.has_credit(GRACE_NS + 10)
    assert not edge.has_credit(GRACE_NS + 11)
    edge.open_tasks = 5
    assert edge.has_credit(GRACE_NS + 30)
    assert not edge.has_credit(GRACE_NS + 31)


def test_withdrawn_credits_are_forgotten():
    edge = Edge("robot", "")
    for second in range(200):
        edge.grant(second * S, 0, 1000 - second)
    assert len(edge._before) <= 61


def test_an_edge_has_at_least_one_credit():
    edge = Edge("robot", "")
    assert edge.credits == edge.share == 1
    edge.grant(0, 0, 0)
    assert edge.has_credit(0)
    edge.grant(0, 0, None)
    assert edge.credits == 1


async def test_a_flood_without_credit_is_slowed_down_and_noted(start):
    agent = await start(FakeWorker(credits=1))
    client = await agent.join()
    await client.send(*(opened(f"t{number}") for number in range(BURST + 10)))
    await until(lambda: len(client.messages) >= BURST)
    assert agent.worker.received == ["robot/t0"]
    assert agent.front.sessions != []


async def test_a_client_whose_patience_is_exhausted_is_cut(start, monkeypatch):
    monkeypatch.setattr("cloud_agent.front.throttle.CUT_NS", 0)
    agent = await start(FakeWorker(credits=1))
    client = await agent.join()
    await client.send(*(opened(f"t{number}") for number in range(BURST + 10)))
    sentence = "tasks are sent without credit all the time"
    assert await client.status() == (grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
    assert f"cut: {sentence}" in agent.notes("session")
    await until(agent.is_free)


def test_some_tasks_without_credit_cost_nothing():
    throttle = Throttle()
    assert {throttle.pause_ns(S) for _ in range(BURST)} == {0}
    assert throttle.pause_ns(S) > 0
    assert throttle.pause_ns(20 * S) == 0
    assert not throttle.exhausted


def test_a_flood_is_slowed_down_to_the_rate_and_cut_in_the_end():
    throttle, now_ns, sent = Throttle(), S, 0
    while not throttle.exhausted:
        now_ns += throttle.pause_ns(now_ns) + 100_000
        sent += 1
        assert now_ns < 30 * S
    assert now_ns - S >= CUT_NS
    assert sent <= BURST + 1 + RATE_PER_S * (now_ns - S) / S
