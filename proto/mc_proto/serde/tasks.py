"""Tasks and their images, as clients submit them."""

from __future__ import annotations

from collections.abc import Collection

from mc_proto.serde.fields import BadField, check_accuracy, check_choice, check_id
from mc_proto.v1 import edge_pb2
from mc_sched.core.task import MAX_DEADLINE_NS, Mode, Privacy, Task

MAX_IMAGE_BYTES = 8 * 2**20
"""Largest encoded image that an edge agent accepts."""


def task_from_wire(
    message: edge_pb2.Task,
    task_id: str,
    submitted_ns: int,
    payload_bytes: dict[str, int],
    encoding_ns: int = 0,
    trace_id: str = "",
    return_ns: int = 0,
) -> Task:
    """Return a request that has been checked as a task."""
    return Task(
        task_id=task_id,
        stream_id=message.stream_id,
        submitted_ns=submitted_ns,
        deadline_ns=message.deadline_ns,
        accuracy=message.accuracy if message.HasField("accuracy") else None,
        mode=Mode(message.mode) if message.mode else None,
        policy=message.policy or None,
        privacy=privacy_from_wire(message),
        payload_bytes=payload_bytes,
        encoding_ns=encoding_ns,
        trace_id=trace_id,
        return_ns=return_ns,
    )


def privacy_from_wire(message: edge_pb2.Task) -> Privacy:
    """Return the privacy of a task that has been checked."""
    return Privacy(message.privacy) if message.privacy else Privacy.ANY


def check_task(message: edge_pb2.Task, policies: Collection[str]) -> None:
    """Raise BadField for the first field that is not valid."""
    check_id("task_id", message.task_id, required=False)
    check_id("stream_id", message.stream_id, required=False)
    if not 0 < message.deadline_ns <= MAX_DEADLINE_NS:
        raise BadField(
            "deadline_ns", f"{message.deadline_ns} is outside 1 to {MAX_DEADLINE_NS} (60 s)"
        )
    if message.HasField("accuracy"):
        check_accuracy("accuracy", message.accuracy)
    check_choice("mode", message.mode, [mode.value for mode in Mode])
    check_choice("policy", message.policy, policies)
    check_choice("privacy", message.privacy, [privacy.value for privacy in Privacy])
    check_image(message.image)


def check_image(image: bytes) -> None:
    """Raise BadField if the image is empty or too large; its content is not checked."""
    if not image:
        raise BadField("image", "is empty; send the bytes of a JPEG or PNG file")
    if len(image) > MAX_IMAGE_BYTES:
        raise BadField("image", f"has {len(image):,} bytes; send at most {MAX_IMAGE_BYTES:,}")
