"""Payloads that the cloud client is given, under each privacy setting."""

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mc_models.data.preprocess import decode_image
from mc_proto.channel import bind, connect, make_server
from mc_proto.v1 import edge_pb2, edge_pb2_grpc
from PIL import Image, UnidentifiedImageError

from edge_agent.admission import Admission
from edge_agent.encoder import PayloadEncoder
from edge_agent.intake import Intake
from edge_agent.servicer import EdgeServicer
from edge_agent.submission import Submissions
from edge_agent.traces import TaskTraces
from mc_sched.core import events as ev
from mc_sched.core.client_credits import ClientCredits
from mc_sched.core.tables import CloudTable, Codec, Exit, LocalTable
from mc_sched.core.task import OutcomeKind, Privacy
from mc_sched.service.loop_lag import LoopLag
from tests.edge_agent.edge_rig import (
    CLOUD,
    LABELS,
    LOCAL,
    MS,
    PATIENCE_S,
    Rig,
    S,
    admitted,
    task,
    until,
)
from tests.edge_agent.made_images import image_bytes

MESSAGE_BYTES = 64
ENCODING_LOCAL = LocalTable("local", 0.80, LOCAL.layer_ops, LOCAL.layer_ns, {"features": MS})
TWO_CODECS = CloudTable(
    "cloud",
    (MS, MS),
    (Exit("exit1", 0, MS, {"jpeg": 0.7}), Exit("final", 1, MS, {"jpeg": 0.9, "features": 0.88})),
    codecs=(*CLOUD.codecs, Codec("features", 1, MS, MESSAGE_BYTES)),
)
JPEG_START = b"\xff\xd8\xff"
JPEG = image_bytes()
PNG = image_bytes("PNG", noise=True)
POLICIES = ("mc", "mc-paper", "server")
DEMANDING = {"accuracy": 0.85}
"""Only the cloud is good enough."""


def features_of(pixels):
    """Stand in for the encoder: return the mean of the pixels."""
    return bytes([int(pixels.mean()) % 128]) * MESSAGE_BYTES


class PrivateRig(Rig):
    """A driver with an encoder, and a cloud that takes features."""

    def __init__(self):
        super().__init__(local=ENCODING_LOCAL)
        self.may_encode = threading.Event()
        self.may_encode.set()
        self.encoder = PayloadEncoder({"features": self.encode}, self.driver.encoded)
        self.driver.attach(
            self.net, self.cloud, lambda up, _: self.cloud_states.append(up), self.encoder
        )
        self.tell(ev.CloudFound, TWO_CODECS)
        self.tell(ev.LinkSampled, 2 * MS)

    def encode(self, pixels):
        assert self.may_encode.wait(PATIENCE_S)
        return features_of(pixels)

    def payload(self, task_id):
        return self.cloud.sent[task_id][1]


@pytest.fixture
async def rig():
    made = PrivateRig()
    yield made
    made.encoder.close()


def submit(rig, task_id, image=None, **fields):
    sizes = {"jpeg": 300, "features": MESSAGE_BYTES}
    fields = {"payload_bytes": sizes, **DEMANDING, **fields}
    return rig.run(task(task_id, **fields), image or admitted())


# --- the driver -------------------------------------------------------------------------------


async def test_features_are_encoded_and_sent(rig):
    waiting = submit(rig, "a", privacy=Privacy.FEATURES)
    await until(lambda: "a" in rig.cloud.sent)
    assert rig.payload("a") == features_of(np.zeros((32, 32, 3), np.uint8))
    rig.replied("a")
    outcome = await rig.outcome(waiting)
    assert (outcome.kind, outcome.codec) == (OutcomeKind.SUCCEEDED, "features")
    assert outcome.energy.encode_j > 0
    assert (rig.driver._payloads, rig.held()) == ({}, {})


async def test_nothing_is_encoded_for_a_task_that_runs_locally(rig):
    waiting = submit(rig, "a", privacy=Privacy.FEATURES, policy="edge-only", accuracy=0.5)
    await until(lambda: rig.net.started == ["a"])
    rig.net.done("a")
    await rig.outcome(waiting)
    assert not rig.logged("Encode")


async def test_a_payload_that_comes_too_late_is_not_kept(rig):
    rig.may_encode.clear()
    waiting = submit(rig, "a", privacy=Privacy.FEATURES)
    await until(lambda: rig.logged("Encode"))
    rig.tell(ev.ClientGone, "a")
    await rig.outcome(waiting)
    rig.may_encode.set()
    await until(lambda: rig.logged("Encoded"))
    assert (rig.cloud.sent, rig.driver._payloads, rig.held()) == ({}, {}, {})


async def test_an_encoder_that_fails_ends_the_task(rig):
    image = admitted()
    broken = type(image)(None, image.jpeg)
    outcome = await rig.outcome(submit(rig, "a", broken, privacy=Privacy.FEATURES))
    assert outcome.kind is OutcomeKind.FAILED
    assert outcome.reason.startswith("features encoder: ")
    assert (rig.cloud.sent, rig.held()) == ({}, {})


async def test_a_second_try_sends_features_again(rig):
    first = submit(rig, "a", privacy=Privacy.FEATURES, accuracy=0.80)
    await until(lambda: "a" in rig.cloud.sent)
    rig.replied("a")
    await rig.outcome(first)
    second = asyncio.ensure_future(rig.driver.again("a"))
    await until(lambda: "a+1" in rig.cloud.sent)
    assert JPEG_START not in rig.payload("a+1")
    rig.replied("a+1")
    await rig.outcome(second)


# --- from the wire to the cloud client --------------------------------------------------------


class PrivateAgent(PrivateRig):
    """The service around it; the local net and the cloud answer every task."""

    async def start(self, pool):
        self.server = make_server()
        about = edge_pb2.StatusReply(labels=LABELS)
        submissions = Submissions(
            self.driver, Admission(32, pool), TaskTraces(self.log), {"features": MESSAGE_BYTES}
        )
        lag = LoopLag(asyncio.get_running_loop())
        intake = Intake(submissions, ClientCredits(), lag, self.log)
        servicer = EdgeServicer(self.driver, self.log, intake, about)
        edge_pb2_grpc.add_EdgeAgentServicer_to_server(servicer, self.server)
        self.channel = connect(f"127.0.0.1:{bind(self.server, '127.0.0.1:0')}")
        await self.server.start()
        self.stub = edge_pb2_grpc.EdgeAgentStub(self.channel)
        self.net.start = lambda task_id, prepare, exit_: self.soon(self.net.done, task_id)
        send = self.cloud.send

        def send_and_answer(action, payload, trace_id=""):
            send(action, payload, trace_id)
            self.soon(self.replied, action.task_id)

        self.cloud.send = send_and_answer

    def soon(self, action, task_id):
        asyncio.get_running_loop().call_soon(action, task_id)

    async def stop(self):
        await self.channel.close(None)
        await self.server.stop(None)
        self.encoder.close()

    async def ask(self, task_id, **fields):
        message = edge_pb2.Task(task_id=task_id, deadline_ns=60 * S, **{"image": JPEG, **fields})
        return await self.stub.Submit(message, timeout=PATIENCE_S)


@pytest.fixture
async def agent():
    made = PrivateAgent()
    with ThreadPoolExecutor(1) as pool:
        await made.start(pool)
        yield made
        await made.stop()


async def ask_all(agent, privacy):
    """Every policy, easy and demanding tasks, files that could go as they are and others."""
    outcomes = []
    for policy in POLICIES:
        for accuracy in (0.5, 0.75, 0.85):
            for kind, image in (("jpg", JPEG), ("png", PNG)):
                task_id = f"{policy}-{accuracy}-{kind}"
                outcomes.append(
                    await agent.ask(
                        task_id, policy=policy, accuracy=accuracy, image=image, privacy=privacy
                    )
                )
    return outcomes


def is_image(payload):
    try:
        Image.open(io.BytesIO(payload))
    except UnidentifiedImageError:
        return False
    return True


async def test_any_lets_the_image_leave(agent):
    """Otherwise the tests below would pass with an agent that never sends an image."""
    await ask_all(agent, "any")
    jpegs = [payload for action, payload in agent.cloud.sent.values() if action.codec == "jpeg"]
    assert jpegs
    assert all(payload.startswith(JPEG_START) and is_image(payload) for payload in jpegs)


async def test_edge_only_lets_nothing_leave(agent):
    outcomes = await ask_all(agent, "edge-only")
    assert agent.cloud.sent == {}
    assert not agent.logged("Encode")
    assert {o.kind for o in outcomes} == {"succeeded", "refused"}
    assert {o.bytes_up for o in outcomes} == {0}


async def test_features_lets_no_image_leave(agent):
    outcomes = await ask_all(agent, "features")
    assert agent.cloud.sent
    for action, payload in agent.cloud.sent.values():
        assert action.codec == "features"
        assert len(payload) == MESSAGE_BYTES
        assert JPEG_START not in payload
        assert not is_image(payload)
    assert {o.codec for o in outcomes if o.site == "cloud"} == {"features"}


@pytest.mark.parametrize("privacy", ["edge-only", "features"])
async def test_no_jpeg_is_encoded_that_could_leave(agent, privacy, monkeypatch):
    def encode_jpeg(*_):
        raise AssertionError("a jpeg was made")

    monkeypatch.setattr("edge_agent.admission.encode_jpeg", encode_jpeg)
    assert (await agent.ask("a", image=PNG, privacy=privacy, accuracy=0.5)).kind == "succeeded"


async def test_a_private_image_is_decoded_like_any_other():
    private = Admission(32, None).at_once(JPEG, as_jpeg=False)
    assert private.jpeg is None
    assert (private.pixels == decode_image(JPEG, 32)).all()


async def test_encoding_a_jpeg_is_charged_and_sending_the_original_is_not():
    with ThreadPoolExecutor(1) as pool:
        door, waiting = Admission(32, pool), asyncio.get_running_loop().create_future()
        door.decode(PNG, as_jpeg=True, due_ns=2**63, then=waiting.set_result)
        assert (await waiting).encoding_ns > 0
        assert door.at_once(JPEG).encoding_ns == 0


async def test_an_agent_without_encoder_refuses_features(agent):
    agent.driver.attach(agent.net, agent.cloud)
    agent.tell(ev.CloudFound, CLOUD)
    outcome = await agent.ask("a", privacy="features", **DEMANDING)
    assert outcome.kind == "refused"
    assert "cloud" in outcome.reason
