"""Anonymous tokens: fetched with the account's login, spent without one.

The signatures themselves cannot be linked. What could give the two ends of a token away is when things happen, so

- the same number is asked for about once a day, whatever was spent: the server learns nothing of this device's calls
  from how many tokens its account takes,
- a token may be spent only a random while after it came, and in random order,
- the keys are fetched without the login, over a connection of their own, so that the server cannot hand this account a
  key that nobody else has without guessing who asks.

Where the server offers no tokens, or none is left, calls are paid for with work, as before.
"""

import asyncio

from handshaker_core.client.core import Core
from handshaker_core.client.events import Trouble
from handshaker_core.client.tokens import Session
from handshaker_core.errors import ProtocolError
from handshaker_core.net.errors import RefusedByServer
from handshaker_core.protocol import blind_tokens
from handshaker_core.protocol.blind_tokens import IssuerKey, PendingToken, Token
from handshaker_core.protocol.randomness import Randomness
from handshaker_core.store import Connection
from handshaker_core.store import tokens as stored

BATCH = 20
MOST = 60
EVERY_SECONDS = 86_400.0
"""From once a day to once in a day and a half, at random."""

SHORTEST_HOLD_SECONDS = 600.0
LONGEST_HOLD_SECONDS = 6 * 3_600.0
KEYS_AT_MOST = 2
"""A server that took tokens of many keys could give each account one of its own."""

_NO_TOKENS = {"not_found", "quota_exhausted", "unknown_issuer_key"}


async def refill(core: Core, session: Session) -> None:
    """Fetch the next tokens when it is time to. What a server gives that is none is told and not kept.

    Raises:
        LoggedOut.
        NetworkError.
    """
    if core.clock() < await core.store.run(stored.next_at):
        return
    keys: list[IssuerKey] = []
    fresh: list[Token] = []
    try:
        keys = [IssuerKey.parse(key) for key in await core.api.issuer_keys()][-KEYS_AT_MOST:]
        if keys:
            fresh = await _fetch(core, session, keys[-1])
    except RefusedByServer as error:
        if error.code not in _NO_TOKENS:
            raise
    except ProtocolError as error:
        core.hub.publish([Trouble("tokens", error.reason, str(error))])
    now, rng = core.clock(), core.rng
    held = [(token, now + uniform(rng, SHORTEST_HOLD_SECONDS, LONGEST_HOLD_SECONDS)) for token in fresh]
    again = now + uniform(rng, EVERY_SECONDS, 1.5 * EVERY_SECONDS)

    def keep(c: Connection) -> None:
        stored.add(c, held)
        stored.forget_all_but(c, [key.key_id for key in keys], MOST)
        stored.set_next_at(c, again)

    await core.store.run(keep)


async def _fetch(core: Core, session: Session, key: IssuerKey) -> list[Token]:
    # Blinding takes milliseconds for each; a thread keeps messages going meanwhile.
    pending = await asyncio.to_thread(_begin, key, core.rng)
    blinded = [one.blinded.message for one in pending]
    signed = await session.call(lambda token: core.api.issue_tokens(token, key.key_id, blinded))
    return [one.finish(each) for one, each in zip(pending, signed, strict=True)]


def _begin(key: IssuerKey, rng: Randomness) -> list[PendingToken]:
    return [blind_tokens.request(key, rng) for _ in range(BATCH)]


def uniform(rng: Randomness, least: float, most: float) -> float:
    """A number between the two, every one as likely as any other."""
    return least + (most - least) * int.from_bytes(rng(7), "big") / 2**56
