"""Receives a task: the first message of its call, then the chunks of its payload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
from mc_proto import serde
from mc_proto.v1 import cloud_pb2

from cloud_agent.calls import Call, CallError, Limits
from mc_sched.core.tables import CloudTable

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]
Read = Callable[[], Awaitable[Any]]
"""Reads the call's next message; EOF behind the last one."""


async def read_open(read: Read, table: CloudTable, limits: Limits) -> cloud_pb2.InferRequest.Open:
    """Return the call's first message; CallError if the call cannot be served as it is."""
    try:
        first = await asyncio.wait_for(read(), limits.upload_s)
    except asyncio.TimeoutError:
        _too_slow("the first message", limits.upload_s)
    if first is EOF or first.WhichOneof("message") != "open":
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT, "open: must be the first message of Infer"
        )
    opened: cloud_pb2.InferRequest.Open = first.open
    try:
        serde.check_open(opened, limits.max_payload_bytes, table.payload_formats)
    except serde.BadField as error:
        raise CallError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
    if opened.bundle_hash != table.bundle_hash:
        raise CallError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "open.bundle_hash: the edge runs another bundle; install the same one on both",
        )
    return opened


async def read_payload(
    call: Call, opened: cloud_pb2.InferRequest.Open, read: Read, limits: Limits
) -> bytes | None:
    """Return the whole payload, or None if its task was given up before the last byte.

    The driver cancels `call.receiving` when the task is given up.
    """
    if len(opened.head) == opened.payload_bytes:
        return opened.head
    call.receiving = asyncio.ensure_future(_read_chunks(opened, read))
    limit_s = min(opened.budget_ns / 1e9, limits.upload_s)
    try:
        payload = await asyncio.wait_for(call.receiving, limit_s)
    except asyncio.TimeoutError:
        _too_slow("the upload", limit_s)
    except asyncio.CancelledError:
        if not call.given_up:
            raise
        return None
    finally:
        call.receiving = None
    return None if call.given_up else payload


async def _read_chunks(opened: cloud_pb2.InferRequest.Open, read: Read) -> bytes:
    payload = bytearray(opened.head)
    while len(payload) < opened.payload_bytes:
        message = await read()
        if message is EOF:
            raise CallError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"payload: ended after {len(payload)} of {opened.payload_bytes} bytes",
            )
        payload += message.chunk
    if len(payload) > opened.payload_bytes:
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"payload: longer than the {opened.payload_bytes} bytes announced",
        )
    return bytes(payload)


def _too_slow(what: str, limit_s: float) -> NoReturn:
    """Turn a slow sender away, so that it holds no memory for longer."""
    raise CallError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        f"{what} took longer than {limit_s:g} s, the task's budget or limits.upload",
    )
