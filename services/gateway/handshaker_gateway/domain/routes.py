"""The route table, made from the `http` rules of the protocol's methods: nothing is routed that is not declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from handshaker_proto import rules
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.limiters import KeyedBy, Limiter

ACCOUNT_PREFIX = "/v1/"
ANONYMOUS_PREFIX = "/a/v1/"
OUTCOME = "outcome"
PARAMETER_TYPES = frozenset({FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING})
CLIENT_ERRORS = range(400, 500)
VERBS_WITH_BODY = frozenset({"POST", "PUT"})
VERBS = VERBS_WITH_BODY | {"GET", "DELETE"}


class BadRule(Exception):
    """A method's rule cannot be served; found when the table is made, never while it serves."""


@dataclass(frozen=True)
class Route:
    """One method of a service as the gateway serves it."""

    method: MethodDescriptor
    rule: options_pb2.MethodRule
    verb: str
    template: str

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path between slashes; those in braces stand for a field."""
        return tuple(self.template.strip("/").split("/"))

    @cached_property
    def parameters(self) -> Mapping[int, FieldDescriptor]:
        """The request's field for each position of `segments` that is in braces."""
        fields = self.request.fields_by_name
        return {i: fields[part[1:-1]] for i, part in enumerate(self.segments) if part.startswith("{")}

    @property
    def request(self) -> Descriptor:
        return self.method.input_type

    @property
    def response(self) -> Descriptor:
        return self.method.output_type

    @cached_property
    def request_class(self) -> type[Message]:
        return GetMessageClass(self.request)

    @cached_property
    def response_class(self) -> type[Message]:
        return GetMessageClass(self.response)

    @property
    def rpc(self) -> str:
        """The method's name on the wire of gRPC."""
        return rules.full_name(self.method)

    @property
    def service(self) -> str:
        """The short name of the service that owns the method: "auth" of handshaker.auth.v1."""
        return self.method.containing_service.file.package.split(".")[1]

    @property
    def needs_token(self) -> bool:
        """Whether the route stands on the account plane. On the anonymous plane a token is an error."""
        return bool(self.rule.plane == options_pb2.ACCOUNT)

    @property
    def takes_body(self) -> bool:
        return self.verb in VERBS_WITH_BODY

    @cached_property
    def limiter(self) -> Limiter:
        return Limiter.named(self.rule.limiter)

    @property
    def deadline(self) -> float:
        """Seconds that the service has for its answer."""
        return float(self.rule.deadline_ms) / 1000

    @cached_property
    def success(self) -> Descriptor:
        """What a granted request is answered with: the one arm of the outcome that is no refusal, or everything."""
        granted = [arm.message_type for arm in self.arms if rules.refusal(arm) is None]
        return granted[0] or self.response if granted else self.response

    @cached_property
    def refusals(self) -> tuple[options_pb2.Refusal, ...]:
        """What the service itself may answer instead."""
        return tuple(refusal for arm in self.arms if (refusal := rules.refusal(arm)) is not None)

    @property
    def arms(self) -> tuple[FieldDescriptor, ...]:
        """The fields of the response's `oneof outcome`; none where there is no such oneof."""
        outcome = self.response.oneofs_by_name.get(OUTCOME)
        return tuple(outcome.fields) if outcome is not None else ()


def route_of(method: MethodDescriptor) -> Route | None:
    """The route of a method; None for one that is between services only.

    Raises:
        BadRule: the rule contradicts itself or cannot be served.
    """
    rule = rules.method_rule(method)
    if not rule.http:
        return None
    verb, _, template = rule.http.partition(" ")
    route = Route(method, rule, verb, template)
    problem = _contradiction(route)
    if problem:
        raise BadRule(f"{rules.full_name(method)}: {problem}")
    return route


def _contradiction(route: Route) -> str | None:
    """What is wrong with the rule, as a clause; None when nothing is."""
    prefixes = {options_pb2.ACCOUNT: ACCOUNT_PREFIX, options_pb2.ANONYMOUS: ANONYMOUS_PREFIX}
    prefix = prefixes.get(route.rule.plane)
    if prefix is None or not route.template.startswith(prefix):
        return "the path is not below the prefix of its plane"
    if route.verb not in VERBS:
        return "the verb is not one that the gateway serves"
    if route.method.client_streaming or route.method.server_streaming:
        return "streams are not served over HTTP"
    if route.rule.deadline_ms == 0:
        return "there is no deadline"
    return _bad_path(route) or _bad_outcome(route) or _bad_price(route)


def _bad_path(route: Route) -> str | None:
    fields = route.request.fields_by_name
    named = [part[1:-1] for part in route.segments if part.startswith("{")]
    if any(name not in fields or fields[name].type not in PARAMETER_TYPES for name in named):
        return "a path parameter is not a bytes or string field of the request"
    if not route.takes_body and set(fields) != set(named):
        return "a request without a body has fields outside its path"
    return None


def _bad_outcome(route: Route) -> str | None:
    if route.arms and sum(rules.refusal(arm) is None for arm in route.arms) != 1:
        return "the outcome has not exactly one arm that grants"
    if any(refusal.reason == "" or refusal.http_status not in CLIENT_ERRORS for refusal in route.refusals):
        return "a refusal has no reason or no 4xx status"
    return None


def _bad_price(route: Route) -> str | None:
    try:
        limiter = route.limiter
    except KeyError:
        return f"there is no limiter of the name {route.rule.limiter!r}"
    if limiter.value.keyed_by is (KeyedBy.PREFIX if route.needs_token else KeyedBy.ACCOUNT):
        return f"the limiter {limiter.key} counts what its plane does not know"
    if limiter.value.keyed_by is KeyedBy.CONNECTION:
        return f"the limiter {limiter.key} is for WebSockets"
    if route.needs_token and route.rule.admission != options_pb2.FREE:
        return "an admission is asked for on the account plane"
    return None


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the raw texts that stand in its path, by field."""

    route: Route
    parameters: Mapping[FieldDescriptor, str]


@dataclass(frozen=True, slots=True)
class NoSuchMethod:
    """The path is served, with other verbs."""

    allowed: tuple[str, ...]


class RouteTable:
    """Finds the route for a request.

    Raises:
        BadRule: two routes cannot be told apart.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[tuple[str, ...], dict[str, Route]] = {}
        self._open: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in self.routes:
            shape = tuple("{}" if i in route.parameters else part for i, part in enumerate(route.segments))
            verbs = (self._open if route.parameters else self._fixed).setdefault(shape, {})
            if route.verb in verbs:
                raise BadRule(f"{route.rpc}: {route.verb} {route.template} is taken already")
            verbs[route.verb] = route

    def find(self, verb: str, path: str) -> Match | NoSuchMethod | None:
        """The match for a path as it stands in the request line (never decoded, without its query)."""
        if not path.startswith("/"):
            return None
        parts = tuple(path[1:].split("/"))
        verbs = self._fixed.get(parts) or self._find_open(parts)
        if verbs is None:
            return None
        route = verbs.get(verb)
        if route is None:
            return NoSuchMethod(tuple(sorted(verbs)))
        return Match(route, {field: parts[i] for i, field in route.parameters.items()})

    def _find_open(self, parts: tuple[str, ...]) -> dict[str, Route] | None:
        for shape, verbs in self._open.items():
            if len(shape) == len(parts) and all(
                part == fixed or (fixed == "{}" and part) for fixed, part in zip(shape, parts, strict=True)
            ):
                return verbs
        return None


def all_routes() -> tuple[Route, ...]:
    """The routes of the whole protocol, in its order."""
    return tuple(route for method in rules.all_methods() if (route := route_of(method)) is not None)
