"""The route table, and the rules that it is made from."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from handshaker_common.reasons import Reason
from handshaker_gateway.domain import routes, transcoding
from handshaker_gateway.domain.json_codec import INTEGERS
from handshaker_gateway.domain.problems import TITLES, Problem
from handshaker_gateway.domain.routes import BadRule, Match, NoSuchMethod, Route, RouteTable, all_routes
from handshaker_gateway.limiters import KeyedBy, Limiter
from handshaker_proto import rules
from handshaker_proto.options.v1 import options_pb2

ROUTES = all_routes()
READABLE = {*INTEGERS, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL}
READABLE |= {FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_MESSAGE}


@pytest.mark.parametrize("method", list(rules.all_methods()), ids=rules.full_name)
def test_every_method_is_served_on_its_plane_and_nowhere_else(method):
    rule = rules.method_rule(method)
    found = [route for route in ROUTES if route.rpc == rules.full_name(method)]
    if rule.plane == options_pb2.INTERNAL:
        assert found == []
        return
    (route,) = found
    prefix = {options_pb2.ACCOUNT: "/v1/", options_pb2.ANONYMOUS: "/a/v1/"}[rule.plane]
    assert route.template.startswith(prefix)
    assert route.needs_token == (rule.plane == options_pb2.ACCOUNT)
    assert Limiter.named(rule.limiter) is route.limiter
    assert 0 < route.deadline <= 10
    assert options_pb2.GATEWAY in rule.callers


def test_every_field_that_is_served_can_be_read_and_written():
    for route in ROUTES:
        for message in (route.request, route.success):
            for field in message.fields:
                assert field.type in READABLE, field.full_name


def test_every_limiter_is_used():
    used = {route.limiter for route in ROUTES} | {Limiter.SOCKET_OPEN}
    in_memory = {limiter for limiter in Limiter if limiter.value.keyed_by is KeyedBy.CONNECTION}
    assert used | in_memory == set(Limiter)
    assert not used & in_memory


def test_every_refusal_has_a_title_and_a_sentence():
    for route in ROUTES:
        for refusal in route.refusals:
            assert Reason(refusal.reason) in TITLES
            assert Reason(refusal.reason) in transcoding.DETAILS


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
def test_outcomes_become_answers_or_problems(route):
    if not route.arms:
        assert transcoding.answer(route, route.response_class()) == route.response_class()
        return
    for arm in route.arms:
        response = route.response_class()
        getattr(response, arm.name).SetInParent()
        answer = transcoding.answer(route, response)
        refusal = rules.refusal(arm)
        if refusal is None:
            assert answer == getattr(response, arm.name)
        else:
            assert isinstance(answer, Problem)
            assert (answer.status, answer.reason) == (refusal.http_status, refusal.reason)
    undecided = transcoding.answer(route, route.response_class())
    assert isinstance(undecided, Problem)
    assert undecided.status == 500


def test_finding():
    table = RouteTable(ROUTES)
    found = table.find("PUT", "/v1/bundles/abc")
    assert isinstance(found, Match)
    assert found.route.method.name == "PublishBundle"
    assert {field.name: text for field, text in found.parameters.items()} == {"bundle_id": "abc"}
    assert table.find("POST", "/v1/bundles/abc") == NoSuchMethod(("PUT",))
    assert table.find("POST", "/v1/username") == NoSuchMethod(("DELETE", "PUT"))
    for path in ("", "v1/username", "/v1/username/", "/v1/bundles/", "/v1/bundles//counts", "/V1/username", "/v1/{x}"):
        assert table.find("PUT", path) is None, path


def broken(name="PublishBundle", **changes):
    """What is said about a route whose rule was changed."""
    route = next(route for route in ROUTES if route.method.name == name)
    rule = options_pb2.MethodRule()
    rule.CopyFrom(route.rule)
    for field, value in changes.items():
        setattr(rule, field, value)
    verb, _, template = rule.http.partition(" ")
    return routes._contradiction(Route(route.method, rule, verb, template))


def test_contradicting_rules_are_found():
    assert broken() is None
    assert "prefix" in broken(plane=options_pb2.ANONYMOUS)
    assert "prefix" in broken(plane=options_pb2.INTERNAL)
    assert "prefix" in broken(http="PUT /other/bundles/{bundle_id}")
    assert "verb" in broken(http="PATCH /v1/bundles/{bundle_id}")
    assert "deadline" in broken(deadline_ms=0)
    assert "path parameter" in broken(http="PUT /v1/bundles/{nothing}")
    assert "path parameter" in broken(http="PUT /v1/bundles/{base}")
    assert "without a body" in broken(http="GET /v1/bundles/{bundle_id}")
    assert "limiter" in broken(limiter="no_such")
    assert "limiter" in broken(limiter="lookup")
    assert "limiter" in broken(limiter="socket_bytes")
    assert "admission" in broken(admission=options_pb2.LOOKUP)


def test_two_routes_on_one_address():
    with pytest.raises(BadRule, match="taken already"):
        RouteTable([*ROUTES, ROUTES[0]])
