"""From a request to the message that a service gets, and from its response to the answer."""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from handshaker_common.reasons import Reason
from handshaker_common.validation import check
from handshaker_proto import rules

from handshaker_gateway.domain import json_codec, protobuf_codec
from handshaker_gateway.domain.malformed import Malformed
from handshaker_gateway.domain.media import Media
from handshaker_gateway.domain.problems import INTERNAL, Problem
from handshaker_gateway.domain.routes import OUTCOME, Match, Route

# What a person is told beside the title of a refusal.
DETAILS = {
    Reason.REFUSED: "Unknown, forbidden and blocked are one answer: the server does not say which it was.",
    Reason.BAD_PROOF: "Sign what the protocol asks for with the private half of the key that is sent.",
    Reason.ALREADY_REGISTERED: "Log in with this device key instead.",
    Reason.NOT_PRIMARY: "Ask from the primary device.",
    Reason.KEY_TAKEN: "Use a fresh device key.",
    Reason.TOO_MANY_DEVICES: "Remove a device first.",
    Reason.ALREADY_SET: "The recovery key of an account is set once.",
    Reason.UNKNOWN_ISSUER_KEY: "Get the keys with GET /a/v1/issuer-keys; the last one signs.",
    Reason.QUOTA_EXHAUSTED: "Ask for fewer, or tomorrow; until then calls can be paid for with proofs of work.",
    Reason.USERNAME_TAKEN: "Choose another name or other digits.",
}


def request_message(match: Match, media: Media | None, body: bytes) -> Message:
    """The message for the service, whole and within the limits that its fields declare.

    A field that stands in the path may stand in the body, too, where it says the same.

    Raises:
        Malformed: path or body are not of their form.
    """
    message = match.route.request_class()
    if body and media is Media.JSON:
        json_codec.read(json_codec.parse(body), message)
    elif body:
        protobuf_codec.read(body, message)
    for field, text in match.parameters.items():
        value = _parameter(field, text)
        if getattr(message, field.name) not in (field.default_value, value):
            raise Malformed(f"{field.name} says one thing in the path and another in the body.")
        setattr(message, field.name, value)
    sentence = check(message)
    if sentence is not None:
        raise Malformed(sentence)
    return message


def _parameter(field: FieldDescriptor, text: str) -> bytes | str:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return json_codec.bytes_from(text, f"{field.name} (in the path)")
    return json_codec.text_from(text, f"{field.name} (in the path)")


def answer(route: Route, response: Message) -> Message | Problem:
    """What the client gets: the granted outcome's message, or a problem for a refusal.

    What fields a refusal has become members of the problem document.
    """
    if not route.arms:
        return response
    name = response.WhichOneof(OUTCOME)
    if name is None:
        return INTERNAL
    arm: Message = getattr(response, name)
    refusal = rules.refusal(route.response.fields_by_name[name])
    if refusal is None:
        return arm
    reason = Reason(refusal.reason)
    return Problem(refusal.http_status, reason, DETAILS[reason], more=json_codec.write(arm))
