"""Flat dataclasses as JSON objects and back. Reading is strict: no unknown key, no missing one, no other type."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar, get_args, get_type_hints

JsonValue: TypeAlias = str | int | float | bool | None


class Flat(Protocol):
    """A dataclass whose fields are str, int, float, bool or datetime, or one of these or None."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=Flat)


class Malformed(ValueError):
    """The object is not of the class; the text says what is wrong and repeats no value."""


def encode(value: Flat) -> dict[str, JsonValue]:
    """The fields in their order. A datetime becomes ISO 8601 in UTC with milliseconds."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def decode(kind: type[T], content: Mapping[str, object]) -> T:
    """The object that `encode` made.

    Raises:
        Malformed: it is no such object.
    """
    types = _types(kind)
    unknown = sorted(set(content) - set(types))
    if unknown:
        raise Malformed(f"There is no {unknown[0]!r} here.")
    values: dict[str, object] = {}
    for field in fields(kind):
        if field.name in content:
            values[field.name] = _typed(field.name, types[field.name], content[field.name])
        elif field.default is MISSING:
            raise Malformed(f"{field.name!r} is missing.")
    return kind(**values)


@cache
def _types(kind: type[Flat]) -> dict[str, tuple[type, ...]]:
    hints = get_type_hints(kind)
    return {field.name: _alternatives(hints[field.name]) for field in fields(kind)}


def _alternatives(hint: Any) -> tuple[type, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _plain(value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    plain: JsonValue = value
    return plain


def _typed(name: str, types: tuple[type, ...], value: object) -> object:
    if value is None and NoneType in types:
        return None
    if datetime in types and isinstance(value, str):
        return _moment(name, value)
    if float in types and type(value) is int:
        return float(value)
    if type(value) in types:  # exactly: a bool is no int here
        return value
    wanted = " or ".join(kind.__name__ for kind in types if kind is not NoneType)
    raise Malformed(f"{name!r} must be of type {wanted}.")


def _moment(name: str, value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise Malformed(f"{name!r} must be a time like 2027-01-31T18:30:00.000Z.") from None
