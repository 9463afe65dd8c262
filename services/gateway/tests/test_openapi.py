"""The OpenAPI document: valid, complete, and true."""

import json

import jsonschema
import pytest
from gateway_messages import messages
from handshaker_common.reasons import Reason
from handshaker_gateway.domain import json_codec, openapi, schemas
from handshaker_gateway.domain.bounds import LARGEST_BODY
from handshaker_gateway.domain.problems import TITLES, malformed
from handshaker_gateway.domain.routes import RouteTable, all_routes
from handshaker_proto.options.v1 import options_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

ROUTES = all_routes()
DOCUMENT = json.loads(openapi.document(RouteTable(ROUTES)))
quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def validator(schema):
    """Checks instances of a schema of the document, references and all."""
    whole = schema | {"components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(whole)


def test_the_document_is_valid_and_not_large():
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert len(openapi.document(RouteTable(ROUTES))) < 128 * 1024
    broken = json.loads(json.dumps(DOCUMENT))
    broken["paths"]["/v1/account"]["get"]["responses"] = []
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
def test_every_route_is_described(route):
    operation = DOCUMENT["paths"][route.template][route.verb.lower()]
    assert operation["security"] == ([{"token": []}] if route.needs_token else [])
    parameters = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
    paid = route.rule.admission != options_pb2.FREE
    assert ("Admission" in parameters) == paid
    assert {name for name, given in parameters.items() if given["in"] == "path"} == {
        field.name for field in route.parameters.values()
    }
    assert ("requestBody" in operation) == route.takes_body
    expected = {"200", "400", "406", "421", "429", "431", "500", "503", "504"}
    expected |= {"401", "409"} if route.needs_token else set()
    expected |= {"403", "428"} if paid else set()
    expected |= {"408", "413", "415"} if route.takes_body else set()
    expected |= {str(refusal.http_status) for refusal in route.refusals}
    assert set(operation["responses"]) == expected
    for refusal in route.refusals:
        reference = operation["responses"][str(refusal.http_status)]["$ref"]
        response = DOCUMENT["components"]["responses"][reference.rpartition("/")[2]]
        schema = response["content"]["application/problem+json"]["schema"]
        assert refusal.reason in schema["properties"]["reason"]["enum"]


def test_nothing_else_is_described():
    described = {(path, verb.upper()) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    system = {"/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/a/v1/ws"}
    assert described == {(route.template, route.verb) for route in ROUTES} | {(path, "GET") for path in system}
    for rpc in ("Redeem", "GetKeySet", "Wake"):
        assert not any(schema.endswith(f".{rpc}Request") for schema in DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
@quick
@given(data=st.data())
def test_schemas_take_what_the_gateway_takes_and_gives(route, data):
    request = json_codec.write(data.draw(messages(route.request)))
    validator(schemas.reference(route.request)).validate(request)
    answer = json_codec.write(data.draw(messages(route.success)))
    validator(schemas.reference(route.success)).validate(answer)


def test_schemas_refuse_what_the_gateway_refuses():
    register = next(route for route in ROUTES if route.method.name == "Register")
    check = validator(schemas.reference(register.request))
    good = {"device_public_key": "A" * 43, "proof": "A" * 86}
    assert check.is_valid(good)
    for bad in ({}, good | {"x": 1}, good | {"proof": 1}, good | {"proof": "A" * 85}, good | {"proof": "A" * 89}):
        assert not check.is_valid(bad), bad
    challenges = next(route for route in ROUTES if route.method.name == "GetChallenge")
    check = validator(schemas.reference(challenges.request))
    assert check.is_valid({"purpose": "LOOKUP"})
    assert not check.is_valid({"purpose": "FREE"})


def test_problems_are_described_and_explained():
    check = validator({"$ref": "#/components/schemas/Problem"})
    for reason in TITLES:
        assert reason in DOCUMENT["x-problems"]
    check.validate(malformed("A sentence.").document())
    assert not check.is_valid({"title": "x"})
    assert f"{LARGEST_BODY:,}" in DOCUMENT["info"]["description"]


def test_comments_of_the_protocol_are_the_descriptions():
    fetch = DOCUMENT["paths"]["/a/v1/bundles/{bundle_id}"]["post"]
    assert "exactly once" in fetch["description"]
    field = DOCUMENT["components"]["schemas"]["keys.v1.SetUsernameRequest"]["properties"]["sealed_address"]
    assert "encrypted" in field["description"]
    assert field["maxLength"] == 684


def test_every_reason_of_the_product_has_a_title():
    service_only = {Reason.CALLER_NOT_ALLOWED}
    assert set(TITLES) | service_only == set(Reason)


@pytest.mark.asyncio(loop_scope="session")
async def test_it_is_served(stack):
    answer = await stack.send("GET", "/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.json == DOCUMENT
