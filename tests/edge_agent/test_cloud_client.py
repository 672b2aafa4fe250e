"""The cloud client on real connections: every task that was sent ends in exactly one event."""

import asyncio
import contextlib

import grpc
import pytest
from mc_proto.v1 import common_pb2

from edge_agent import cloud_client
from edge_agent.cloud_client import CloudClient
from mc_sched.core import events as ev
from mc_sched.core.actions import SendProbe, SendToCloud
from mc_sched.core.predictors.probing import Padding
from mc_sched.core.task import ExitRule, RefusalCode
from mc_sched.obs.log.moments import CloudStory, Moment
from tests.edge_agent.edge_rig import CLOUD, PATIENCE_S, S, until
from tests.proto.session.fake_cloud_agent import (
    ACCEPTED,
    EMPTY,
    REFUSED,
    REJECTED,
    RESULT,
    STOPPED,
    FakeCloudAgent,
    Reply,
    about,
    is_silent,
)

ENDS = (ev.CloudReplied, ev.CloudRefused, ev.CloudStopped, ev.CloudLost)
PROBE_S = 0.02


class Link:
    """A client, the events that it has fed, and probes as the machine requests them."""

    def __init__(self, address, bundle_hash="the bundle", paddings=(), **options):
        self.events = []
        self.paddings = iter(paddings)
        self.client = CloudClient(address, "robot", bundle_hash, self.feed, **options)

    def feed(self, event):
        self.events.append(event)
        if isinstance(event, ev.CloudReached):
            self.probe()
        elif isinstance(event, ev.LinkSampled | ev.ProbeLost):
            asyncio.get_running_loop().call_later(PROBE_S, self.probe)

    def probe(self):
        bare = [e.rtt_ns for e in self.of(ev.LinkSampled) if not e.up_bytes]
        padding = next(self.paddings, Padding())
        self.client.probe(SendProbe(padding.up_bytes, padding.down_bytes, bare[-1] if bare else 0))

    def send(self, task_id, payload=b"jpeg", budget_s=30.0, wanted=0):
        action = SendToCloud(
            task_id=task_id, codec="jpeg", accuracy=0.75, budget_ns=int(budget_s * S), down_ns=3,
            exit_rule=ExitRule.PURSUE, reply_in_ns=5, wanted=wanted,
        )  # fmt: skip
        self.client.send(action, payload)

    def of(self, *kinds):
        return [event for event in self.events if isinstance(event, kinds)]

    def story(self, task_id):
        """Return the names of one task's events."""
        return [type(e).__name__ for e in self.events if getattr(e, "task_id", None) == task_id]

    def states(self):
        """Return the events found and gone, in order."""
        return [type(event).__name__ for event in self.of(ev.CloudFound, ev.CloudGone)]

    async def end(self, task_id):
        """Return the task's only end."""
        await until(lambda: [e for e in self.of(*ENDS) if e.task_id == task_id])
        (end,) = [e for e in self.of(*ENDS) if e.task_id == task_id]
        return end

    async def found(self, times=1):
        await until(lambda: len(self.of(ev.CloudFound)) >= times)


@contextlib.asynccontextmanager
async def linked(agent, **options):
    """Start a client of this agent; close it at the end."""
    if not agent.port:
        await agent.start()
    link = Link(agent.address, **options)
    await link.client.start()
    try:
        yield link
    finally:
        await link.client.close()
        await agent.crash()
        assert link.client._session is None


@pytest.fixture
async def agent():
    return FakeCloudAgent(CLOUD)


# --- finding the cloud ------------------------------------------------------------------------


async def test_the_cloud_is_found_after_a_first_probe(agent):
    async with linked(agent) as link:
        await link.found()
        kinds = [ev.CloudReached, ev.LinkSampled, ev.CreditsGranted, ev.CloudFound]
        assert [type(event) for event in link.events[:4]] == kinds
        assert link.of(ev.CreditsGranted)[0].credits == agent.credits
        (hello,) = agent.hellos
        assert (hello.edge_id, hello.bundle_hash) == ("robot", "the bundle")
        (found,) = link.of(ev.CloudFound)
        assert (found.table.stage_ns, found.table.exits) == (CLOUD.stage_ns, CLOUD.exits)


async def test_probes_return_the_clouds_load_and_carry_the_round_trip(agent):
    async with linked(agent) as link:
        await until(lambda: len(agent.probes) > 3)
        first, second = link.of(ev.LinkSampled)[:2]
        assert (first.queue_ns, first.slowdown) == (11, 1.25)
        assert 0 < first.rtt_ns < PATIENCE_S * S
        assert [p.last_rtt_ns for p in agent.probes[:3]] == [0, first.rtt_ns, second.rtt_ns]
        assert agent.probes[0].edge_id == "robot"


async def test_an_address_without_an_agent_is_reported_once():
    agent = FakeCloudAgent(CLOUD)
    await agent.start()
    await agent.crash()
    link = Link(agent.address)
    await link.client.start()
    await until(lambda: link.events)
    await asyncio.sleep(2.5 * cloud_client.RETRY_S)
    reasons = [event.reason for event in link.of(ev.CloudGone)]
    assert reasons == [f"{agent.address} does not answer (unavailable)"]
    await link.client.close()


async def test_a_cloud_that_comes_later_is_found(agent):
    await agent.start()
    await agent.crash()
    async with contextlib.AsyncExitStack() as stack:
        link = Link(agent.address)
        await link.client.start()
        stack.push_async_callback(link.client.close)
        await until(lambda: link.states() == ["CloudGone"])
        await agent.start()
        stack.push_async_callback(agent.crash)
        await link.found()


async def test_another_bundle_is_never_used_and_reported_once(agent):
    async with linked(agent, bundle_hash="another bundle") as link:
        await until(lambda: link.states())
        await asyncio.sleep(2.5 * cloud_client.RETRY_S)
        (gone,) = link.events
        assert gone.reason == "the cloud runs another bundle; install the same one on both"
        assert agent.probes == []


async def test_the_right_bundle_is_used_once_it_is_installed(agent):
    agent.bundle_hash = "another bundle"
    async with linked(agent) as link:
        await until(lambda: link.states() == ["CloudGone"])
        agent.bundle_hash = "the bundle"
        await link.found()
        assert link.states() == ["CloudGone", "CloudFound"]


async def test_a_session_without_credits_is_not_used(agent, monkeypatch):
    monkeypatch.setattr(cloud_client, "PROBE_TIMEOUT_S", 0.1)
    agent.credits = 0
    async with linked(agent) as link:
        await until(lambda: link.states() == ["CloudGone"])
        (gone,) = link.of(ev.CloudGone)
        expected = "the cloud agent gave no credits within 0.1 s"
        assert gone.reason == f"{agent.address} ended the session: {expected}"
        agent.credits = 3
        await link.found()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("RESOURCE_EXHAUSTED", "{} ended the session: the sentence"),
        ("INVALID_ARGUMENT", "{} ended the session: the sentence"),
        ("PERMISSION_DENIED", "{} refuses this node's certificate: the sentence"),
    ],
)
async def test_a_refused_session_is_reported_once_with_its_reason(agent, status, reason):
    agent.refusal = (grpc.StatusCode[status], "the sentence")
    async with linked(agent) as link:
        await until(lambda: link.states())
        await asyncio.sleep(2.5 * cloud_client.RETRY_S)
        assert [gone.reason for gone in link.of(ev.CloudGone)] == [reason.format(agent.address)]
        agent.refusal = None
        await link.found()


# --- one task ---------------------------------------------------------------------------------


async def test_the_clouds_messages_become_events_in_order(agent):
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        end = await link.end("a")
        assert link.story("a") == ["CloudAccepted", "CloudProgressed", "CloudReplied"]
        (accepted,) = link.of(ev.CloudAccepted)
        assert (accepted.exit, accepted.predicted_ns) == ("final", 5)
        assert (accepted.queue_ns, accepted.held_ns) == (2, 1)
        assert (end.exit, end.prediction.top, end.compute_ns) == ("final", ((3, 1.0),), 7)
        assert (end.slowdown, end.reply_bytes) == (1.5, about("a", RESULT).messages[0].ByteSize())


async def test_the_open_message_has_the_constraints(agent):
    async with linked(agent) as link:
        await link.found()
        link.send("a", b"a payload", budget_s=2.0, wanted=5)
        await link.end("a")
        opened = agent.uploads["a"].opened
        assert (opened.task_id, opened.codec, opened.accuracy) == ("a", "jpeg", 0.75)
        assert (opened.down_ns, opened.exit_rule) == (3, common_pb2.EXIT_RULE_PURSUE)
        assert (opened.payload_bytes, opened.wanted) == (len(b"a payload"), 5)
        assert 1.9 * S < opened.budget_ns <= 2 * S
        assert opened.HasField("reply_in_ns")


@pytest.mark.parametrize(
    ("messages", "end", "reason"),
    [
        ((REFUSED,), ev.CloudRefused, "too busy"),
        ((STOPPED,), ev.CloudStopped, "infeasible"),
        ((ACCEPTED, STOPPED), ev.CloudStopped, "infeasible"),
        ((REJECTED,), ev.CloudLost, "open.codec: 'webp' is not a codec"),
        ((ACCEPTED, REJECTED), ev.CloudLost, "open.codec: 'webp' is not a codec"),
        ((EMPTY,), ev.CloudLost, "the cloud sent a message without content"),
        ((RESULT,), ev.CloudLost, "the cloud sent `result` before `accepted`"),
    ],
)
async def test_every_end_of_a_task(agent, messages, end, reason):
    async def work(upload):
        await upload.read_all()
        await upload.send(*messages)

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        got = await link.end("a")
        assert (type(got), got.reason) == (end, reason)


async def test_a_refusal_has_its_code(agent):
    async def work(upload):
        await upload.send(REFUSED)

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        assert (await link.end("a")).code is RefusalCode.NO_CREDIT


async def test_a_task_without_a_session_is_lost(agent):
    async with linked(agent) as link:
        link.send("a")
        assert link.story("a") == []  # not while the machine's actions are being performed
        assert (await link.end("a")).reason == "no cloud agent was found yet"


async def test_many_tasks_at_once_end_once_each(agent):
    async with linked(agent) as link:
        await link.found()
        for number in range(40):
            link.send(f"t{number}", bytes(40_000))
        for number in range(40):
            assert isinstance(await link.end(f"t{number}"), ev.CloudReplied)
        assert len(agent.sessions) == 1


async def test_the_clouds_part_of_the_story_is_logged(agent):
    stories = []

    async def with_story(upload):
        await upload.read_all()
        story = [Reply.Moment(name="StageDone", at_ns=7, took_ns=3, detail="stage 0")]
        await upload.send(ACCEPTED, {**RESULT, "story": story})

    agent.work = with_story
    async with linked(agent, log_story=stories.append) as link:
        await link.found()
        link.send("a")
        await link.end("a")
    assert stories == [CloudStory("a", (Moment("StageDone", 7, 3, "stage 0"),))]


# --- credits and load -------------------------------------------------------------------------


async def test_changed_credits_are_fed(agent):
    async with linked(agent) as link:
        await link.found()
        for credits in (20, 1):
            await agent.sessions[0].send(Reply(credits=credits))
        await until(lambda: [e.credits for e in link.of(ev.CreditsGranted)] == [8, 20, 1])


async def test_the_load_is_fed(agent):
    async with linked(agent) as link:
        await link.found()
        await agent.sessions[0].send(Reply(load=Reply.Load(queue_ns=9, slowdown=1.5)))
        await until(lambda: link.of(ev.CloudLoadSampled))
        (load,) = link.of(ev.CloudLoadSampled)
        assert (load.queue_ns, load.slowdown) == (9, 1.5)
        await agent.sessions[0].send(Reply(load=Reply.Load(slowdown=float("inf"))))
        await until(lambda: len(link.of(ev.CloudLoadSampled)) == 2)
        assert link.of(ev.CloudLoadSampled)[1].slowdown == 1.0
        assert link.states() == ["CloudFound"]


# --- give up ----------------------------------------------------------------------------------


async def test_a_give_up_of_an_accepted_task_waits_for_the_clouds_confirmation(agent):
    async def work(upload):
        await upload.send(ACCEPTED)
        await until(lambda: agent.given_up)
        await upload.send(STOPPED)

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: link.of(ev.CloudAccepted))
        link.client.give_up("a")
        assert (await link.end("a")).reason == "infeasible"
        assert agent.given_up == ["robot/a"]


async def test_a_reply_that_crosses_the_give_up_is_used(agent):
    async def work(upload):
        await upload.send(ACCEPTED)
        await until(lambda: agent.given_up)
        await upload.send(RESULT)

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: link.of(ev.CloudAccepted))
        link.client.give_up("a")
        assert isinstance(await link.end("a"), ev.CloudReplied)


async def test_a_give_up_that_is_not_confirmed_ends_the_task_but_not_the_session(
    agent, monkeypatch
):
    monkeypatch.setattr("mc_proto.session.session.GRACE_S", 0.1)
    agent.work = is_silent
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: "a" in agent.uploads)
        link.client.give_up("a")
        end = await link.end("a")
        assert type(end) is ev.CloudStopped
        assert end.reason == "the cloud did not confirm the give-up"
        await agent.uploads["a"].send(STOPPED)  # too late
        agent.work = FakeCloudAgent(CLOUD).work
        link.send("b")
        assert isinstance(await link.end("b"), ev.CloudReplied)
        assert link.story("a") == ["CloudStopped"]
        assert len(agent.sessions) == 1


async def test_a_give_up_of_an_ended_task_sends_nothing(agent):
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await link.end("a")
        link.client.give_up("a")
        link.client.give_up("never")
        seen = len(agent.probes)
        await until(lambda: len(agent.probes) > seen + 2)
        assert agent.given_up == []


async def test_give_ups_and_probes_never_share_a_connection_with_images(agent):
    agent.work = is_silent
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: "a" in agent.uploads)
        link.client.give_up("a")
        await until(lambda: agent.given_up)
        assert len(agent.control_peers) == len(agent.data_peers) == 1
        assert agent.control_peers.isdisjoint(agent.data_peers)


# --- losing the cloud -------------------------------------------------------------------------


async def test_tasks_of_a_crashed_cloud_are_lost_and_it_is_used_again_when_it_is_back(agent):
    agent.work = is_silent
    async with linked(agent) as link:
        await link.found()
        for task_id in "abc":
            link.send(task_id)
        await until(lambda: len(agent.uploads) == 3)
        await agent.crash()
        assert [type(await link.end(task_id)) for task_id in "abc"] == [ev.CloudLost] * 3
        await until(lambda: link.states() == ["CloudFound", "CloudGone"])
        names = [type(event).__name__ for event in link.events]
        assert names.index("CloudGone") < names.index("CloudLost")  # no task may be sent between
        link.send("d")
        assert isinstance(await link.end("d"), ev.CloudLost)
        agent.work = FakeCloudAgent(CLOUD).work
        await agent.start()
        await link.found(times=2)
        link.send("e")
        assert isinstance(await link.end("e"), ev.CloudReplied)


async def test_a_session_that_the_cloud_ends_is_replaced(agent):
    ending = asyncio.Event()

    async def work(upload):
        await upload.read_all()
        await ending.wait()
        await upload.session.end(grpc.StatusCode.RESOURCE_EXHAUSTED, "it sends without credit")

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: "a" in agent.uploads)
        ending.set()
        assert (await link.end("a")).reason == "it sends without credit"
        reason = f"{agent.address} ended the session: it sends without credit"
        assert link.of(ev.CloudGone)[0].reason == reason
        await link.found(times=2)
        assert link.states() == ["CloudFound", "CloudGone", "CloudFound"]
        assert len(link.of(ev.CreditsGranted)) == 2


async def test_a_session_that_takes_no_bytes_is_replaced(agent, monkeypatch):
    monkeypatch.setattr(cloud_client, "STALLED_NS", 0.2 * S)
    agent.chunk_s = 3600
    async with linked(agent) as link:
        await link.found()
        link.send("small")  # the agent reads this, and then nothing more
        link.send("large", bytes(64 * 2**20))
        assert isinstance(await link.end("large"), ev.CloudLost)
        (gone,) = link.of(ev.CloudGone)
        assert gone.reason == f"{agent.address} takes no bytes, although it answers probes"
        agent.chunk_s = 0
        await link.found(times=2)


async def test_one_missed_probe_does_not_lose_the_cloud(agent, monkeypatch):
    monkeypatch.setattr(cloud_client, "PROBE_TIMEOUT_S", 0.3)
    async with linked(agent) as link:
        await link.found()
        agent.deaf_probes = 1
        await until(lambda: agent.deaf_probes == 0)
        seen = len(link.of(ev.LinkSampled))
        await until(lambda: len(link.of(ev.LinkSampled)) > seen + 2)
        assert link.states() == ["CloudFound"]
        (lost,) = link.of(ev.ProbeLost)
        assert lost.reason == f"{agent.address} does not answer (deadline_exceeded)"


async def test_missed_probes_in_a_row_lose_the_cloud_and_its_session(agent, monkeypatch):
    monkeypatch.setattr(cloud_client, "PROBE_TIMEOUT_S", 0.3)
    agent.work = is_silent
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: "a" in agent.uploads)
        agent.deaf_probes = cloud_client.MISSED_PROBES
        end = await link.end("a")
        reason = f"{agent.address} does not answer (deadline_exceeded)"
        assert (type(end), end.reason) == (ev.CloudLost, reason)
        assert [gone.reason for gone in link.of(ev.CloudGone)] == [reason]
        assert len(link.of(ev.ProbeLost)) == cloud_client.MISSED_PROBES - 1
        await until(lambda: agent.sessions[0].over)
        await link.found(times=2)  # it answers again, over new connections
        assert len(agent.data_peers) == len(agent.control_peers) == 2


@pytest.mark.parametrize("in_session", [True, False])
async def test_a_draining_cloud_is_left_and_its_running_tasks_end(agent, in_session):
    going_on = asyncio.Event()

    async def work(upload):
        await upload.send(ACCEPTED)
        await going_on.wait()
        await upload.send(RESULT)

    agent.work = work
    async with linked(agent) as link:
        await link.found()
        link.send("a")
        await until(lambda: link.of(ev.CloudAccepted))
        agent.draining = True
        if in_session:
            await agent.sessions[0].send(Reply(load=Reply.Load(slowdown=1, draining=True)))
        await until(lambda: link.of(ev.CloudGone))
        await asyncio.sleep(2 * cloud_client.RETRY_S)
        assert [gone.reason for gone in link.of(ev.CloudGone)] == [cloud_client.DRAINING]
        going_on.set()
        assert isinstance(await link.end("a"), ev.CloudReplied)


async def test_a_cloud_that_drains_is_not_found(agent):
    agent.draining = True
    async with linked(agent) as link:
        await until(lambda: link.states())
        await asyncio.sleep(2.5 * cloud_client.RETRY_S)
        assert link.states() == ["CloudGone"]


# --- disconnecting ----------------------------------------------------------------------------


async def test_close_ends_every_task_and_leaves_nothing_running(agent):
    agent.work = is_silent
    before = asyncio.all_tasks()
    async with linked(agent) as link:
        await link.found()
        for task_id in "abc":
            link.send(task_id, bytes(100_000))
        await until(lambda: len(agent.uploads) == 3)
        link.client.give_up("b")
        link.send("d")
    assert [link.story(task_id) for task_id in "abcd"] == [["CloudLost"]] * 4
    await until(lambda: asyncio.all_tasks() <= before)


# --- padded probes ----------------------------------------------------------------------------


async def test_a_probe_carries_the_requested_padding(agent):
    async with linked(agent, paddings=[Padding(up_bytes=5_000)]) as link:
        await until(lambda: len(agent.probes) > 3)
    padded = [len(probe.padding) for probe in agent.probes]
    assert padded[:3] == [5_000, 0, 0]
    sampled = link.of(ev.LinkSampled)
    assert [event.up_bytes for event in sampled[:3]] == padded[:3]


async def test_the_round_trip_of_a_padded_probe_is_not_sent_to_the_cloud(agent):
    async with linked(agent, paddings=[Padding(up_bytes=5_000)] * 4):
        await until(lambda: len(agent.probes) > 3)
    assert len(agent.probes[0].padding) == 5_000
    assert agent.probes[1].last_rtt_ns == 0
