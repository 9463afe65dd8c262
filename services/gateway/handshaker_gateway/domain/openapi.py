"""The OpenAPI 3.1 document, made from the same descriptors as the routes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from handshaker_common.reasons import Reason
from handshaker_proto.comments import comment
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.domain import admission, bounds, problems, schemas
from handshaker_gateway.domain.media import Media
from handshaker_gateway.domain.problems import TITLES
from handshaker_gateway.domain.routes import Route, RouteTable
from handshaker_gateway.domain.transcoding import DETAILS

Json = dict[str, Any]
JSON_BASE = "application/json"
RESPONSES = "#/components/responses/"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
INTRODUCTION = f"""\
Two planes. Requests below /v1/ carry an access token; requests below /a/v1/ must not carry one, and some of them are
paid for with a proof of work or an anonymous token (the header field {admission.HEADER}).

Every route takes and gives application/json (bytes are base64url without padding) or application/x-protobuf: the
request message of the method, and the message of its granted outcome. Whatever is not granted is a problem document
(RFC 9457) with a stable `reason`.

Bounds: bodies {bounds.LARGEST_BODY:,} bytes, headers {bounds.LARGEST_HEADER:,} bytes and {bounds.MOST_FIELDS} fields,
a header within {bounds.HEADER_SECONDS:g} s, a body within {bounds.BODY_SECONDS:g} s, {bounds.MOST_REQUESTS} requests
on one connection, which is kept for {bounds.KEEP_ALIVE_SECONDS:g} s between two of them. No route takes a query.
"""
# Reasons with the status that the gateway itself gives them, wherever that route can meet them.
EVERYWHERE = {
    Reason.MALFORMED: 400,
    Reason.NOT_ACCEPTABLE: 406,
    Reason.UNKNOWN_HOST: 421,
    Reason.RATE_LIMITED: 429,
    Reason.HEADER_TOO_LARGE: 431,
    Reason.INTERNAL: 500,
    Reason.UNAVAILABLE: 503,
    Reason.LIMITER_UNAVAILABLE: 503,
    Reason.DEADLINE: 504,
}
WITH_BODY = {Reason.TOO_SLOW: 408, Reason.TOO_LARGE: 413, Reason.UNSUPPORTED_MEDIA_TYPE: 415}
ON_ACCOUNT_PLANE = {Reason.UNAUTHENTICATED: 401, Reason.CONFLICT: 409}
ON_ANONYMOUS_PLANE = {Reason.TOKEN_ON_ANONYMOUS_PLANE: 400}
WITH_ADMISSION = {Reason.ADMISSION_REFUSED: 403, Reason.ADMISSION_REQUIRED: 428}
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
WITH_RETRY_AFTER = {429, 503}


def document(table: RouteTable) -> bytes:
    """The document as JSON in UTF-8."""
    return json.dumps(describe(table), ensure_ascii=False, separators=(",", ":")).encode()


def describe(table: RouteTable) -> Json:
    """The document. `x-problems` explains each reason; problem documents refer to it by their `type`."""
    paths: Json = defaultdict(dict)
    for route in table.routes:
        paths[route.template][route.verb.lower()] = _operation(route)
    paths["/a/v1/ws"] = {"get": _socket()}
    paths |= _system_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Handshaker",
            "version": "1",
            "description": INTRODUCTION,
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(table.routes),
        "paths": dict(paths),
        "components": {
            "schemas": _all_schemas(table.routes),
            "responses": _referred_responses(paths),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "RFC 9068, EdDSA."}
            },
        },
        "x-problems": {
            reason.value: {"title": title} | ({"description": DETAILS[reason]} if reason in DETAILS else {})
            for reason, title in TITLES.items()
        },
    }


def _tags(routes: Iterable[Route]) -> list[Json]:
    services = {route.method.containing_service.full_name: route.method.containing_service.name for route in routes}
    return [{"name": name, "description": comment(full)} for full, name in services.items()]


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.method.name[0].lower() + route.method.name[1:],
        "tags": [route.method.containing_service.name],
        "security": [{"token": []}] if route.needs_token else [],
        "x-limiter": route.limiter.key,
        "responses": _responses(route),
    }
    text = comment(route.method.full_name)
    if text:
        operation["description"] = text
    parameters = [_path_parameter(field) for field in route.parameters.values()]
    if route.rule.admission != options_pb2.FREE:
        parameters.append(_admission_parameter(route.rule.admission))
    if parameters:
        operation["parameters"] = parameters
    if route.takes_body:
        operation["requestBody"] = _body(route)
    return operation


def _path_parameter(field: FieldDescriptor) -> Json:
    schema = schemas.field_schema(field)
    return {"name": field.name, "in": "path", "required": True, "schema": schema}


def _admission_parameter(purpose: "options_pb2.Admission.ValueType") -> Json:
    name, tokens = options_pb2.Admission.Name(purpose), admission.takes_tokens(purpose)
    work = f"{admission.WORK} [A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+"
    token = f"{admission.TOKEN} [A-Za-z0-9_-]{{472}}"
    return {
        "name": admission.HEADER,
        "in": "header",
        "required": True,
        "description": f"Pays for the request: a challenge for {name} from POST {admission.CHALLENGES} and its solution, "
        f"both in base64url{', or an anonymous token in base64url' if tokens else ''}. Good for one request.",
        "schema": {"type": "string", "pattern": f"^({work}|{token})$" if tokens else f"^{work}$"},
    }


def _body(route: Route) -> Json:
    return {
        "required": len(route.request.fields) > len(route.parameters),
        "content": {
            Media.JSON.value: {"schema": schemas.reference(route.request)},
            Media.PROTOBUF.value: {"schema": {"description": f"A {route.request.full_name}."}},
        },
    }


def _responses(route: Route) -> Json:
    granted = {
        "description": comment(route.success.full_name) or "Granted.",
        "content": {
            Media.JSON.value: {"schema": schemas.reference(route.success)},
            Media.PROTOBUF.value: {"schema": {"description": f"A {route.success.full_name}."}},
        },
    }
    reasons = EVERYWHERE | (ON_ACCOUNT_PLANE if route.needs_token else ON_ANONYMOUS_PLANE)
    reasons |= WITH_BODY if route.takes_body else {}
    reasons |= WITH_ADMISSION if route.rule.admission != options_pb2.FREE else {}
    pairs = [(status, reason) for reason, status in reasons.items()]
    pairs += [(refusal.http_status, Reason(refusal.reason)) for refusal in route.refusals]
    return {"200": granted} | _problem_responses(pairs)


def _problem_responses(pairs: Iterable[tuple[int, Reason]]) -> Json:
    """References to the responses of each status; the reasons in their names say which they are."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for status, reason in sorted(pairs):
        by_status[status].append(reason.value)
    return {str(status): {"$ref": f"{RESPONSES}{status}.{'.'.join(reasons)}"} for status, reasons in by_status.items()}


def _referred_responses(paths: Json) -> Json:
    """The responses that the operations refer to, once each."""
    references = {
        response["$ref"].removeprefix(RESPONSES)
        for operations in paths.values()
        for operation in operations.values()
        for response in operation["responses"].values()
        if "$ref" in response
    }
    found = {}
    for name in sorted(references):
        status, *reasons = name.split(".")
        found[name] = _problem_response(int(status), [Reason(reason) for reason in reasons])
    return found


def _problem_response(status: int, reasons: list[Reason]) -> Json:
    response: Json = {
        "description": "; ".join(f"`{reason.value}`: {TITLES[reason]}" for reason in reasons) + ".",
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {
                    "allOf": [PROBLEM],
                    "properties": {"reason": {"enum": [reason.value for reason in reasons]}},
                }
            }
        },
    }
    if status in WITH_RETRY_AFTER:
        response["headers"] = {"Retry-After": RETRY_AFTER}
    return response


def _socket() -> Json:
    reasons = EVERYWHERE | ON_ANONYMOUS_PLANE | {Reason.ORIGIN_NOT_ALLOWED: 403}
    del reasons[Reason.NOT_ACCEPTABLE]
    pairs = [(status, reason) for reason, status in reasons.items()]
    return {
        "operationId": "openSocket",
        "description": "WebSocket with the subprotocol handshaker.v1: binary messages of at most 64 KiB, each one "
        "handshaker.signaling.v1.ClientMessage or ServerMessage, without compression.",
        "security": [],
        "responses": {"101": {"description": "The connection is a WebSocket now."}} | _problem_responses(pairs),
    }


def _system_paths() -> Mapping[str, Json]:
    def get(name: str, text: str, schema: Json, more: Json | None = None) -> Json:
        content = {Media.JSON.value: {"schema": schema}}
        responses = {"200": {"description": text, "content": content}} | (more or {})
        return {"get": {"operationId": name, "security": [], "responses": responses}}

    readiness = {
        "type": "object",
        "required": ["ready", "missing"],
        "properties": {"ready": {"type": "boolean"}, "missing": {"type": "array", "items": {"type": "string"}}},
    }
    missing = {"503": {"description": "Something is missing.", "content": {JSON_BASE: {"schema": readiness}}}}
    anything: Json = {"type": "object"}
    away = _problem_responses([(503, Reason.UNAVAILABLE)])
    return {
        "/healthz": get("getHealth", "The process runs.", anything),
        "/readyz": get("getReadiness", "Requests can be served.", readiness, missing),
        "/.well-known/jwks.json": get("getKeySet", "The keys of access tokens, RFC 7517.", anything, away),
        "/openapi.json": get("getOpenApi", "This document.", anything),
    }


def _all_schemas(routes: Iterable[Route]) -> Json:
    found: Json = {"Problem": _problem_schema()}
    for route in routes:
        for message in schemas.reachable(route.success).values():
            found[schemas.name_of(message)] = schemas.message_schema(message, is_request=False)
    for route in routes:
        path = frozenset(field.name for field in route.parameters.values())
        for message in schemas.reachable(route.request).values():
            own = path if message is route.request else frozenset[str]()
            found[schemas.name_of(message)] = schemas.message_schema(message, is_request=True, from_path=own)
    return dict(sorted(found.items()))


def _problem_schema() -> Json:
    return {
        "type": "object",
        "description": "RFC 9457. Further members depend on the reason.",
        "required": ["type", "title", "status", "detail", "reason"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "reason": {"type": "string", "enum": [reason.value for reason in TITLES]},
        },
    }
