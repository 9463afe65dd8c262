"""From WebSockets to signaling processes: who serves which socket."""

import asyncio

from aiohttp import WSMsgType, web
from handshaker_common.channels import Channels, Peer
from handshaker_common.clock import Clock
from handshaker_common.close_codes import Close
from handshaker_common.errors import InvalidArgument, Unavailable
from handshaker_common.reasons import Reason

from handshaker_gateway.sockets.link import RelayLink
from handshaker_gateway.sockets.pacing import Pace, SocketLimits
from handshaker_gateway.sockets.websocket import ClientSocket

SUBPROTOCOL = "handshaker.v1"
LARGEST_MESSAGE = 64 * 1024
HEARTBEAT_SECONDS = 25
# How often a name is asked for the processes behind it.
LOOK_UP_SECONDS = 5


class SocketBridge:
    """Serves `/a/v1/ws` by passing messages between sockets and signaling processes, unread.

    `channels` opens the streams to every process behind the setting `signaling_target`; `clock` paces the sockets;
    `limits` is what each of them may send. Call `start` before the first request and `stop` at the end; mount
    `handle` as the route's handler, behind the middleware that refuses an Authorization header.
    """

    def __init__(self, channels: Channels, clock: Clock, limits: SocketLimits | None = None) -> None:
        self._channels = channels
        self._clock = clock
        self._limits = limits or SocketLimits()
        self._links: dict[str, RelayLink] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._lookups: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Opens the streams; returns at once, `ready` tells when one stands."""
        await self._look_up()
        self._lookups = asyncio.create_task(self._keep_looking_up())

    async def stop(self) -> None:
        """Refuses new sockets, closes all others with `restarting` and ends the streams."""
        self._stopping = True
        if self._lookups is not None:
            self._lookups.cancel()
        sockets = [socket for link in self._links.values() for socket in link.close_all(Close.RESTARTING)]
        await asyncio.gather(*(socket.closed() for socket in sockets))
        for address in list(self._links):
            await self._remove(address)

    def ready(self) -> bool:
        """Whether a new socket can be served."""
        return not self._stopping and any(link.usable for link in self._links.values())

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return sum(link.load for link in self._links.values())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serves one WebSocket from upgrade to close.

        Raises:
            InvalidArgument: the request is no upgrade to a WebSocket of the subprotocol `handshaker.v1`.
            Unavailable: no signaling process can serve it.
        """
        websocket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            compress=False,
            max_msg_size=LARGEST_MESSAGE + 1,  # aiohttp refuses messages of this size, too
            heartbeat=HEARTBEAT_SECONDS,
            decode_text=False,
        )
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if SUBPROTOCOL not in offered or not websocket.can_prepare(request):
            raise InvalidArgument(
                Reason.MALFORMED, f"This path takes WebSocket upgrades with the subprotocol {SUBPROTOCOL} only."
            )
        if not self.ready():
            raise Unavailable(Reason.UNAVAILABLE, "The relay cannot be reached now; try again.", retry_after=1)
        await websocket.prepare(request)
        transport = request.transport
        link = self._least_loaded()
        if link is None or transport is None:
            # Lost while the upgrade was answered.
            await websocket.close(code=Close.RELAY_RESTARTED.code, message=Close.RELAY_RESTARTED.reason.encode())
            return websocket
        socket = link.open(lambda number: ClientSocket(number, websocket, transport))
        try:
            await self._read(websocket, link, socket)
        finally:
            link.close(socket)
            await socket.closed()
        return websocket

    def _least_loaded(self) -> RelayLink | None:
        usable = [link for link in self._links.values() if link.usable]
        return min(usable, key=lambda link: link.load) if usable else None

    async def _read(self, websocket: "web.WebSocketResponse[bool]", link: RelayLink, socket: ClientSocket) -> None:
        """Passes messages on until the socket closes."""
        monotonic = self._clock.monotonic
        pace = Pace(self._limits, monotonic())
        receive = websocket.receive
        while True:
            message = await receive()
            if message.type is not WSMsgType.BINARY:
                if message.type is WSMsgType.TEXT:
                    socket.close(Close.UNSUPPORTED.code, Close.UNSUPPORTED.reason)
                return
            if socket.closing:
                return
            data = message.data
            await link.pass_on(socket.number, data)
            wait = pace.spend(len(data), monotonic())
            if wait > 0:
                if pace.abusive(monotonic()):
                    socket.close(Close.RATE_LIMITED.code, Close.RATE_LIMITED.reason)
                    return
                await asyncio.sleep(wait)

    async def _keep_looking_up(self) -> None:
        while True:
            await asyncio.sleep(LOOK_UP_SECONDS)
            await self._look_up()

    async def _look_up(self) -> None:
        """Opens a link to each process that is new behind the target; drops those that are gone and unused."""
        addresses = await self._channels.addresses(Peer.SIGNALING)
        for address in addresses:
            if address not in self._links:
                link = self._links[address] = RelayLink(self._channels.open(Peer.SIGNALING, address))
                self._runs[address] = asyncio.create_task(link.run())
        for address in [address for address, link in self._links.items() if not link.connected]:
            if address not in addresses:
                await self._remove(address)

    async def _remove(self, address: str) -> None:
        self._links.pop(address)
        run = self._runs.pop(address)
        run.cancel()
        await asyncio.wait([run])
        await self._channels.close(Peer.SIGNALING, address)
