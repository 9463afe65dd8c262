"""What stands before every method: metrics, one form of errors, who may call, which plane, how large.

One interceptor wraps each handler once, with what its method's rule says worked out beforehand.
"""

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from handshaker_proto.options.v1 import options_pb2
from handshaker_proto.rules import all_methods, full_name, method_rule, refusal

from handshaker_common import metrics
from handshaker_common.channels import peer_name, spiffe_id, tls_name
from handshaker_common.errors import InvalidArgument, Rejected, Unauthenticated, Unavailable
from handshaker_common.identity import Identity, set_caller
from handshaker_common.log import get_logger, where
from handshaker_common.reasons import Reason
from handshaker_common.tokens import InvalidToken
from handshaker_common.validation import check

ERROR_DOMAIN = "handshaker"
BEARER = "Bearer "
Context = Any


class Verifier(Protocol):
    """Checks access tokens; `KeySetSource` is one."""

    async def verify(self, token: str) -> Identity: ...


def to_status(error: Rejected) -> grpc.Status:
    """The gRPC status of an error: its code and one google.rpc.ErrorInfo, with a RetryInfo where there is a time."""
    info = error_details_pb2.ErrorInfo(reason=str(error.reason), domain=ERROR_DOMAIN)
    details = [info]
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        holder = any_pb2.Any()
        holder.Pack(detail)
        packed.append(holder)
    code = code_pb2.Code.Value(error.code.name)
    status: grpc.Status = rpc_status.to_status(status_pb2.Status(code=code, message=error.sentence, details=packed))
    return status


def outcome_of(response: Message) -> str | None:
    """The arm of `oneof outcome` that a response took, as its reason or its name; None without such a oneof."""
    oneof = response.DESCRIPTOR.oneofs_by_name.get("outcome")
    if oneof is None:
        return None
    arm = response.WhichOneof("outcome")
    if arm is None:
        return "none"
    refused = refusal(response.DESCRIPTOR.fields_by_name[arm])
    return refused.reason if refused is not None else str(arm)


def require_limits(request: Message) -> None:
    """Raises InvalidArgument when a field breaks the limits that it declares."""
    problem = check(request)
    if problem is not None:
        raise InvalidArgument(Reason.MALFORMED, problem)


class Guard(grpc.aio.ServerInterceptor):
    """Wraps every method of the protocol; health and reflection pass through."""

    def __init__(self, *, verifier: Verifier | None, check_callers: bool) -> None:
        self._verifier = verifier
        self._check_callers = check_callers
        self._methods = {full_name(method): method for method in all_methods()}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = self._methods.get(str(handler_call_details.method))
        if handler is None or method is None:
            return handler
        guarded = Guarded(method, self._verifier, check_callers=self._check_callers)
        kinds: dict[tuple[bool, bool], tuple[str, Any]] = {
            (False, False): ("unary_unary", guarded.unary),
            (False, True): ("unary_stream", guarded.streaming),
            (True, False): ("stream_unary", guarded.unary),
            (True, True): ("stream_stream", guarded.streaming),
        }
        kind, wrap = kinds[handler.request_streaming, handler.response_streaming]
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            wrap(getattr(handler, kind)),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class Guarded:
    """One method with its rule."""

    def __init__(self, method: MethodDescriptor, verifier: Verifier | None, *, check_callers: bool) -> None:
        rule = method_rule(method)
        self._labels = (method.containing_service.full_name, method.name)
        self._name = full_name(method)
        self._plane = rule.plane
        self._verifier = verifier
        # Authorities that cannot put a URI into a certificate (Helm's, for one) name the service by its DNS name alone.
        names = [peer_name(peer) for peer in rule.callers]
        self._callers = frozenset(form(name).encode() for name in names for form in (spiffe_id, tls_name))
        self._check_callers = check_callers

    async def admit(self, context: Context) -> None:
        """Refuses callers without the right certificate or on the wrong plane; sets the identity."""
        if self._check_callers:
            names = context.auth_context().get("x509_subject_alternative_name", [])
            if self._callers.isdisjoint(names):
                raise Unauthenticated(Reason.CALLER_NOT_ALLOWED, "This service may not call this method.")
        token = next((value for key, value in context.invocation_metadata() or () if key == "authorization"), None)
        set_caller(None)
        if self._plane != options_pb2.ACCOUNT:
            if token is not None:
                raise Unauthenticated(
                    Reason.TOKEN_ON_ANONYMOUS_PLANE, "An access token has no place on the anonymous plane."
                )
            return
        if not isinstance(token, str) or not token.startswith(BEARER) or self._verifier is None:
            raise Unauthenticated(Reason.UNAUTHENTICATED, "This call needs an access token.")
        try:
            set_caller(await self._verifier.verify(token.removeprefix(BEARER)))
        except InvalidToken:
            raise Unauthenticated(Reason.UNAUTHENTICATED, "The access token is not valid.") from None

    async def fail(self, error: BaseException, context: Context) -> str:
        """Ends the call with the status of the error; returns the code for the metrics."""
        if not isinstance(error, Rejected):
            get_logger().error("a call failed", method=self._name, **where(error))
            error = Unavailable(Reason.INTERNAL, "The server made a mistake; it is in its log.")
        status = to_status(error)
        metrics.RPC_HANDLED.labels(*self._labels, error.code.name).inc()
        await context.abort(status.code, status.details, status.trailing_metadata)
        return error.code.name

    def unary(self, behaviour: Callable[[Any, Context], Awaitable[Message]]) -> Callable[[Any, Context], Any]:
        """Wraps a method that answers once."""
        seconds = metrics.RPC_SECONDS.labels(*self._labels)

        async def handle(request: Any, context: Context) -> Message | None:
            started = time.monotonic()
            metrics.RPC_STARTED.labels(*self._labels).inc()
            try:
                await self.admit(context)
                if isinstance(request, Message):
                    require_limits(request)
                response = await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - every error leaves in one form
                await self.fail(error, context)
                return None
            seconds.observe(time.monotonic() - started)
            metrics.RPC_HANDLED.labels(*self._labels, "OK").inc()
            outcome = outcome_of(response)
            if outcome is not None:
                metrics.OUTCOMES.labels(*self._labels, outcome).inc()
            return response

        return handle

    def streaming(self, behaviour: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Any]:
        """Wraps a method that answers with a stream, written as a coroutine or as an asynchronous generator."""
        generator = inspect.isasyncgenfunction(behaviour)

        async def handle_coroutine(request: Any, context: Context) -> None:
            metrics.RPC_STARTED.labels(*self._labels).inc()
            try:
                await self.admit(context)
                await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001
                await self.fail(error, context)
                return
            metrics.RPC_HANDLED.labels(*self._labels, "OK").inc()

        async def handle_generator(request: Any, context: Context) -> AsyncIterator[Message]:
            metrics.RPC_STARTED.labels(*self._labels).inc()
            try:
                await self.admit(context)
                async for response in behaviour(request, context):
                    yield response
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001
                await self.fail(error, context)
                return
            metrics.RPC_HANDLED.labels(*self._labels, "OK").inc()

        return handle_generator if generator else handle_coroutine
