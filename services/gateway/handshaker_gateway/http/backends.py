"""Calls to the services behind the gateway."""

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from handshaker_common.channels import Channels
from handshaker_proto.auth.v1 import auth_pb2, auth_pb2_grpc
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.domain import admission
from handshaker_gateway.domain.problems import UNAVAILABLE, Problem, Refusal
from handshaker_gateway.domain.routes import Route
from handshaker_gateway.domain.rpc_errors import problem_of


class Backends:
    """The services by their routes."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[Message, Message]] = {}

    async def call(self, route: Route, message: Message, token: str | None) -> Message:
        """The service's response.

        `token` goes along on the account plane, so that the service checks it for itself.

        Raises:
            Refusal: the call failed.
        """
        metadata = (("authorization", f"Bearer {token}"),) if token is not None else None
        try:
            return await self._call(route)(message, timeout=route.deadline, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise Refusal(problem_from(error)) from None

    async def redeem(self, request: auth_pb2.RedeemRequest) -> None:
        """Spends an admission at auth.

        Raises:
            Refusal: auth does not take it, or does not answer.
        """
        stub = auth_pb2_grpc.AdmissionServiceStub(self._channels.channel(options_pb2.AUTH))
        try:
            response = await stub.Redeem(request)
        except grpc.aio.AioRpcError as error:
            raise Refusal(problem_from(error)) from None
        if not response.HasField("admitted"):
            raise Refusal(admission.refused(request.purpose))

    def _call(self, route: Route) -> "grpc.aio.UnaryUnaryMultiCallable[Message, Message]":
        if route.rpc not in self._calls:
            peer = options_pb2.Peer.Value(route.service.upper())
            if not self._channels.target(peer):
                raise Refusal(UNAVAILABLE)
            self._calls[route.rpc] = self._channels.channel(peer).unary_unary(
                route.rpc,
                request_serializer=route.request_class.SerializeToString,
                response_deserializer=route.response_class.FromString,
            )
        return self._calls[route.rpc]


def problem_from(error: grpc.aio.AioRpcError) -> Problem:
    """The problem for a failed call, from its status and the details that came with it."""
    reason, retry_after = None, None
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details that contradict the status: not one of ours
        status = None
    for detail in status.details if status is not None else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    return problem_of(error.code().name, reason, error.details() or "", retry_after)
