"""The options that every method and field of the protocol carries, read from the descriptors."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

from handshaker_proto.options.v1 import options_pb2

# Every generated module; a test compares this list with the .proto files.
MODULES = (
    "auth.v1.auth_pb2",
    "auth.v1.devices_pb2",
    "auth.v1.tokens_pb2",
    "auth.v1.wipe_pb2",
    "blobstore.v1.frames_pb2",
    "blobstore.v1.mailboxes_pb2",
    "content.v1.content_pb2",
    "keys.v1.keys_pb2",
    "notify.v1.notify_pb2",
    "options.v1.options_pb2",
    "signaling.v1.relay_pb2",
    "signaling.v1.socket_pb2",
)


def all_files() -> Iterator[FileDescriptor]:
    """Descriptors of all files of the protocol, in the order of `MODULES`."""
    for module in MODULES:
        yield import_module(f"handshaker_proto.{module}").DESCRIPTOR


def all_methods() -> Iterator[MethodDescriptor]:
    """Descriptors of all methods of all services."""
    for file in all_files():
        for service in file.services_by_name.values():
            yield from service.methods


def all_messages() -> Iterator[Descriptor]:
    """Descriptors of all messages, nested ones included."""

    def walk(message: Descriptor) -> Iterator[Descriptor]:
        yield message
        for nested in message.nested_types:
            yield from walk(nested)

    for file in all_files():
        for message in file.message_types_by_name.values():
            yield from walk(message)


def method_rule(method: MethodDescriptor) -> options_pb2.MethodRule:
    """Plane, callers, route, price, limiter and deadline of a method."""
    return method.GetOptions().Extensions[options_pb2.rule]


def field_rule(field: Any) -> options_pb2.FieldRule:
    """Privacy class, retention and limits of a field."""
    rule: options_pb2.FieldRule = field.GetOptions().Extensions[options_pb2.field]
    return rule


def refusal(field: Any) -> options_pb2.Refusal | None:
    """The reason and HTTP status of an outcome arm that refuses; None for an arm that grants."""
    options = field.GetOptions()
    return options.Extensions[options_pb2.refusal] if options.HasExtension(options_pb2.refusal) else None


def full_name(method: MethodDescriptor) -> str:
    """The name that gRPC uses on the wire: "/package.Service/Method"."""
    return f"/{method.containing_service.full_name}/{method.name}"
