"""What a person asked for that cannot be done. None of these changes anything."""

from handshaker_core.errors import HandshakerError
from handshaker_core.model import Attention


class UsageError(HandshakerError):
    """Root: the request itself is at fault, not the network, the server or the store."""

    reason = "usage_error"
    sentence = "That cannot be done."


class EmptyPassphrase(UsageError):
    """A store was to be made without a passphrase."""

    reason = "empty_passphrase"
    sentence = "The passphrase must not be empty."


class ServerRequired(UsageError):
    """No server was ever given."""

    reason = "server_required"
    sentence = "Say which server to use, like https://chat.example."


class ProxyRequired(UsageError):
    """An onion service without Tor."""

    reason = "proxy_required"
    sentence = "An onion service can be reached through Tor only; give its SOCKS proxy, usually 127.0.0.1:9050."


class NotRegistered(UsageError):
    """The store has no account on a server yet."""

    reason = "not_registered"
    sentence = "There is no account yet; register first."


class LoggedOut(UsageError):
    """The device was logged out by its owner."""

    reason = "logged_out"
    sentence = "This device is logged out; log in first."


class AlreadyRunning(UsageError):
    """`run` is running."""

    reason = "already_running"
    sentence = "This client is connected already."


class NoSuchContact(UsageError):
    """Nothing fits the name."""

    reason = "no_such_contact"
    sentence = "There is no contact of that name."


class AmbiguousContact(UsageError):
    """Several fit."""

    reason = "ambiguous_contact"
    sentence = "Several contacts have that name; use the number from the list of contacts."


class NoSuchMessage(UsageError):
    """No message of that number."""

    reason = "no_such_message"
    sentence = "There is no message of that number."


class NotConnected(UsageError):
    """There is no conversation with this contact."""

    reason = "not_connected"
    sentence = "You are not connected with this contact."


class NoSession(UsageError):
    """There is no session with this contact: it was ended, and nothing was written since."""

    reason = "no_session"
    sentence = "There is no session with this contact now. The next message starts a new one."


class ReconnectNeeded(UsageError):
    """The two were connected by an earlier version of the protocol, whose sessions are gone."""

    reason = "reconnect_needed"
    sentence = (
        "You and this contact were connected by an earlier version of the protocol. Connect with them again to go on;"
        " what was written before stays."
    )


class AlreadyConnected(UsageError):
    """There is one already."""

    reason = "already_connected"
    sentence = "You are connected with this contact already."


class NoSuchRequest(UsageError):
    """No request of that number."""

    reason = "no_such_request"
    sentence = "There is no request of that number."


class RequestClosed(UsageError):
    """The request is not open any more."""

    reason = "request_answered"
    sentence = "This request was answered already."


class UnknownUsername(UsageError):
    """The directory has no such name."""

    reason = "unknown_username"
    sentence = "Nobody has this username."


class OwnAddress(UsageError):
    """The link or name is one's own."""

    reason = "own_address"
    sentence = "This is your own address."


class AddressGone(UsageError):
    """The server knows nothing at the contact address."""

    reason = "address_gone"
    sentence = "This contact address is not valid any more; ask for a new one."


class OtherDeployment(UsageError):
    """The link is of another deployment."""

    reason = "other_deployment"
    sentence = "This link belongs to another server, and cannot be used from yours."


class NewIdentity(UsageError):
    """A username that led to a contact leads to somebody with other keys now."""

    reason = "identity_changed"
    sentence = (
        "This username leads to somebody with a new identity: they set up anew, or it is somebody else. Compare the safety"
        " number with them, then connect again and accept the new identity."
    )


class NotVerified(UsageError):
    """The safety number that was given is another."""

    reason = "not_verified"
    sentence = "The safety numbers differ. Somebody may be in between; the contact was not verified."


class EmptyText(UsageError):
    """Nothing to send."""

    reason = "empty_text"
    sentence = "There is nothing to send."


class TextTooLong(UsageError):
    """More than a frame holds.

    Attributes:
        maximum: how many bytes of UTF-8 fit.
        actual: how many were given.
    """

    reason = "text_too_long"

    def __init__(self, what: str, *, maximum: int, actual: int) -> None:
        super().__init__(f"{what} may have at most {maximum:,} bytes; this one has {actual:,}.")
        self.maximum = maximum
        self.actual = actual


class InvalidTimer(UsageError):
    """A length of time that messages cannot have."""

    reason = "invalid_timer"
    sentence = "Messages can disappear after one second at the earliest and a year at the latest."


class AttentionNeeded(UsageError):
    """Something about the contact has changed, and sending waits until the owner has looked.

    Attributes:
        attention: what.
    """

    reason = "attention_needed"

    def __init__(self, attention: Attention) -> None:
        super().__init__(_ATTENTION[attention])
        self.attention = attention


_ATTENTION = {
    Attention.DEVICE_ADDED: (
        "This contact has added a device, which will read what you write. Ask them whether it is theirs; then `verify` them or"
        " `acknowledge` the change, and send again."
    ),
    Attention.IDENTITY_CHANGED: (
        "This contact's username leads to somebody with another identity now. Ask them what has happened before you"
        " `acknowledge` it; nothing was sent."
    ),
}


class DeviceUnknown(UsageError):
    """No own device of that number or name."""

    reason = "device_unknown"
    sentence = "You have no device of that number or name."


class DeviceNotRemovable(UsageError):
    """The device that removes, or the primary."""

    reason = "device_not_removable"
    sentence = "This is the device that you are using; another device cannot be removed in its place."


class LinkingUnconfirmed(UsageError):
    """The new device was admitted, and does not say that it has settled."""

    reason = "linking_unconfirmed"
    sentence = (
        "The new device is on your list, but has not answered. If it does not work, remove it (`device remove`) and link it"
        " anew, in an empty directory."
    )


class HomeInUse(UsageError):
    """A second account in one home."""

    reason = "home_in_use"
    sentence = "This home has an account already; use an empty directory (--home) for the other one."


class RecoveryRefused(UsageError):
    """The server knows no account that the phrase recovers."""

    reason = "recovery_refused"
    sentence = "The server knows no account that this recovery phrase belongs to. Is it the right server, and the right phrase?"


class InvalidSetting(UsageError):
    """A setting's value is out of its range."""

    reason = "invalid_setting"
    sentence = "This value is not possible for the setting."
