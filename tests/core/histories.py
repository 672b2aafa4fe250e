"""The shortest history that brings a task, always "a", into each state."""

from collections.abc import Callable

from mc_sched.core import events as ev
from mc_sched.core.task import ExitRule, Privacy
from mc_sched.core.transitions import CloudLeg, CloudState, LocalLeg
from tests.core.round_figures import (
    BATCHED,
    BOTH_PAYLOADS,
    ENCODING_LOCAL,
    EVERY_POLICY_LOCAL,
    PARTITIONED,
    TWO_CODECS,
    ns,
)
from tests.core.scripted_cloud import ScriptedCloud
from tests.core.scripted_edge import ScriptedEdge

LOCALLY = {"policy": "edge-only"}


# --- on the edge ------------------------------------------------------------------------------


def encoding() -> ScriptedEdge:
    edge = ScriptedEdge(ENCODING_LOCAL, TWO_CODECS)
    edge.submit(0, "a", 84, privacy=Privacy.FEATURES, payload_bytes=BOTH_PAYLOADS)
    return edge


def dropped() -> ScriptedEdge:
    edge = encoding()
    edge.fallback_fires(60, "a")
    return edge


def uploading() -> ScriptedEdge:
    edge = ScriptedEdge()
    edge.submit(0, "a", 84)
    return edge


def running_in_the_cloud() -> ScriptedEdge:
    edge = uploading()
    edge.accepted(20, "a")
    return edge


def given_up() -> ScriptedEdge:
    edge = running_in_the_cloud()
    edge.fallback_fires(60, "a")
    return edge


def lost_and_running_locally() -> ScriptedEdge:
    edge = uploading()
    edge.tell(5, ev.CloudLost, "a", "cut")
    return edge


def waiting_for_the_uplink() -> ScriptedEdge:
    edge = ScriptedEdge(max_uploads=1)
    edge.submit(0, "x", 84)
    edge.submit(0, "a", 84)
    return edge


def running_locally() -> ScriptedEdge:
    edge = ScriptedEdge()
    edge.submit(0, "a", 84, **LOCALLY)
    return edge


def local_first() -> ScriptedEdge:
    edge = ScriptedEdge(EVERY_POLICY_LOCAL, PARTITIONED)
    edge.submit(0, "a", 84, policy="ddnn", accuracy=0.85)
    return edge


def waiting_for_the_local_net() -> ScriptedEdge:
    edge = ScriptedEdge()
    edge.submit(0, "x", 84, **LOCALLY)
    edge.submit(0, "a", 84, **LOCALLY)
    return edge


def aborting() -> ScriptedEdge:
    edge = running_locally()
    edge.tell(3, ev.ClientGone, "a")
    return edge


def answered_locally_while_given_up() -> ScriptedEdge:
    edge = given_up()
    edge.local_done(80, "a")
    return edge


LOCAL_LEGS: dict[LocalLeg, Callable[[], ScriptedEdge]] = {
    LocalLeg.IDLE: uploading,
    LocalLeg.QUEUED: waiting_for_the_local_net,
    LocalLeg.RUNNING: running_locally,
    LocalLeg.ABORTING: aborting,
    LocalLeg.CLOSED: answered_locally_while_given_up,
}
CLOUD_LEGS: dict[CloudLeg, Callable[[], ScriptedEdge]] = {
    CloudLeg.IDLE: running_locally,
    CloudLeg.QUEUED: waiting_for_the_uplink,
    CloudLeg.ENCODING: encoding,
    CloudLeg.DROPPED: dropped,
    CloudLeg.UPLOADING: uploading,
    CloudLeg.RUNNING: running_in_the_cloud,
    CloudLeg.GIVEN_UP: given_up,
    CloudLeg.CLOSED: lost_and_running_locally,
}


# --- on the cloud -----------------------------------------------------------------------------


def receive(cloud: ScriptedCloud, task_id: str, accuracy=0.6) -> None:
    """A payload arrives."""
    cloud.tell(0, ev.Received, task_id, "edge", accuracy, ns(300), ns(5))


def queued() -> ScriptedCloud:
    cloud = ScriptedCloud()
    receive(cloud, "x")
    receive(cloud, "a")
    return cloud


def decoding(accuracy=0.6) -> ScriptedCloud:
    cloud = ScriptedCloud()
    receive(cloud, "a", accuracy)
    return cloud


def given_up_in_the_decoder() -> ScriptedCloud:
    cloud = decoding()
    cloud.tell(1, ev.GiveUpReceived, "a")
    return cloud


def in_stage() -> ScriptedCloud:
    cloud = ScriptedCloud()
    cloud.arrive(0, "a", 200, accuracy=0.6, rule=ExitRule.EARLIEST)
    return cloud


def waiting() -> ScriptedCloud:
    cloud = ScriptedCloud()
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=ExitRule.EARLIEST)
    cloud.arrive(0, "a", 300, accuracy=0.6, rule=ExitRule.EARLIEST)
    return cloud


def in_batch() -> ScriptedCloud:
    """Tasks "a" and "b" run their first stage together, since task "x" has answered at 5 ms."""
    cloud = ScriptedCloud(BATCHED)
    cloud.arrive(0, "x", 200, accuracy=0.6, rule=ExitRule.EARLIEST)
    cloud.arrive(0, "a", 300, rule=ExitRule.EARLIEST)
    cloud.arrive(0, "b", 300, rule=ExitRule.EARLIEST)
    cloud.step()
    cloud.step()
    return cloud


def in_head() -> ScriptedCloud:
    cloud = in_stage()
    cloud.step()
    return cloud


def stopping() -> ScriptedCloud:
    cloud = in_stage()
    cloud.tell(1, ev.GiveUpReceived, "a")
    return cloud


def stopping_in_head() -> ScriptedCloud:
    cloud = in_head()
    cloud.tell(4.5, ev.GiveUpReceived, "a")
    return cloud


CLOUD_STATES: dict[CloudState, Callable[[], ScriptedCloud]] = {
    CloudState.QUEUED: queued,
    CloudState.DECODING: decoding,
    CloudState.DROPPED: given_up_in_the_decoder,
    CloudState.WAITING: waiting,
    CloudState.IN_STAGE: in_stage,
    CloudState.IN_HEAD: in_head,
    CloudState.STOPPING: stopping,
}
"""DONE is no place to be: the task is forgotten in the same breath."""
