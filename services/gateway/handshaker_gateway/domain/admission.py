"""The header field `Admission`: what an anonymous request pays with.

    Admission: pow <challenge>.<nonce>
    Admission: token <token>

All parts are base64url. The challenge comes from POST /a/v1/challenges for one purpose; SHA-256(challenge || nonce)
must begin with as many zero bits as it asks for. The token is a Privacy Pass token (RFC 9577) that an account got from
POST /v1/tokens; it pays for any purpose but a registration. It does not stand in `Authorization: PrivateToken`, because
an anonymous request has no such field here: what stands there names an account.
"""

from handshaker_common.reasons import Reason
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.options.v1 import options_pb2

from handshaker_gateway.domain import base64url
from handshaker_gateway.domain.malformed import Malformed
from handshaker_gateway.domain.problems import Problem

HEADER = "Admission"
WORK = "pow"
TOKEN = "token"
CHALLENGES = "/a/v1/challenges"
LARGEST_CHALLENGE = 128
NONCE_SIZE = 8
TOKEN_SIZE = 354


def required(purpose: "options_pb2.Admission.ValueType") -> Problem:
    """The answer to a request that comes without an admission.

    428 (RFC 6585) and not 401 or 403: the same request goes through once something is added to it, and that is
    neither a login nor a matter of who asks.
    """
    name = options_pb2.Admission.Name(purpose)
    sentence = (
        f"Get a challenge for the purpose {name} with POST {CHALLENGES}, solve it, and repeat the request with the "
        f"header field {HEADER}: {WORK} <challenge>.<nonce>, both in base64url{_or_a_token(purpose)}."
    )
    more = {"purpose": name, "challenges": CHALLENGES}
    return Problem(428, Reason.ADMISSION_REQUIRED, sentence, more=more)


def refused(purpose: "options_pb2.Admission.ValueType") -> Problem:
    """The answer to an admission that is spent, expired, for another purpose or wrong: one answer for all."""
    name = options_pb2.Admission.Name(purpose)
    sentence = f"The admission is wrong, expired, spent or for another purpose than {name}. Get a new challenge."
    return Problem(403, Reason.ADMISSION_REFUSED, sentence, more={"purpose": name, "challenges": CHALLENGES})


def read(header: str, purpose: "options_pb2.Admission.ValueType") -> auth_pb2.RedeemRequest:
    """What auth is asked to redeem.

    Raises:
        Malformed: the field is not of its form.
    """
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == TOKEN:
        return _read_token(rest, purpose)
    first, _, second = rest.partition(".")
    challenge, nonce = base64url.decode(first), base64url.decode(second)
    if scheme.lower() != WORK or not challenge or not nonce:
        raise Malformed(
            f"The header field {HEADER} must be: {WORK} <challenge>.<nonce>, or: {TOKEN} <token>, all in base64url."
        )
    if len(challenge) > LARGEST_CHALLENGE or len(nonce) != NONCE_SIZE:
        raise Malformed(
            f"The header field {HEADER} must hold a challenge of at most {LARGEST_CHALLENGE} bytes and a nonce of "
            f"{NONCE_SIZE} bytes."
        )
    work = auth_pb2.ProofOfWork(challenge=challenge, nonce=nonce)
    return auth_pb2.RedeemRequest(purpose=purpose, proof_of_work=work)


def takes_tokens(purpose: "options_pb2.Admission.ValueType") -> bool:
    """Whether a token pays for it, as auth decides: accounts do not pay for accounts."""
    return purpose != options_pb2.REGISTRATION


def _or_a_token(purpose: "options_pb2.Admission.ValueType") -> str:
    return f"; or with {HEADER}: {TOKEN} <token>, an anonymous token in base64url" if takes_tokens(purpose) else ""


def _read_token(text: str, purpose: "options_pb2.Admission.ValueType") -> auth_pb2.RedeemRequest:
    token = base64url.decode(text)
    if token is None or len(token) != TOKEN_SIZE:
        raise Malformed(f"The header field {HEADER} must hold a token of {TOKEN_SIZE} bytes in base64url.")
    return auth_pb2.RedeemRequest(purpose=purpose, token=token)
