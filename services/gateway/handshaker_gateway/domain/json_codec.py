"""JSON for any message of the protocol, read from its descriptor.

The form is the canonical JSON of protobuf with the names as they stand in the .proto files, and three differences:
bytes are base64url without padding (padding is read, too), fields without a value are written out, and nothing is
read leniently: unknown or repeated names, `null`, NaN and texts in place of numbers are errors. 64-bit integers are
written as decimal texts, because JavaScript's numbers end at 2^53; both forms are read.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from handshaker_gateway.domain import base64url
from handshaker_gateway.domain.malformed import Malformed

INT32 = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32)
INT64 = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64)
UINT32 = (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32)
UINT64 = (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64)
# Smallest and largest value of each integer type.
INTEGERS = (
    dict.fromkeys(INT32, (-(2**31), 2**31 - 1))
    | dict.fromkeys(INT64, (-(2**63), 2**63 - 1))
    | dict.fromkeys(UINT32, (0, 2**32 - 1))
    | dict.fromkeys(UINT64, (0, 2**64 - 1))
)
LARGE = INT64 + UINT64
# A decimal text of a 64-bit integer is no longer than this.
LONGEST_INTEGER = 20


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`.

    Raises:
        Malformed: it is not UTF-8, not JSON, not an object, or a name stands twice in an object.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except ValueError:  # json.JSONDecodeError, and integers with thousands of digits
        raise Malformed("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Malformed("The body must be a JSON object.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("A name stands twice in one object of the body.")
    return found


def _no_number(_name: str) -> NoReturn:
    raise Malformed("The body has a number that JSON does not know (NaN or Infinity).")


def read(value: Mapping[str, Any], message: Message, path: str = "") -> None:
    """Fills an empty message from a parsed object; `path` names the object in error sentences.

    Raises:
        Malformed: a field is unknown, or its value is not of its type.
    """
    fields = descriptor_of(message).fields_by_name
    if not set(value) <= set(fields):  # a set, because descriptors fail on texts that have no encoding
        known = f"known are: {', '.join(fields)}" if fields else "it has none"
        raise Malformed(f"{path or 'The body'} has an unknown field; {known}.")
    arms = [fields[name].containing_oneof for name in value if fields[name].containing_oneof]
    if len(arms) != len(set(arms)):
        raise Malformed(f"{path or 'The body'} has several fields of which one excludes the other.")
    for name, given in value.items():
        _read_field(fields[name], given, message, f"{path}.{name}" if path else name)


def _read_field(field: FieldDescriptor, given: Any, message: Message, path: str) -> None:
    if field.is_repeated:
        if not isinstance(given, list):
            raise Malformed(f"{path} must be a list.")
        items = getattr(message, field.name)
        for index, item in enumerate(given):
            if field.message_type is not None:
                _read_message(item, items.add(), f"{path}[{index}]")
            else:
                items.append(_scalar(field, item, f"{path}[{index}]"))
    elif field.message_type is not None:
        arm = getattr(message, field.name)
        arm.SetInParent()
        _read_message(given, arm, path)
    else:
        setattr(message, field.name, _scalar(field, given, path))


def _read_message(given: Any, message: Message, path: str) -> None:
    if not isinstance(given, dict):
        raise Malformed(f"{path} must be an object.")
    read(given, message, path)


def _scalar(field: FieldDescriptor, given: Any, path: str) -> bytes | str | bool | int:
    match field.type:
        case FieldDescriptor.TYPE_BYTES:
            return bytes_from(given, path)
        case FieldDescriptor.TYPE_STRING:
            return text_from(given, path)
        case FieldDescriptor.TYPE_BOOL:
            if not isinstance(given, bool):
                raise Malformed(f"{path} must be true or false.")
            return given
        case FieldDescriptor.TYPE_ENUM:
            return _enum(field, given, path)
        case kind if kind in INTEGERS:
            return _integer(field, given, path)
    raise TypeError(f"{field.full_name} has a type that the gateway cannot read")


def bytes_from(given: Any, path: str) -> bytes:
    """The bytes behind a base64url text."""
    data = base64url.decode(given) if isinstance(given, str) else None
    if data is None:
        raise Malformed(f"{path} must be a text in base64url.")
    return data


def text_from(given: Any, path: str) -> str:
    """A text that has an encoding: JSON can spell half characters, which have none."""
    if not isinstance(given, str):
        raise Malformed(f"{path} must be a text.")
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed(f"{path} is not valid Unicode.") from None
    return given


def _integer(field: FieldDescriptor, given: Any, path: str) -> int:
    least, most = INTEGERS[field.type]
    if field.type in LARGE and isinstance(given, str) and given.isascii() and len(given) <= LONGEST_INTEGER:
        digits = given.removeprefix("-") if least < 0 else given
        given = int(given) if digits.isdigit() else given
    elif isinstance(given, float) and given.is_integer() and abs(given) <= 2**53:
        given = int(given)  # 1.0 and 1e3 are integers to JSON
    if isinstance(given, bool) or not isinstance(given, int):
        raise Malformed(f"{path} must be an integer.")
    if not least <= given <= most:
        raise Malformed(f"{path} must be from {least} to {most}.")
    return given


def _enum(field: FieldDescriptor, given: Any, path: str) -> int:
    enum = enum_of(field)
    values = enum.values_by_name
    if isinstance(given, str) and given in set(values):
        return int(values[given].number)
    if isinstance(given, int) and not isinstance(given, bool) and given in enum.values_by_number:
        return given
    raise Malformed(f"{path} must be one of {', '.join(values)}.")


def descriptor_of(message: Message) -> Descriptor:
    """The message's descriptor; the stubs know it by two types that are one."""
    return cast(Descriptor, message.DESCRIPTOR)


def enum_of(field: FieldDescriptor) -> EnumDescriptor:
    """The enum of a field that has one."""
    if field.enum_type is None:
        raise TypeError(f"{field.full_name} is no enum")
    return field.enum_type


def write(message: Message) -> dict[str, Any]:
    """The message as an object for `json.dumps`: every field, except absent messages and arms of a oneof."""
    written: dict[str, Any] = {}
    for field in descriptor_of(message).fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        written[field.name] = (
            [_write_one(field, item) for item in value] if field.is_repeated else (_write_one(field, value))
        )
    return written


def _write_one(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return write(value)
    match field.type:
        case FieldDescriptor.TYPE_BYTES:
            return base64url.encode(value)
        case FieldDescriptor.TYPE_ENUM:
            known = enum_of(field).values_by_number.get(value)
            return known.name if known is not None else value
        case kind if kind in LARGE:
            return str(value)
    return value
