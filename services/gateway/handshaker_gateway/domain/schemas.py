"""JSON Schemas (2020-12) of the protocol's messages, with the limits that their fields declare."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from handshaker_proto.comments import comment
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.rules import field_rule

from handshaker_gateway.domain.json_codec import INTEGERS, LARGE, enum_of

BASE64URL = "^[A-Za-z0-9_-]*={0,2}$"
DIGITS = "^[0-9]+$"


def reference(message: Descriptor) -> dict[str, str]:
    """A reference to a message's schema below `components`."""
    return {"$ref": f"#/components/schemas/{name_of(message)}"}


def name_of(message: Descriptor) -> str:
    """The schema's name: the message's full name without the package's common parts."""
    return str(message.full_name).removeprefix("handshaker.")


def reachable(message: Descriptor) -> dict[str, Descriptor]:
    """The message and all that it holds, by full name."""
    found: dict[str, Descriptor] = {}
    waiting = [message]
    while waiting:
        here = waiting.pop()
        if here.full_name not in found:
            found[here.full_name] = here
            waiting += [field.message_type for field in here.fields if field.message_type is not None]
    return found


def message_schema(message: Descriptor, *, is_request: bool, from_path: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The schema of a message.

    Requests must hold every bytes field of a fixed size, unless it stands in the path; answers hold every field that
    is no message and no arm of a oneof.
    """
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False}
    text = comment(message.full_name)
    if text:
        schema["description"] = text
    if message.fields:
        schema["properties"] = {field.name: field_schema(field) for field in message.fields}
    needed = [field.name for field in message.fields if (_is_needed if is_request else _is_always_written)(field)]
    required = [name for name in needed if name not in from_path]
    if required:
        schema["required"] = required
    return schema


def _is_needed(field: FieldDescriptor) -> bool:
    rule = field_rule(field)
    if field.is_repeated or field.containing_oneof is not None:
        return False
    return bool(rule.size and not rule.optional) or bool(rule.HasField("range") and rule.range.min > 0)


def _is_always_written(field: FieldDescriptor) -> bool:
    return not field.has_presence


def field_schema(field: FieldDescriptor) -> dict[str, Any]:
    """The schema of a field, with its comment."""
    if field.message_type is not None:
        schema: dict[str, Any] = reference(field.message_type)
    else:
        schema = _scalar(field)
    if field.is_repeated:
        schema = {"type": "array", "items": schema}
        most = field_rule(field).max_items
        if most:
            schema["maxItems"] = most
    text = comment(field.full_name)
    return schema | {"description": text} if text else schema


def _scalar(field: FieldDescriptor) -> dict[str, Any]:
    rule = field_rule(field)
    match field.type:
        case FieldDescriptor.TYPE_BYTES:
            return _bytes(rule)
        case FieldDescriptor.TYPE_STRING:
            return {"type": "string"} | ({"maxLength": rule.max_size} if rule.max_size else {})
        case FieldDescriptor.TYPE_BOOL:
            return {"type": "boolean"}
        case FieldDescriptor.TYPE_ENUM:
            in_range = [
                value.name
                for value in enum_of(field).values
                if not rule.HasField("range") or rule.range.min <= value.number <= rule.range.max
            ]
            return {"type": "string", "enum": in_range}
        case kind if kind in LARGE:
            return {"type": "string", "pattern": DIGITS, "maxLength": 20, "format": "uint64"}
    least, most = INTEGERS[field.type]
    if rule.HasField("range"):
        least, most = rule.range.min, rule.range.max
    return {"type": "integer", "minimum": least, "maximum": most}


def _bytes(rule: options_pb2.FieldRule) -> dict[str, Any]:
    """Lengths count characters: a third more than bytes, and up to two of padding."""
    schema: dict[str, Any] = {"type": "string", "format": "base64url", "pattern": BASE64URL}
    size = rule.size or rule.max_size
    if size:
        schema["maxLength"] = -(-size // 3) * 4
    if rule.size and not rule.optional:
        schema["minLength"] = -(-size * 4 // 3)
    return schema
