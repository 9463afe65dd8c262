"""Every method and field of the protocol declares what it must; nothing generated is missing or stale."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from handshaker_proto import rules
from handshaker_proto.options.v1 import options_pb2

PROTO = Path(__file__).parents[1] / "handshaker"
METHODS = list(rules.all_methods())
MESSAGES = [m for m in rules.all_messages() if not m.full_name.startswith("handshaker.options.")]
FIELDS = [field for message in MESSAGES for field in message.fields]


def test_the_list_of_modules_is_complete():
    files = {str(path.relative_to(PROTO).with_suffix("")).replace("/", ".") + "_pb2" for path in PROTO.rglob("*.proto")}
    assert set(rules.MODULES) == files


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_a_method_declares_plane_callers_route_and_deadline(method):
    rule = rules.method_rule(method)
    assert rule.plane != options_pb2.PLANE_UNDECLARED
    assert rule.callers, "somebody must be allowed to call"
    streams = method.client_streaming or method.server_streaming
    assert bool(rule.deadline_ms) != streams, "a deadline for each call, none for a stream"
    prefix = {options_pb2.ACCOUNT: "/v1/", options_pb2.ANONYMOUS: "/a/v1/"}
    if rule.plane == options_pb2.INTERNAL:
        assert not rule.http
        assert not rule.limiter
        return
    verb, path = rule.http.split(" ")
    assert verb in {"GET", "POST", "PUT", "DELETE"}
    assert path.startswith(prefix[rule.plane])
    assert rule.limiter
    assert list(rule.callers) == [options_pb2.GATEWAY]
    assert rule.admission == options_pb2.FREE or rule.plane == options_pb2.ANONYMOUS


def test_routes_are_distinct():
    routes = [rules.method_rule(method).http for method in METHODS if rules.method_rule(method).http]
    assert len(routes) == len(set(routes))


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.full_name)
def test_a_field_declares_what_it_says_and_how_long_it_stays(field):
    rule = rules.field_rule(field)
    assert getattr(rule, "class") != options_pb2.UNDECLARED
    assert rule.retention != options_pb2.RETENTION_UNDECLARED


def test_requests_bound_every_byte_string_that_comes_from_outside():
    seen, queue = set(), [m.input_type for m in METHODS if rules.method_rule(m).http]
    while queue:
        message = queue.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            rule = rules.field_rule(field)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                queue.append(field.message_type)
            elif field.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING):
                assert rule.size or rule.max_size, field.full_name
            if field.is_repeated:
                assert rule.max_items, field.full_name
    assert len(seen) > 10


def test_no_message_contains_itself():
    def walk(message, path):
        assert message.full_name not in path, f"{message.full_name} is recursive: parsers of it can be exhausted"
        for field in message.fields:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                walk(field.message_type, (*path, message.full_name))

    for message in MESSAGES:
        walk(message, ())


@pytest.mark.parametrize(
    "message", [m for m in MESSAGES if "outcome" in m.oneofs_by_name], ids=lambda message: message.full_name
)
def test_an_outcome_has_one_arm_that_grants_and_the_rest_say_why_not(message):
    arms = message.oneofs_by_name["outcome"].fields
    granted = [arm for arm in arms if rules.refusal(arm) is None]
    assert len(granted) == 1
    for arm in arms:
        refusal = rules.refusal(arm)
        assert refusal is None or (refusal.reason and 400 <= refusal.http_status < 500)
