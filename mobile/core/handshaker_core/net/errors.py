"""What can go wrong between this device and the server."""

from typing import ClassVar

from handshaker_core.errors import HandshakerError


class NetworkError(HandshakerError):
    """Root of the network's errors."""

    reason = "network_error"
    sentence = "The server could not be used."


class Unreachable(NetworkError):
    """No answer: no network, no such host, refused, timed out, or the server is down. Trying again later may help."""

    reason = "unreachable"
    sentence = "The server cannot be reached. Check the network and the server's address, and try again."


class ServerTrouble(Unreachable):
    """The server answered that it cannot answer (HTTP 5xx), or not in our protocol."""

    reason = "server_trouble"
    sentence = "The server has a problem of its own. Try again later."


class UntrustedServer(NetworkError):
    """TLS: the certificate does not prove the host."""

    reason = "untrusted_server"
    sentence = "The server's certificate is not valid for its address; nothing was sent."


class InsecureServer(NetworkError):
    """A plain http address that is neither an onion service nor this machine."""

    reason = "insecure_server"
    sentence = "The server's address must begin with https:// (http:// is for onion services and this machine only)."


class BadServerAddress(NetworkError):
    """Not the address of a server."""

    reason = "bad_server_address"
    sentence = "A server's address looks like https://chat.example, with nothing after the host."


class BadProxyAddress(NetworkError):
    """Not the address of a SOCKS proxy."""

    reason = "bad_proxy_address"
    sentence = "A SOCKS proxy is given as HOST:PORT, like 127.0.0.1:9050."


class UnreasonablePrice(NetworkError):
    """The server asks for more proof of work than any honest one would."""

    reason = "unreasonable_price"
    sentence = "The server asks for an unreasonable amount of work; nothing was done."


class RefusedByServer(NetworkError):
    """The server understood and said no.

    Attributes:
        code: the problem document's stable reason, like `username_taken`.
        status: the HTTP status.
    """

    reason = "refused_by_server"

    # What the server says may be shown, but never decides the words: these are ours.
    _SENTENCES: ClassVar[dict[str, str]] = {
        "refused": "The server refused: it is unknown, not allowed or no longer there.",
        "username_taken": "This username is taken. Choose another one.",
        "already_registered": "This device has an account already.",
        "bad_proof": "The server did not accept this device's signature.",
        "admission_refused": "The server did not accept the proof of work.",
    }

    def __init__(self, code: str, status: int) -> None:
        super().__init__(self._SENTENCES.get(code, f"The server refused the request ({code})."))
        self.code = code
        self.status = status


class RateLimited(RefusedByServer):
    """Too many requests.

    Attributes:
        retry_after: seconds until it may be tried again.
    """

    reason = "rate_limited"

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code, 429)
        self.retry_after = retry_after
        self.args = (f"Too many requests. Try again in {max(1, round(retry_after))} seconds.",)


class SocketProtocolError(NetworkError):
    """The server broke the rules of the WebSocket protocol; the connection is closed."""

    reason = "socket_protocol_error"
    sentence = "The server sent something that is not in the protocol; the connection was closed."
