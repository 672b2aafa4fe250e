"""Sizes of the payloads that a task can send."""

from __future__ import annotations

from mc_sched.core.tables import CloudTable, LocalTable
from mc_sched.core.task import Task


def payload_bytes(task: Task, codec: str, cloud: CloudTable | None) -> int:
    """Size of a task's payload by a codec, its own or the codec's fixed size; 0 if unknown."""
    own = (task.payload_bytes or {}).get(codec)
    if own is not None or cloud is None:
        return own or 0
    return cloud.codec_named(codec).payload_bytes


def all_payload_bytes(task: Task, local: LocalTable, cloud: CloudTable) -> dict[str, int]:
    """Sizes by codec of all payloads that this device can make of a task, including raw splits."""
    splits = {c.name: c.payload_bytes for c in cloud.splits if c.name in local.encode_ns}
    return {**(task.payload_bytes or {}), **splits}
