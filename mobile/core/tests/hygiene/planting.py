"""Recognisable secrets, planted into every class of the package that can hold one."""

import base64
import dataclasses
import importlib
import inspect
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import handshaker_core
from handshaker_core.protocol.keys import SecretBytes

MARK = b"PLANTED-SECRET-"
SECRET_NAME = re.compile(
    r"(^|_)(secret|seed|private|passphrase|password|token|tokens|link|pin|phrase|words)(_|$)|plaintext"
)
PUBLIC_NAME = re.compile(r"(public|hash|count|digest)")
DEEPEST = 8


def mark(size: int) -> bytes:
    """So many recognisable bytes."""
    return (MARK * (size // len(MARK) + 1))[:size]


def shows(text: str) -> bool:
    """Whether the text repeats a planted secret, as it is, in hexadecimal or in base64."""
    forms = [MARK.decode(), MARK.hex(), MARK.hex().upper(), str(list(MARK))[1:-1]]
    # The three ways in which the bytes can fall into groups of three, without the characters that neighbours change.
    forms += [base64.b64encode(bytes(skip) + MARK).decode()[skip and 4 : -4] for skip in range(3)]
    return any(form in text for form in forms)


@cache
def classes() -> tuple[type, ...]:
    """Every class that the package defines."""
    found: dict[type, None] = {}
    for info in pkgutil.walk_packages(handshaker_core.__path__, "handshaker_core."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                found[value] = None
    return tuple(found)


def secret_types() -> Iterator[type[SecretBytes]]:
    """Every kind of secret bytes."""
    for kind in classes():
        if issubclass(kind, SecretBytes) and kind is not SecretBytes:
            yield kind


def dataclasses_of_the_package() -> list[type]:
    return [kind for kind in classes() if dataclasses.is_dataclass(kind)]


def planted(kind: type, depth: int = 0) -> tuple[Any, int]:
    """An instance with every field filled, made past its checks; and how many secrets are in it."""
    made, secrets = object.__new__(kind), 0
    if issubclass(kind, SecretBytes):
        object.__setattr__(made, "raw", mark(kind.SIZE))
        return made, 1
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        value, inside = _value(field.name, hints[field.name], depth + 1)
        object.__setattr__(made, field.name, value)
        secrets += inside
    return made, secrets


def _value(name: str, hint: Any, depth: int) -> tuple[Any, int]:
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _most_secret(name, [arm for arm in arguments if arm is not types.NoneType], depth)
    if origin in (tuple, list, frozenset, set) and arguments:
        value, secrets = _value(name, arguments[0], depth)
        return (value,), secrets
    if arguments and (origin is dict or "Mapping" in str(origin)):
        value, secrets = _value(name, arguments[-1], depth)
        return {"key": value}, secrets
    if hint in (bytes, str):
        secret = SECRET_NAME.search(name) is not None and PUBLIC_NAME.search(name) is None
        content = mark(64) if secret else b"ordinary"
        return (content if hint is bytes else content.decode()), int(secret)
    if inspect.isclass(hint) and depth < DEEPEST and (issubclass(hint, SecretBytes) or dataclasses.is_dataclass(hint)):
        return planted(hint, depth)
    return None, 0


def _most_secret(name: str, arms: list[Any], depth: int) -> tuple[Any, int]:
    found = [_value(name, arm, depth) for arm in arms] or [(None, 0)]
    return max(found, key=lambda pair: pair[1])
