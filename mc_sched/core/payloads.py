"""Sizes of the payloads that a task can send."""

from __future__ import annotations

from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Task


def payload_bytes(task: Task, codec: str, cloud: CloudTable | None) -> int:
    """Size of a task's payload under a codec: its own, or what every payload of that codec has."""
    own = (task.payload_bytes or {}).get(codec)
    if own is not None or cloud is None:
        return own or 0
    return cloud.codec_named(codec).payload_bytes


def all_payload_bytes(task: Task, local: LocalTable, cloud: CloudTable) -> dict[str, int]:
    """By codec, all payloads of a task that this device can make, the raw splits among them."""
    splits = {c.name: c.payload_bytes for c in cloud.splits if c.name in local.encode_ns}
    return {**(task.payload_bytes or {}), **splits}
