"""Checks a message against the limits that its fields declare. Unset submessages are their handler's matter."""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from handshaker_proto.rules import field_rule

Check = Callable[[Any, str], str | None]


def check(message: Message, path: str = "") -> str | None:
    """A sentence that names the first field that breaks its limits, or None. Values are never quoted."""
    for name, repeated, test in _checks(message.DESCRIPTOR):
        value = getattr(message, name)
        where = f"{path}{name}"
        if not repeated:
            problem = test(value, where) if not isinstance(value, Message) or message.HasField(name) else None
            if problem is not None:
                return problem
            continue
        for position, element in enumerate(value):
            problem = test(element, f"{where}[{position}]")
            if problem is not None:
                return problem
    return _too_many(message, path)


def _too_many(message: Message, path: str) -> str | None:
    for name, limit in _item_limits(message.DESCRIPTOR):
        if len(getattr(message, name)) > limit:
            return f"{path}{name} may have {limit} elements at the most."
    return None


@cache
def _item_limits(descriptor: Descriptor) -> tuple[tuple[str, int], ...]:
    return tuple(
        (field.name, field_rule(field).max_items) for field in descriptor.fields if field_rule(field).max_items
    )


@cache
def _checks(descriptor: Descriptor) -> tuple[tuple[str, bool, Check], ...]:
    found = []
    for field in descriptor.fields:
        test = _field_check(field)
        if test is not None:
            found.append((field.name, field.is_repeated, test))
    return tuple(found)


def _field_check(field: FieldDescriptor) -> Check | None:
    rule = field_rule(field)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return lambda value, path: check(value, f"{path}.")
    if rule.size:
        size, optional = rule.size, rule.optional

        def exact(value: bytes, path: str) -> str | None:
            if len(value) == size or (optional and not value):
                return None
            return f"{path} must have exactly {size} bytes{' or none' if optional else ''}."

        return exact
    if rule.max_size:
        most = rule.max_size

        def bounded(value: bytes | str, path: str) -> str | None:
            length = len(value.encode() if isinstance(value, str) else value)
            return f"{path} may have {most} bytes at the most." if length > most else None

        return bounded
    if rule.HasField("range"):
        least, greatest = rule.range.min, rule.range.max

        def ranged(value: int, path: str) -> str | None:
            return None if least <= value <= greatest else f"{path} must be from {least} to {greatest}."

        return ranged
    return None
