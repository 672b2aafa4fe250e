"""What every call to an agent passes first: who may call, how often at once, how slowly.

The handshake has already refused who has no certificate of our authority. Here the certificate's
name is compared with those allowed (PERMISSION_DENIED), calls are counted by client, and a request
that should be one message has to be here within `upload_s`: a slow sender holds no memory for
longer. The limits may change while the agent runs.
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
    """Who calls: the name on its certificate, or its host where there is none."""
    return certified_name(context) or _host(context)


def certified_name(context: Context) -> str:
    """The name on the caller's certificate; empty without one."""
    names = context.auth_context().get("x509_common_name")
    return str(names[0].decode(errors="replace")) if names else ""


def _host(context: Context) -> str:
    return str(context.peer()).rpartition(":")[0].removeprefix("ipv4:").removeprefix("ipv6:")


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """One per server. `allowed`: names of certificates that may call; empty: all of them."""

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
        """The handler of a call, behind the gate."""
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
        return handler  # no service here has one

    def _unary(self, handler: Any, method: str) -> Any:
        """A request of one message, read under the clock; on the wire it is the same."""
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
        """The client's name. One that is not allowed goes no further."""
        client = client_of(context)
        self._log.debug("%s calls %s", client, method)
        if self._allowed and client not in self._allowed:
            self._log.warning("%s was refused: its certificate is not in tls.allow", client)
            reason = f"{client!r} may not call {method}; its name has to be in tls.allow there"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, reason)
        return client
