"""The side that links: it reads the code and, once its owner has compared, admits the device."""

from enum import Enum, auto

from handshaker_core.errors import LinkingAltered, LinkingMismatch
from handshaker_core.protocol.address import ID_SIZE, SendId, SendSecret
from handshaker_core.protocol.linking import messages
from handshaker_core.protocol.linking.clocked import Linking
from handshaker_core.protocol.linking.code import LinkCode
from handshaker_core.protocol.linking.messages import (
    HELLO_NONCE_SIZE,
    Channel,
    DeviceKeys,
    Hello,
    Kind,
    LinkingShare,
    Reveal,
    Transcript,
)
from handshaker_core.protocol.randomness import Randomness, system_randomness
from handshaker_core.protocol.seal import SealKeyPair


class Step(Enum):
    """What the primary waits for."""

    CALLING = auto()
    """The new device to reveal itself."""
    COMPARING = auto()
    """The owner's word about the number."""
    CONFIRMED = auto()
    """The new device's proof for the account."""
    PROVEN = auto()
    """The caller to admit the device; see `proof` and `pack`."""
    PACKED = auto()
    """The new device to say that all is in place."""
    DONE = auto()
    """Nothing; see `answer`."""


class PrimaryDevice(Linking):
    """The primary, about to link the device that showed `code`. `hello` is to be sent to `to`.

    Args:
        code: as its owner gave it.
        reply_to: the temporary mailbox for the answers.
        now: seconds.
        rng: randomness.
    """

    def __init__(
        self,
        code: LinkCode,
        reply_to: tuple[SendId, SendSecret],
        *,
        now: float,
        rng: Randomness = system_randomness,
    ) -> None:
        super().__init__(code.secret, now, rng)
        self._code = code
        self._key = SealKeyPair.generate(rng)
        self._hello = Hello(self._key.public, reply_to, rng(HELLO_NONCE_SIZE))
        self._reveal: Reveal | None = None
        self._transcript: Transcript | None = None
        self._channel: Channel | None = None
        self._proof: bytes | None = None
        self._answer: bytes | None = None
        self.to = (code.send_id, code.secret.send_secret())
        self.hello = messages.seal_hello(self._hello, code.secret, rng)
        self.step = Step.CALLING

    @property
    def short_string(self) -> str:
        """The number to show, from COMPARING on."""
        if self._transcript is None:
            raise LookupError("the new device has not answered yet")
        return self._transcript.short_string()

    @property
    def device(self) -> DeviceKeys:
        """What the new device says about itself, from COMPARING on."""
        if self._reveal is None:
            raise LookupError("the new device has not answered yet")
        return self._reveal.device

    @property
    def proof(self) -> bytes:
        """The new device key's proof for the account, from PROVEN on."""
        if self._proof is None:
            raise LookupError("the new device has not agreed yet")
        return self._proof

    @property
    def answer(self) -> bytes:
        """The new device's last word, when it is DONE."""
        if self._answer is None:
            raise LookupError("the new device is not ready yet")
        return self._answer

    def receive(self, frame: bytes, now: float) -> None:
        """Take a frame; what does not concern the linking changes nothing.

        Raises:
            LinkingError: it has ended, now or before.
        """
        self._check(now)
        if self.step is not Step.DONE:
            self._check_cancel(frame)
        match self.step:
            case Step.CALLING:
                self._take_reveal(frame, now)
            case Step.CONFIRMED:
                self._proof = self._take(Kind.PROOF, frame)
                if self._proof is not None:
                    self.step = Step.PROVEN
            case Step.PACKED:
                self._answer = self._take(Kind.DONE, frame)
                if self._answer is not None:
                    self.step = Step.DONE
            case _:
                pass

    def confirm(self, *, same: bool, account: bytes, now: float) -> bytes:
        """The owner's word: whether both devices show the same number.

        Args:
            same: what the owner said.
            account: the account that the new device is to join (16 bytes).
            now: seconds.

        Returns:
            The grant, for the new device.

        Raises:
            LinkingMismatch: they do not; it has ended.
            LinkingError: it has ended before.
        """
        self._check(now)
        if not same:
            raise self._fail(LinkingMismatch())
        if self.step is not Step.COMPARING or self._reveal is None or self._transcript is None:
            raise LookupError("there is nothing to compare")
        if len(account) != ID_SIZE:
            raise ValueError(f"An account's id has {ID_SIZE} bytes.")
        share = LinkingShare(self._rng(LinkingShare.SIZE))
        self._channel = Channel.between(self._reveal.share, share, self._transcript)
        self._prolong(now)
        self.step = Step.CONFIRMED
        return messages.seal_grant(share, account, self._reveal, self._transcript, self._rng)

    def pack(self, package: bytes, now: float) -> bytes:
        """The frame that hands the package over. Raises: LinkingError, ContentTooLarge."""
        self._check(now)
        if self.step is not Step.PROVEN or self._channel is None:
            raise LookupError("the new device has not agreed yet")
        frame = self._channel.seal(Kind.PACKAGE, package, self._rng)
        self.step = Step.PACKED
        return frame

    def _take_reveal(self, frame: bytes, now: float) -> None:
        reveal = self._open(lambda: messages.open_reveal(frame, self._key, self._hello))
        if reveal is None:
            return
        if reveal.commitment() != self._code.commitment:
            raise self._fail(LinkingAltered())
        self._reveal = reveal
        self._transcript = Transcript.of(self._code, self._hello, reveal)
        self._prolong(now)
        self.step = Step.COMPARING

    def _take(self, kind: Kind, frame: bytes) -> bytes | None:
        channel = self._channel
        return None if channel is None else self._open(lambda: channel.open(kind, frame))
