"""Access control and limits, which every call to an agent passes first.

The TLS handshake has already refused clients without a certificate of our authority. The gate
compares the certificate's name with the allowed ones (PERMISSION_DENIED), limits the open calls of
each client, and requires that a request of one message arrives within `upload_s`, so that a slow
sender does not hold memory for longer. The limits may change while the agent runs.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import grpc

from mc_proto.quota import Quota, QuotaExceeded

Context = Any
Behaviour = Callable[[Any, Context], Any]


def client_of(context: Context) -> str:
    """Return the name on the caller's certificate, or its host if it has none."""
    return certified_name(context) or _host(context)


def certified_name(context: Context) -> str:
    """Return the name on the caller's certificate; empty without a certificate."""
    names = context.auth_context().get("x509_common_name")
    return str(names[0].decode(errors="replace")) if names else ""


def _host(context: Context) -> str:
    return str(context.peer()).rpartition(":")[0].removeprefix("ipv4:").removeprefix("ipv6:")


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """The gate of one server; `allowed` are the names that may call, all if it is empty."""

    def __init__(
        self,
        allowed: Collection[str] = (),
        calls_per_client: int = 256,
        upload_s: float = 10.0,
        log: logging.Logger | None = None,
    ) -> None:
        self._allowed = frozenset(allowed)
        self.calls = Quota(calls_per_client, "calls")
        self.upload_s = upload_s
        self._log = log or logging.getLogger(__name__)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Return the handler of a call, wrapped by the gate."""
        handler = await continuation(details)
        if handler is None:
            return None
        if not handler.request_streaming:
            return self._unary(handler, details.method)
        if handler.response_streaming:
            guarded = self._guarded(handler.stream_stream, details.method)
            return grpc.stream_stream_rpc_method_handler(
                guarded, handler.request_deserializer, handler.response_serializer
            )
        return handler  # client streaming, which none of our services has

    def _unary(self, handler: Any, method: str) -> Any:
        """Wrap a call with one request message, which is read with a timeout."""
        if handler.response_streaming:
            make, behaviour = grpc.stream_stream_rpc_method_handler, handler.unary_stream
        else:
            make, behaviour = grpc.stream_unary_rpc_method_handler, handler.unary_unary
        guarded = self._guarded(self._timed(behaviour), method)
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    def _timed(self, behaviour: Behaviour) -> Behaviour:
        async def answer(requests: AsyncIterator[Any], context: Context) -> Any:
            return await behaviour(await self._only(requests, context), context)

        async def answers(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async for message in behaviour(await self._only(requests, context), context):
                yield message

        return answers if inspect.isasyncgenfunction(behaviour) else answer

    async def _only(self, requests: AsyncIterator[Any], context: Context) -> Any:
        try:
            return await asyncio.wait_for(requests.__anext__(), self.upload_s)
        except asyncio.TimeoutError:
            reason = f"the request took longer than {self.upload_s:g} s to arrive"
            self._log.warning("%s was cut off: %s", client_of(context), reason)
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, reason)
        except StopAsyncIteration:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request has no message")
        raise AssertionError("abort raises")

    def _guarded(self, behaviour: Behaviour, method: str) -> Behaviour:
        async def call(requests: Any, context: Context) -> Any:
            client = await self._admitted(context, method)
            try:
                with self.calls.one(client):
                    return await behaviour(requests, context)
            except QuotaExceeded as error:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

        async def stream(requests: Any, context: Context) -> AsyncIterator[Any]:
            client = await self._admitted(context, method)
            try:
                with self.calls.one(client):
                    async for message in behaviour(requests, context):
                        yield message
            except QuotaExceeded as error:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

        return stream if inspect.isasyncgenfunction(behaviour) else call

    async def _admitted(self, context: Context, method: str) -> str:
        """Return the client's name; abort the call if it is not allowed."""
        client = client_of(context)
        self._log.debug("%s calls %s", client, method)
        if self._allowed and client not in self._allowed:
            self._log.warning(
                "%s was refused: the name on its certificate is not in tls.allow", client
            )
            reason = f"{client!r} may not call {method}; add its name to tls.allow of this agent"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, reason)
        return client
