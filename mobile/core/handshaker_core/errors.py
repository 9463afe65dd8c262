"""The exceptions of the headless client, as a tree by who or what failed.

Every exception has a `reason`: a stable snake_case word for programs, unique in the tree. Its text is one sentence for
a person and never holds a key, an identifier, an address or message content. Families for other layers (store, network)
subclass `HandshakerError` in the module that raises them.
"""

from typing import ClassVar


class HandshakerError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        reason: stable word that programs may compare with.
    """

    reason: ClassVar[str] = "handshaker_error"
    sentence: ClassVar[str] = "Something went wrong."

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(self.sentence if sentence is None else sentence)


class PrimaryDeviceOnly(HandshakerError):
    """Something that only the device with the identity's private key can do."""

    reason = "primary_device_only"
    sentence = "Only your primary device can do this: a linked device does not hold the key that speaks for you."


class ProtocolError(HandshakerError):
    """Bytes, keys or messages broke a rule of the end-to-end protocol; no state was changed."""

    reason = "protocol_error"
    sentence = "The data breaks a rule of the end-to-end protocol."


class UnsupportedVersion(ProtocolError):
    """A version or suite this client does not speak. There is no fall-back to a weaker one."""

    reason = "unsupported_version"
    sentence = "The data is of a version that this client does not speak; a newer client may be needed."


class BadKey(ProtocolError):
    """Key bytes of the wrong length, form or key id."""

    reason = "bad_key"
    sentence = "A key has the wrong length or form."


class LowOrderPoint(BadKey):
    """A Curve25519 public key in the small subgroup, which would make every shared secret predictable."""

    reason = "low_order_point"
    sentence = "A public key is one of the few values that give no secrecy, and was refused."


class BadSignature(ProtocolError):
    """A signature that the identity key did not make over this content."""

    reason = "bad_signature"
    sentence = "A signature does not match; the data was altered or made by somebody else."


class MalformedDevice(ProtocolError):
    """A device certificate or device list of another form, version or size."""

    reason = "malformed_device"
    sentence = "A device certificate or device list is damaged or of a newer version."


class WrongIdentity(ProtocolError):
    """Correctly signed data, of another identity than the expected one."""

    reason = "wrong_identity"
    sentence = "The keys belong to another identity than the expected one."


class WrongDevice(ProtocolError):
    """Correctly signed data, of another device than the session or the request belongs to."""

    reason = "wrong_device"
    sentence = "The message comes from another device than the one that the conversation is with."


class UnlistedDevice(ProtocolError):
    """A certified device that is not, or no longer, in the person's newest device list."""

    reason = "unlisted_device"
    sentence = "The message comes from a device that is not in this contact's list of devices."


class UnknownPreKey(ProtocolError):
    """A handshake names a prekey that is not, or no longer, here (one-time keys work once)."""

    reason = "unknown_prekey"
    sentence = "The connection request used a key that is not, or no longer, on this device."


class ReplayedHandshake(ProtocolError):
    """A handshake on the last-resort key that was accepted before."""

    reason = "replayed_handshake"
    sentence = "The connection request was seen before and was refused."


class UndecryptableMessage(ProtocolError):
    """Authentication failed: altered, forged, or encrypted for another session or device."""

    reason = "undecryptable_message"
    sentence = "The message cannot be decrypted; it was altered or made for another session."


class DuplicateMessage(ProtocolError):
    """The message's key was used already, or was dropped because too many newer ones had to be kept."""

    reason = "duplicate_message"
    sentence = "The message was received before, or is older than the keys that are kept."


class TooManySkipped(ProtocolError):
    """The message is further ahead in its chain than the ratchet will derive keys for."""

    reason = "too_many_skipped"
    sentence = "Too many messages before this one are missing."


class ChainExhausted(ProtocolError):
    """A sending chain reached its last number; the peer has to answer before more can be sent."""

    reason = "chain_exhausted"
    sentence = "No more messages can be sent before the contact answers."


class NoSendingChain(ProtocolError):
    """A responder tried to encrypt before it decrypted the first message."""

    reason = "no_sending_chain"
    sentence = "Nothing can be sent in this session before its first message has been received."


class PaddingError(ProtocolError):
    """Padded bytes that no padding produces."""

    reason = "padding_error"
    sentence = "The padding of the content is wrong."


class ContentTooLarge(ProtocolError):
    """Content that does not fit a frame.

    Attributes:
        maximum: how many bytes fit.
        actual: how many bytes were given.
    """

    reason = "content_too_large"

    def __init__(self, *, maximum: int, actual: int) -> None:
        super().__init__(f"The content has {actual:,} bytes; at most {maximum:,} fit in this frame.")
        self.maximum = maximum
        self.actual = actual


class MalformedFrame(ProtocolError):
    """Bytes that are not a frame, a handshake or a ratchet message."""

    reason = "malformed_frame"
    sentence = "The data is not a valid frame."


class MalformedState(ProtocolError):
    """Stored session or key bytes that cannot be read back."""

    reason = "malformed_state"
    sentence = "The stored session or key is damaged."


class MalformedAddress(ProtocolError):
    """Bytes that are not a contact address."""

    reason = "malformed_address"
    sentence = "The data is not a valid contact address."


class MalformedSafetyCode(ProtocolError):
    """Scanned bytes or typed text that is no safety code."""

    reason = "malformed_safety_code"
    sentence = "This is not a whole safety code; scan or copy it again."


class SealedAddressError(ProtocolError):
    """A sealed contact address that the key derived from the username does not open."""

    reason = "sealed_address_error"
    sentence = "The contact address behind this username cannot be opened; it was altered or belongs to another name."


class InvalidLink(ProtocolError):
    """Text that is not a contact link."""

    reason = "invalid_link"
    sentence = "This is not a contact link; one looks like https://example.org/c#..."


class InvalidUsername(ProtocolError):
    """Text that is not a username."""

    reason = "invalid_username"
    sentence = "This is not a username; one looks like alice.42"


class LinkingError(ProtocolError):
    """Linking a device came to an end; nothing was linked."""

    reason = "linking_error"
    sentence = "Linking has failed; nothing was linked."


class InvalidLinkCode(LinkingError):
    """Text that is not a code of a device that wants to be linked, or was mistyped."""

    reason = "invalid_link_code"
    sentence = "This is not the code of a new device, or a part of it is missing; a code starts with HSLINK."


class LinkingExpired(LinkingError):
    """The code was not used, or the numbers were not compared, in time."""

    reason = "linking_expired"
    sentence = "The code is too old; nothing was linked. Show a new one with `device link`."


class LinkingMismatch(LinkingError):
    """A person has said that the two devices show different numbers."""

    reason = "linking_mismatch"
    sentence = "The numbers differ, so somebody may be in between. Nothing was linked; start again with a new code."


class LinkingAltered(LinkingError):
    """The other side contradicts the code, itself, or the account."""

    reason = "linking_altered"
    sentence = "The other device is not the one that showed the code, or was interfered with. Nothing was linked."


class LinkingCodeUsed(LinkingError):
    """A second device answers to the same code."""

    reason = "linking_code_used"
    sentence = "Somebody else has used the same code, so somebody may have seen it. Nothing was linked."


class LinkingCancelled(LinkingError):
    """A person has called it off, or it has ended before."""

    reason = "linking_cancelled"
    sentence = "Linking was called off; nothing was linked."


class LiveSessionError(HandshakerError):
    """A live session is not where the caller thinks it is; nothing was changed."""

    reason = "live_session_error"
    sentence = "This cannot be done with the live session as it is."


class LiveSessionOpen(LiveSessionError):
    """There is one, or one is being agreed."""

    reason = "live_session_open"
    sentence = "There is a live session with this contact already, or one waits for an answer."


class NoLiveSession(LiveSessionError):
    """There is none, and none is being agreed."""

    reason = "no_live_session"
    sentence = "There is no live session with this contact."
