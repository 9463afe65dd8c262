"""A small XMPP client: SASL PLAIN, resource binding and stream management (RFC 6120, RFC 6121, XEP-0198)."""

import base64
from dataclasses import dataclass, field
from typing import Self
from xml.parsers import expat

from .connection import Connection
from .flow import Flow
from .result import PeerError

HOST = "localhost"

_STREAM = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    f"to='{HOST}' version='1.0'>"
).encode()
_SM = "urn:xmpp:sm:3"
_MESSAGE, _PRESENCE, _IQ = "jabber:client message", "jabber:client presence", "jabber:client iq"
_FEATURES = "http://etherx.jabber.org/streams features"
_BODY = "jabber:client body"


@dataclass(slots=True)
class Element:
    """A child of the stream: its expanded name, its attributes and the texts of its own children by expanded name."""

    name: str
    attributes: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)


class XmppClient(Connection[Element]):
    """One end of a pair: writes to, or is, `user`@localhost; counts stanzas both ways as XEP-0198 section 4 says."""

    def __init__(self, flow: Flow, to: str) -> None:
        super().__init__(flow)
        self._to = f"{to}@{HOST}"
        self._managed = False
        self._stanzas_received = 0
        self._stanzas_before = 0
        self._delivered = 0
        self._element: Element | None = None
        self._depth = 0
        self._start_stream()

    @classmethod
    async def login(cls, port: int, flow: Flow, user: str, password: str, to: str) -> Self:
        """Log in, enable stream management, and become available. Raises PeerError."""
        client = await cls.open(lambda: cls(flow, to), port)
        client.write(_STREAM)
        await client._expect(_FEATURES)
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        client.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>".encode())
        await client._expect("urn:ietf:params:xml:ns:xmpp-sasl success")
        client._start_stream()
        client.write(_STREAM)
        await client._expect(_FEATURES)
        client.write(
            b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            b"<resource>load</resource></bind></iq>"
        )
        if (await client._expect(_IQ)).attributes.get("type") != "result":
            raise PeerError("the server refused to bind the resource")
        client.write(f"<enable xmlns='{_SM}' resume='true'/>".encode())
        await client._expect(f"{_SM} enabled")
        # Its own presence, which comes back, tells the client that the server has processed it.
        client.write(b"<presence/>")
        client._stanzas_before = 1
        await client._expect(_PRESENCE)
        return client

    def send(self, bodies: list[bytes]) -> None:
        """Send the flow's next messages and one acknowledgement request behind them, in one write."""
        first, to = self.flow.sent - len(bodies), self._to.encode()
        messages = [
            b"<message to='%b' type='chat' id='%d'><body>%b</body></message>" % (to, first + place, body)
            for place, body in enumerate(bodies)
        ]
        self.write(b"".join(messages) + f"<r xmlns='{_SM}'/>".encode())

    def farewell(self) -> bytes:
        """The end of the stream: an orderly logout, after which the server does not wait for a resumption."""
        return b"</stream:stream>"

    def receive(self, data: bytes) -> None:
        """Parse what came, and send the next messages."""
        try:
            self._parser.Parse(data)
        except expat.ExpatError as error:
            raise PeerError(f"the server sent malformed XML: {error}") from None
        self.flow.advance()

    async def _expect(self, name: str) -> Element:
        element = await self.reply()
        if element.name != name:
            raise PeerError(f"the server answered {element.name} {sorted(element.texts)} instead of {name}")
        return element

    def _start_stream(self) -> None:
        parser = expat.ParserCreate("UTF-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text
        if hasattr(parser, "SetReparseDeferralEnabled"):
            # Otherwise Expat 2.6 and later may keep back the end of a stanza until more arrives.
            parser.SetReparseDeferralEnabled(False)
        self._parser, self._depth, self._element = parser, 0, None

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2:
            self._element = Element(name, attributes)
        elif self._depth == 3 and self._element is not None:
            self._child = name
            self._element.texts[name] = ""

    def _on_text(self, text: str) -> None:
        if self._depth == 3 and self._element is not None:
            self._element.texts[self._child] += text

    def _on_end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._element is not None:
            element, self._element = self._element, None
            self._handle(element)

    def _handle(self, element: Element) -> None:
        name = element.name
        if self._managed and name in (_MESSAGE, _PRESENCE, _IQ):
            self._stanzas_received += 1
        if name == _MESSAGE:
            if element.attributes.get("type") != "chat":
                raise PeerError(f"the server returned a message with {sorted(element.texts)} instead of delivering it")
            self.flow.delivered(element.texts.get(_BODY, "").encode())
            self._delivered += 1
        elif name == f"{_SM} r":
            self.write(f"<a xmlns='{_SM}' h='{self._stanzas_received}'/>".encode())
            if self._delivered:
                self.flow.receiver_acknowledged(self._delivered)
        elif name == f"{_SM} a":
            self.flow.sender_acknowledged(max(0, int(element.attributes["h"]) - self._stanzas_before))
        else:
            self._managed = self._managed or name == f"{_SM} enabled"
            self.replied(element)
