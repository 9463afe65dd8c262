"""No secret in a repr, a str, a formatted string or the text of an exception, of any class of the package."""

import base64
import dataclasses
import pickle
import traceback
from collections.abc import Callable
from enum import Enum

import pytest
from fuzz.registry import TARGETS
from handshaker_core.client.live_states import LiveStates
from handshaker_core.errors import HandshakerError
from handshaker_core.model import ContactId
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import IdentityKeyPair, MessageKey, SecretBytes, X25519PublicKey
from handshaker_core.protocol.live import Live
from handshaker_core.protocol.skipped_keys import SkippedMessageKeys

from .planting import classes, dataclasses_of_the_package, mark, planted, secret_types, shows


def texts_of(value: object) -> list[str]:
    return [repr(value), str(value), f"{value}", f"{value!r}", f"{[value]}", "%s %r" % (value, value)]  # noqa: UP031


def test_the_detector_sees_every_form_and_nothing_else() -> None:
    secret = mark(40)
    for text in (repr(secret), secret.hex(), f"x{secret.decode()}y", str(list(secret))):
        assert shows(text)
    for shift in range(3):
        assert shows(base64.urlsafe_b64encode(bytes(shift) + secret).decode())
    assert not shows(repr(b"PLANTED"))


def test_a_class_that_shows_its_secret_is_found() -> None:
    @dataclasses.dataclass
    class Careless:
        seed: bytes

    value, secrets = planted(Careless)
    assert secrets == 1
    assert all(shows(text) for text in texts_of(value))


@pytest.mark.parametrize("kind", list(secret_types()), ids=lambda kind: kind.__name__)
def test_no_kind_of_secret_bytes_shows_them(kind: type[SecretBytes]) -> None:
    value, _ = planted(kind)
    assert value.raw.startswith(b"PLANTED")
    assert not any(shows(text) for text in texts_of(value))


def test_there_are_many_kinds_of_secrets() -> None:
    assert len(list(secret_types())) >= 15


@pytest.mark.parametrize("kind", dataclasses_of_the_package(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_dataclass_shows_a_secret_that_it_or_a_part_of_it_holds(kind: type) -> None:
    value, _ = planted(kind)
    assert not any(shows(text) for text in texts_of(value))


def test_planting_reaches_secrets_of_the_session_and_the_account() -> None:
    holding = {kind.__name__ for kind in dataclasses_of_the_package() if planted(kind)[1]}
    assert {"SessionState", "DoubleRatchetState", "RatchetKeyPair", "ContactAddress", "DeviceKey"} <= holding


def test_containers_that_are_no_dataclasses() -> None:
    """Every other class with a repr of its own, each looked at by name, so that a new one is noticed."""
    own = {
        kind.__name__
        for kind in classes()
        if "__repr__" in vars(kind) and not dataclasses.is_dataclass(kind) and not issubclass(kind, SecretBytes | Enum)
    }
    assert own == {"SkippedMessageKeys", "LiveStates"}
    keys = SkippedMessageKeys({(mark(32), 1): planted(MessageKey)[0]})
    states = LiveStates()
    states.set(ContactId(1), DeviceId(bytes(16)), planted(Live)[0])
    for holder in (keys, states):
        assert not any(shows(text) for text in texts_of(holder))


def everything_about(error: BaseException) -> str:
    """What a log or a crash report could hold: text, arguments, attributes, causes."""
    try:
        pickled = pickle.dumps(error).decode("latin-1")
    except (pickle.PicklingError, TypeError, AttributeError):
        pickled = ""
    chain = [error, error.__cause__, None if error.__suppress_context__ else error.__context__]
    parts = [repr(link) + str(link) + repr(getattr(link, "args", ())) + repr(vars(link)) for link in chain if link]
    return pickled + "".join(parts) + "".join(traceback.format_exception(error))


@pytest.mark.parametrize("kind", [*secret_types(), IdentityKeyPair, X25519PublicKey], ids=lambda kind: kind.__name__)
def test_secrets_of_a_wrong_length_are_not_repeated_by_the_exception(kind: type) -> None:
    with pytest.raises(HandshakerError) as caught:
        kind(mark(getattr(kind, "SIZE", 32) + 1))
    assert not shows(everything_about(caught.value))
    assert shows(everything_about(ValueError(mark(32))))


def failure_of(read: Callable[[bytes], object], data: bytes) -> Exception | None:
    """Which exceptions are allowed is tested elsewhere."""
    try:
        read(data)
    except Exception as error:  # noqa: BLE001
        return error
    return None


REPEATING = {
    "recovery-phrase",  # the one mistyped word, to the person who typed it
    "local-call",  # the name of a field that does not exist, on the local socket
    "local-result",  # the same
}


@pytest.mark.parametrize("name", sorted(set(TARGETS) - REPEATING))
def test_no_reader_repeats_what_it_refuses(name: str) -> None:
    """Nothing of a refused input stands in what the exception says."""
    target, refused = TARGETS[name], 0
    for seed in target.seeds():
        positions = range(0, len(seed) + 1, max(1, len(seed) // 25))
        inputs = [mark(30), *(seed[:position] + mark(24) + seed[position + 8 :] for position in positions)]
        for data in inputs:
            error = failure_of(target.read, data)
            if error is not None:
                refused += 1
                assert not shows(everything_about(error)), name
    assert refused or not target.raises or name == "username"
