"""The two streams that come in: gateways with their sockets, other signaling processes with their frames."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
from handshaker_common.ids import RecvId
from handshaker_proto.signaling.v1 import relay_pb2, relay_pb2_grpc

from handshaker_signaling.domain import Attachment, InboundLink
from handshaker_signaling.engine import Engine, Outlet

# Bytes of messages in one write of a stream.
BATCH_BYTES = 1024 * 1024


async def _converse(engine: Engine, read: Awaitable[None], write: Awaitable[None]) -> None:
    """Runs both directions of a stream until the other side ends it or the engine stops."""
    tasks = [asyncio.ensure_future(work) for work in (read, write, engine.stopped.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


class RelayServicer(relay_pb2_grpc.RelayServiceServicer):
    """Takes gateways' streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def Attach(self, _requests: Any, context: Any) -> None:  # type: ignore[override]
        """All sockets of one gateway, until it goes or this process stops."""
        # Tells the gateway at once that somebody is here.
        await context.send_initial_metadata(())
        engine = self._engine
        attachment = engine.relay.attach()
        outlet = engine.outlet(attachment)
        outlet.fill()
        try:
            await _converse(engine, self._read(attachment, context), _write(attachment, outlet, context))
        finally:
            engine.forget(attachment)
            engine.relay.detach(attachment)
            engine.touch()

    async def _read(self, attachment: Attachment, context: Any) -> None:
        engine, relay = self._engine, self._engine.relay
        while True:
            request = await context.read()
            if request is grpc.aio.EOF:
                return
            now = engine.now()
            for item in request.inputs:
                message = item.message
                if message:
                    relay.socket_message(now, attachment, item.socket, message)
                elif item.closed:
                    relay.socket_closed(attachment, item.socket)
                elif item.opened:
                    relay.socket_opened(now, attachment, item.socket)
            engine.touch()


async def _write(attachment: Attachment, outlet: Outlet, context: Any) -> None:
    """Writes to a gateway whatever waits, in messages of bounded size."""
    while True:
        await outlet.wait()
        response = relay_pb2.AttachResponse(draining=attachment.draining)
        size = 0
        for number, message, close in attachment.take():
            if size + len(message) > BATCH_BYTES:
                await context.write(response)
                response, size = relay_pb2.AttachResponse(), 0
            if close is None:
                response.outputs.add(socket=number, message=message)
                size += len(message)
            else:
                response.outputs.add(socket=number, close_code=close.code, close_reason=close.reason)
        await context.write(response)


class PeerServicer(relay_pb2_grpc.PeerServiceServicer):
    """Takes other signaling processes' streams."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def Link(self, _requests: Any, context: Any) -> None:  # type: ignore[override]
        """All frames from one other process, until it goes or this one stops."""
        await context.send_initial_metadata(())
        engine = self._engine
        link = engine.relay.link()
        outlet = engine.outlet(link)
        try:
            await _converse(engine, self._read(link, context), _answer(link, outlet, context))
        finally:
            engine.forget(link)
            link.closed = True

    async def _read(self, link: InboundLink, context: Any) -> None:
        engine, relay = self._engine, self._engine.relay
        while True:
            request = await context.read()
            if request is grpc.aio.EOF:
                return
            for forward in request.forwards:
                relay.forwarded(link, forward.reference, RecvId(forward.recv_id), forward.frame_id, forward.frame)
            for recv_id in request.stored:
                relay.subscriptions.poke(recv_id)
            if request.displaced:
                relay.subscriptions.suspect(request.displaced)
            engine.touch()


async def _answer(link: InboundLink, outlet: Outlet, context: Any) -> None:
    """Writes results to another process."""
    while True:
        await outlet.wait()
        results, link.results = link.results, []
        response = relay_pb2.LinkResponse()
        for reference, outcome in results:
            response.results.add(reference=reference, outcome=outcome)
        await context.write(response)
