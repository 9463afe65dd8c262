"""The post-quantum ratchet through three epochs."""

from handshaker_core.protocol import pq_ratchet
from handshaker_core.protocol.keys import SharedSecret
from handshaker_core.protocol.pq_ratchet import Role, Trigger

from generator.fixed import Json, Stream, fixed, must

MESSAGES = 76
TRIGGER = Trigger(messages=6, seconds=7 * 24 * 3600)


def post_quantum() -> Json:
    """Both sides send in turn and every message arrives. An exchange begins after 6 messages, to keep the file small."""
    secret, now = SharedSecret(fixed("post-quantum secret")), 1_800_000_000
    rng = Stream("post-quantum ratchet")
    states = {role: pq_ratchet.start(secret, role, now) for role in Role}
    messages = []
    for number in range(MESSAGES):
        sender = Role.RESPONDER if number % 2 else Role.INITIATOR
        states[sender], header, salt = pq_ratchet.send(states[sender], now, rng, trigger=TRIGGER)
        receiver = states[sender.other]
        must(pq_ratchet.salt_for(receiver, header) == salt)
        states[sender.other] = pq_ratchet.absorb(receiver, header, now)
        messages.append(
            {
                "sender": sender.name.lower(),
                "new_decapsulation_seed": next(iter(rng.drain()), None),
                "header": header.encode().hex(),
                "salt": salt.raw.hex(),
            }
        )
    must({state.epoch for state in states.values()} == {2})
    return {
        "page": "post-quantum-ratchet.md",
        "secret": secret.raw.hex(),
        "begins_after_messages": TRIGGER.messages,
        "messages": messages,
    }
