"""Tables of the legal states and moves of a task, and of the edge's probing.

A task on the edge is a pair of legs, as a connection in an HTTP library is a pair of roles: the
local leg (its run on the edge) and the cloud leg (its offload). Both can be open at once, for
example while a local run replaces an offload that was given up. The task gets one outcome, and is
forgotten when both legs are closed. In the cloud a task has one state.

A key is the name of an event that moves the task, or a lower-case verb if the machine moves it.
The diagrams in docs/states.md are drawn from these tables by `scripts/state-diagrams`.
"""

from __future__ import annotations

from enum import Enum


class LocalLeg(str, Enum):
    """A task's run on the edge."""

    IDLE = "idle"
    QUEUED = "queued"
    RUNNING = "running"
    ABORTING = "aborting"
    CLOSED = "closed"


class CloudLeg(str, Enum):
    """A task's offload."""

    IDLE = "idle"
    QUEUED = "queued"
    ENCODING = "encoding"
    DROPPED = "dropped"
    UPLOADING = "uploading"
    RUNNING = "running"
    GIVEN_UP = "given_up"
    CLOSED = "closed"


class CloudState(str, Enum):
    """A task in the cloud."""

    QUEUED = "queued"
    DECODING = "decoding"
    DROPPED = "dropped"
    WAITING = "waiting"
    IN_STAGE = "in_stage"
    IN_HEAD = "in_head"
    STOPPING = "stopping"
    DONE = "done"


class ProbeState(str, Enum):
    """The edge's probing of its link to the cloud."""

    IDLE = "idle"
    SENT = "sent"
    SCHEDULED = "scheduled"


QUIET_LOCAL = (LocalLeg.IDLE, LocalLeg.CLOSED)
QUIET_CLOUD = (CloudLeg.IDLE, CloudLeg.CLOSED)
"""Legs in which nothing is queued or in progress."""
WAITING = (CloudLeg.QUEUED, CloudLeg.ENCODING)
"""Cloud legs whose payload has not left yet."""
IN_FLIGHT = (CloudLeg.UPLOADING, CloudLeg.RUNNING)
"""Cloud legs of an offload that was sent and is still wanted."""

OPEN_IN_CLOUD = (*IN_FLIGHT, CloudLeg.GIVEN_UP)
"""Cloud legs whose last message from the cloud has not come; each holds a credit."""

LOCAL_LEG: dict[LocalLeg, dict[str, LocalLeg]] = {
    LocalLeg.IDLE: {"queue": LocalLeg.QUEUED},
    LocalLeg.QUEUED: {"start": LocalLeg.RUNNING, "withdraw": LocalLeg.CLOSED},
    LocalLeg.RUNNING: {
        "LocalStarted": LocalLeg.RUNNING,
        "LocalLayerDone": LocalLeg.RUNNING,
        "LocalDone": LocalLeg.CLOSED,
        # the local net is not sure enough: the cloud net may run on the device after it
        "unsure": LocalLeg.IDLE,
        "LocalFailed": LocalLeg.CLOSED,
        "abort": LocalLeg.ABORTING,
    },
    LocalLeg.ABORTING: {
        "LocalStarted": LocalLeg.ABORTING,
        "LocalLayerDone": LocalLeg.ABORTING,
        "LocalAborted": LocalLeg.CLOSED,
        "LocalDone": LocalLeg.CLOSED,
        "LocalFailed": LocalLeg.CLOSED,
    },
    LocalLeg.CLOSED: {},
}

CLOUD_LEG: dict[CloudLeg, dict[str, CloudLeg]] = {
    CloudLeg.IDLE: {"queue": CloudLeg.QUEUED},
    CloudLeg.QUEUED: {
        "encode": CloudLeg.ENCODING,
        "send": CloudLeg.UPLOADING,
        "withdraw": CloudLeg.CLOSED,
    },
    CloudLeg.ENCODING: {
        "Encoded": CloudLeg.QUEUED,
        "EncodeFailed": CloudLeg.CLOSED,
        "withdraw": CloudLeg.DROPPED,
    },
    # the encoder cannot be interrupted; its payload is discarded
    CloudLeg.DROPPED: {"Encoded": CloudLeg.CLOSED, "EncodeFailed": CloudLeg.CLOSED},
    CloudLeg.UPLOADING: {
        "CloudAccepted": CloudLeg.RUNNING,
        "CloudRefused": CloudLeg.CLOSED,
        "CloudStopped": CloudLeg.CLOSED,
        "CloudLost": CloudLeg.CLOSED,
        "give_up": CloudLeg.GIVEN_UP,
    },
    CloudLeg.RUNNING: {
        "CloudProgressed": CloudLeg.RUNNING,
        "CloudReplied": CloudLeg.CLOSED,
        "CloudStopped": CloudLeg.CLOSED,
        "CloudLost": CloudLeg.CLOSED,
        "give_up": CloudLeg.GIVEN_UP,
    },
    # messages that the cloud sent before it heard of the give-up are legal
    CloudLeg.GIVEN_UP: {
        "CloudAccepted": CloudLeg.GIVEN_UP,
        "CloudProgressed": CloudLeg.GIVEN_UP,
        "CloudReplied": CloudLeg.CLOSED,
        "CloudRefused": CloudLeg.CLOSED,
        "CloudStopped": CloudLeg.CLOSED,
        "CloudLost": CloudLeg.CLOSED,
    },
    CloudLeg.CLOSED: {},
}

PROBING: dict[ProbeState, dict[str, ProbeState]] = {
    # an answer or a loss may cross CloudGone
    ProbeState.IDLE: {
        "CloudReached": ProbeState.SENT,
        "LinkSampled": ProbeState.IDLE,
        "ProbeLost": ProbeState.IDLE,
        "CloudGone": ProbeState.IDLE,
    },
    ProbeState.SENT: {
        "LinkSampled": ProbeState.SCHEDULED,
        "ProbeLost": ProbeState.SCHEDULED,
        "CloudReached": ProbeState.SENT,
        "CloudGone": ProbeState.IDLE,
    },
    ProbeState.SCHEDULED: {
        "TimerFired": ProbeState.SENT,
        "LinkSampled": ProbeState.SCHEDULED,
        "ProbeLost": ProbeState.SCHEDULED,
        "CloudReached": ProbeState.SENT,
        "CloudGone": ProbeState.IDLE,
    },
}

CLOUD_STATE: dict[CloudState, dict[str, CloudState]] = {
    CloudState.QUEUED: {
        "refuse": CloudState.DONE,
        "decode": CloudState.DECODING,
        "stop": CloudState.DONE,
    },
    CloudState.DECODING: {
        "accept": CloudState.WAITING,
        "refuse": CloudState.DONE,
        "DecodeFailed": CloudState.DONE,
        "GiveUpReceived": CloudState.DROPPED,
        "ClientGone": CloudState.DROPPED,
    },
    # the decoder cannot be interrupted; what it makes is not used
    CloudState.DROPPED: {
        "Decoded": CloudState.DONE,
        "DecodeFailed": CloudState.DONE,
        "GiveUpReceived": CloudState.DROPPED,
        "ClientGone": CloudState.DROPPED,
    },
    CloudState.WAITING: {
        "run_stage": CloudState.IN_STAGE,
        "run_head": CloudState.IN_HEAD,
        "stop": CloudState.DONE,
    },
    CloudState.IN_STAGE: {
        "StageDone": CloudState.WAITING,
        "ExecutorFailed": CloudState.DONE,
        "GiveUpReceived": CloudState.STOPPING,
        "ClientGone": CloudState.STOPPING,
    },
    CloudState.IN_HEAD: {
        "HeadDone": CloudState.DONE,
        "ExecutorFailed": CloudState.DONE,
        "GiveUpReceived": CloudState.STOPPING,
        "ClientGone": CloudState.STOPPING,
    },
    # the running piece cannot be interrupted; nothing new starts
    CloudState.STOPPING: {
        "StageDone": CloudState.DONE,
        "HeadDone": CloudState.DONE,
        "ExecutorFailed": CloudState.DONE,
        "GiveUpReceived": CloudState.STOPPING,
        "ClientGone": CloudState.STOPPING,
    },
    CloudState.DONE: {},
}
