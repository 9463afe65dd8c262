"""Protobuf bodies, read as strictly as JSON: what the gateway does not know is an error, not a passenger."""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from handshaker_gateway.domain.malformed import Malformed


def read(data: bytes, message: Message) -> None:
    """Fills an empty message.

    Raises:
        Malformed: the bytes are not a message of its type, or hold fields or enum values that it does not have.
    """
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise Malformed(f"The body is not a {message.DESCRIPTOR.name} in protobuf.") from None
    _refuse_unknown(message, "")


def _refuse_unknown(message: Message, path: str) -> None:
    if len(UnknownFieldSet(message)):
        raise Malformed(f"{path or 'The body'} has an unknown field.")
    for field, value in message.ListFields():
        name = f"{path}.{field.name}" if path else field.name
        items = list(enumerate(value)) if field.is_repeated else [(None, value)]
        for index, item in items:
            _refuse_unknown_item(field, item, name if index is None else f"{name}[{index}]")


def _refuse_unknown_item(field: FieldDescriptor, item: object, path: str) -> None:
    if isinstance(item, Message):
        _refuse_unknown(item, path)
    elif field.enum_type is not None and item not in field.enum_type.values_by_number:
        raise Malformed(f"{path} must be one of {', '.join(field.enum_type.values_by_name)}.")
