"""The side that wants to be linked: it shows the code and hears everything it is told."""

from enum import Enum, auto

from handshaker_core.errors import LinkingAltered, LinkingCodeUsed, LinkingMismatch
from handshaker_core.protocol.address import SendId, SendSecret
from handshaker_core.protocol.linking import messages
from handshaker_core.protocol.linking.clocked import Linking
from handshaker_core.protocol.linking.code import CodeSecret, LinkCode
from handshaker_core.protocol.linking.messages import Channel, DeviceKeys, Hello, Kind, LinkingShare, Reveal, Transcript
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.seal import SealKeyPair


class Step(Enum):
    """What the new device waits for."""

    SHOWING = auto()
    """Somebody to read the code."""
    COMPARING = auto()
    """The owner's word about the number (and, perhaps already there, the grant)."""
    CONFIRMED = auto()
    """The grant."""
    GRANTED = auto()
    """The caller's proof for the account; see `account` and `prove`."""
    PROVEN = auto()
    """The package."""
    PACKED = auto()
    """The caller to become part of the account; see `package` and `finish`."""
    DONE = auto()


class NewDevice(Linking):
    """A device that wants to be linked. `frame`s are what its temporary mailbox receives, in any order and number.

    Args:
        device: what the primary is told about it.
        secret: of the code; its `send_secret()` is that of the temporary mailbox.
        send_id: of that mailbox.
        now: seconds.
        rng: randomness.
    """

    def __init__(
        self,
        device: DeviceKeys,
        secret: CodeSecret,
        send_id: SendId,
        *,
        now: float,
        rng: Randomness = system_randomness,
    ) -> None:
        super().__init__(secret, now, rng)
        self._key = SealKeyPair.generate(rng)
        self._reveal = Reveal(self._key.public, device, LinkingShare(rng(LinkingShare.SIZE)))
        self._hello: Hello | None = None
        self._transcript: Transcript | None = None
        self._grant: tuple[LinkingShare, bytes] | None = None
        self._channel: Channel | None = None
        self._package: bytes | None = None
        self.code = LinkCode(send_id, secret, self._reveal.commitment())
        self.step = Step.SHOWING

    @property
    def reply_to(self) -> tuple[SendId, SendSecret]:
        """Where frames for the primary go, from COMPARING on."""
        if self._hello is None:
            raise LookupError("nobody has read the code yet")
        return self._hello.reply_to

    @property
    def short_string(self) -> str:
        """The number to show, from COMPARING on."""
        if self._transcript is None:
            raise LookupError("nobody has read the code yet")
        return self._transcript.short_string()

    @property
    def account(self) -> bytes:
        """The account to prove the device key for (16 bytes), from GRANTED on."""
        if self._grant is None or self.step in (Step.COMPARING, Step.CONFIRMED):
            raise LookupError("nothing was granted yet")
        return self._grant[1]

    @property
    def package(self) -> bytes:
        """What the primary hands over, from PACKED on."""
        if self._package is None:
            raise LookupError("there is no package yet")
        return self._package

    def receive(self, frame: bytes, now: float) -> bytes | None:
        """Take a frame; what does not concern the linking changes nothing.

        Returns:
            A frame for the primary, or None.

        Raises:
            LinkingError: it has ended, now or before.
        """
        self._check(now)
        if self.step is Step.DONE:
            return None
        self._check_cancel(frame)
        if self._is_second_hello(frame):
            raise self._fail(LinkingCodeUsed())
        match self.step:
            case Step.SHOWING:
                return self._take_hello(frame, now)
            case Step.COMPARING | Step.CONFIRMED:
                self._take_grant(frame)
            case Step.PROVEN:
                self._take_package(frame)
            case _:
                pass
        return None

    def confirm(self, *, same: bool, now: float) -> None:
        """The owner's word: whether both devices show the same number.

        Raises:
            LinkingMismatch: they do not; it has ended.
            LinkingError: it has ended before.
        """
        self._check(now)
        if not same:
            raise self._fail(LinkingMismatch())
        if self.step is Step.COMPARING:
            self._prolong(now)
            self.step = Step.CONFIRMED if self._grant is None else Step.GRANTED

    def prove(self, proof: bytes, now: float) -> bytes:
        """The frame that carries the device key's proof for the account. Raises: LinkingError."""
        self._check(now)
        if self.step is not Step.GRANTED or self._grant is None or self._transcript is None:
            raise LookupError("nothing was granted yet")
        self._channel = Channel.between(self._reveal.share, self._grant[0], self._transcript)
        self.step = Step.PROVEN
        return self._channel.seal(Kind.PROOF, proof, self._rng)

    def finish(self, content: bytes, now: float) -> bytes:
        """The frame that tells the primary that all is in place. Raises: LinkingError, ContentTooLarge."""
        self._check(now)
        if self.step is not Step.PACKED or self._channel is None:
            raise LookupError("there is no package yet")
        frame = self._channel.seal(Kind.DONE, content, self._rng)
        self.step = Step.DONE
        return frame

    def refuse(self) -> LinkingAltered:
        """The package contradicts what was agreed: end it. Returns: the error to raise."""
        error = LinkingAltered()
        self._fail(error)
        return error

    def _take_hello(self, frame: bytes, now: float) -> bytes | None:
        hello = self._open(lambda: messages.open_hello(frame, self.code.secret))
        if hello is None:
            return None
        self._hello = hello
        self._transcript = Transcript.of(self.code, hello, self._reveal)
        self.step = Step.COMPARING
        self._prolong(now)
        return messages.seal_reveal(self._reveal, hello)

    def _is_second_hello(self, frame: bytes) -> bool:
        """Whether somebody else has used the code. The relay may deliver the first one twice."""
        if self._hello is None:
            return False
        hello = self._open(lambda: messages.open_hello(frame, self.code.secret))
        return hello is not None and hello != self._hello

    def _take_grant(self, frame: bytes) -> None:
        transcript = self._transcript
        if transcript is None or self._grant is not None:
            return
        grant = self._open(lambda: messages.open_grant(frame, self._key, self._reveal, transcript))
        if grant is not None:
            self._grant = grant
            if self.step is Step.CONFIRMED:
                self.step = Step.GRANTED

    def _take_package(self, frame: bytes) -> None:
        channel = self._channel
        package = None if channel is None else self._open(lambda: channel.open(Kind.PACKAGE, frame))
        if package is not None:
            self._package = package
            self.step = Step.PACKED
