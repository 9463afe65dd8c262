"""Anonymous tokens over HTTP: got with a login, spent without one, in the place of a proof of work."""

import secrets

import pytest
from handshaker_core.protocol import blind_tokens
from handshaker_gateway.domain import base64url

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("fresh_limits")]
LOOKUP = "/a/v1/usernames/lookup"
NOBODY = {"lookup_hash": base64url.encode(bytes(32))}


async def take(stack, person, count=1):
    """Tokens as a client gets them, as header fields."""
    keys = await stack.send("GET", "/a/v1/issuer-keys")
    key = blind_tokens.IssuerKey.parse(base64url.decode(keys.json["keys"][-1]["public_key"]))
    pending = [blind_tokens.request(key, secrets.token_bytes) for _ in range(count)]
    body = {
        "issuer_key_id": base64url.encode(key.key_id),
        "blinded_messages": [base64url.encode(one.blinded.message) for one in pending],
    }
    answer = await stack.send("POST", "/v1/tokens", body, token=person.token)
    assert answer.status == 200, answer.body
    signed = [base64url.decode(text) for text in answer.json["blind_signatures"]]
    return [f"token {base64url.encode(one.finish(each))}" for one, each in zip(pending, signed, strict=True)]


async def test_a_token_pays_for_one_request(stack, person):
    first, second = await take(stack, person, 2)
    answers = [await stack.send("POST", LOOKUP, NOBODY, admission=token) for token in (first, first, second)]
    assert [answer.reason for answer in answers] == ["refused", "admission_refused", "refused"]
    assert answers[1].status == 403


async def test_a_token_is_no_login_and_a_login_is_no_token(stack, person):
    (token,) = await take(stack, person)
    both = await stack.send("POST", LOOKUP, NOBODY, admission=token, token=person.token)
    assert (both.status, both.reason) == (400, "token_on_anonymous_plane")
    scheme, _, value = token.partition(" ")
    private = await stack.send("POST", LOOKUP, NOBODY, headers={"Authorization": f'PrivateToken token="{value}"'})
    assert private.reason in {"token_on_anonymous_plane", "admission_required"}
    assert (await stack.send("POST", LOOKUP, NOBODY, admission=f"{scheme} {value}")).reason == "refused"


@pytest.mark.parametrize(
    "admission", ["token", "token ", "token AAAA", "token !", f"token {'A' * 471}", "token " + "A" * 476]
)
async def test_malformed_tokens(stack, admission):
    answer = await stack.send("POST", LOOKUP, NOBODY, admission=admission)
    assert (answer.status, answer.reason) == (400, "malformed")
    assert "token" in answer.json["detail"]


async def test_a_forged_token_is_refused_like_any_other_admission(stack, person):
    (token,) = await take(stack, person)
    forged = f"token {'A' * 472}"
    answer = await stack.send("POST", LOOKUP, NOBODY, admission=forged)
    spent = await stack.pay("LOOKUP")
    for _ in range(2):
        worked = await stack.send("POST", LOOKUP, NOBODY, admission=spent)
    assert answer.json == worked.json
    assert (await stack.send("POST", LOOKUP, NOBODY, admission=token)).reason == "refused"


async def test_tokens_do_not_pay_for_accounts(stack, person):
    (token,) = await take(stack, person)
    body = {"device_public_key": base64url.encode(bytes(32)), "proof": base64url.encode(bytes(64))}
    answer = await stack.send("POST", "/a/v1/accounts", body, admission=token)
    assert (answer.status, answer.reason) == (403, "admission_refused")
    unpaid = await stack.send("POST", "/a/v1/accounts", body)
    assert "token" not in unpaid.json["detail"]
    assert "token" in (await stack.send("POST", LOOKUP, NOBODY)).json["detail"]
    assert (await stack.send("POST", LOOKUP, NOBODY, admission=token)).reason == "refused"


async def test_the_quota_is_a_problem_with_its_own_reason(stack, person):
    quota = (await stack.send("GET", "/a/v1/issuer-keys")).json["daily_quota"]
    got = 0
    while got + 32 <= quota:
        got += len(await take(stack, person, 32))
    with pytest.raises(AssertionError, match="quota_exhausted"):
        await take(stack, person, 32)
    assert len(await take(stack, person, quota - got)) == quota - got
