"""The same conversation with an independent implementation of the Double Ratchet on the other side (Syndace's)."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import doubleratchet
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from doubleratchet.recommended import HashFunction, diffie_hellman_ratchet_curve25519, kdf_hkdf, kdf_separate_hmacs
from handshaker_core.errors import DuplicateMessage, ProtocolError
from handshaker_core.protocol import double_ratchet
from handshaker_core.protocol.double_ratchet import DoubleRatchetState
from handshaker_core.protocol.header import Header
from handshaker_core.protocol.keys import RatchetKeyPair, SharedSecret, X25519PublicKey
from handshaker_core.protocol.labels import Label
from handshaker_core.protocol.profile import HANDSHAKER_V1, FixedHeader
from handshaker_core.protocol.randomness import system_randomness
from handshaker_core.protocol.skipped_keys import MAX_STORED

AD = b"both identities"
CLASSICAL = replace(HANDSHAKER_V1, framing=FixedHeader(0))
SECRET = b"\x17" * 32


class RootKdf(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return Label.RATCHET_ROOT.value


class ChainKdf(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


class Aead(doubleratchet.AEAD):
    @staticmethod
    def _split(key: bytes) -> tuple[AESGCM, bytes]:
        material = HKDF(SHA256(), 44, None, Label.RATCHET_MESSAGE_KEY.value).derive(key)
        return AESGCM(material[:32]), material[32:]

    @staticmethod
    async def encrypt(plaintext: bytes, key: bytes, associated_data: bytes) -> bytes:
        cipher, nonce = Aead._split(key)
        return cipher.encrypt(nonce, plaintext, associated_data)

    @staticmethod
    async def decrypt(ciphertext: bytes, key: bytes, associated_data: bytes) -> bytes:
        cipher, nonce = Aead._split(key)
        try:
            return cipher.decrypt(nonce, ciphertext, associated_data)
        except InvalidTag:
            raise doubleratchet.AuthenticationFailedException from None


def encode(header: doubleratchet.Header) -> bytes:
    key = X25519PublicKey(header.ratchet_pub)
    return Header(key, header.previous_sending_chain_length, header.sending_chain_length).encode()


class Theirs(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: doubleratchet.Header) -> bytes:
        return associated_data + encode(header)


CONFIGURATION: dict[str, Any] = {
    "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
    "root_chain_kdf": RootKdf,
    "message_chain_kdf": ChainKdf,
    "message_chain_constant": b"\x02\x01",
    "dos_protection_threshold": MAX_STORED,
    "max_num_skipped_message_keys": MAX_STORED,
    "aead": Aead,
}


def to_theirs(message: bytes) -> doubleratchet.EncryptedMessage:
    header, _, ciphertext = CLASSICAL.framing.split(message)
    their_header = doubleratchet.Header(header.ratchet_key.raw, header.previous_chain_length, header.number)
    return doubleratchet.EncryptedMessage(their_header, ciphertext)


def to_ours(message: doubleratchet.EncryptedMessage) -> bytes:
    return encode(message.header) + message.ciphertext


async def begin(ours_initiates: bool) -> tuple[DoubleRatchetState, Theirs]:
    """One message from the initiator to the responder."""
    prekey = RatchetKeyPair.generate(system_randomness)
    if ours_initiates:
        ours = double_ratchet.initiate(CLASSICAL, SharedSecret(SECRET), prekey.public, system_randomness)
        ours, message, _ = double_ratchet.encrypt(CLASSICAL, ours, b"first", AD, system_randomness)
        theirs, text = await Theirs.decrypt_initial_message(
            **CONFIGURATION,
            shared_secret=SECRET,
            own_ratchet_priv=prekey.private.raw,
            message=to_theirs(message),
            associated_data=AD,
        )
    else:
        theirs, encrypted = await Theirs.encrypt_initial_message(
            **CONFIGURATION,
            shared_secret=SECRET,
            recipient_ratchet_pub=prekey.public.raw,
            message=b"first",
            associated_data=AD,
        )
        ours = double_ratchet.respond(SharedSecret(SECRET), prekey)
        ours, text, _ = double_ratchet.decrypt(CLASSICAL, ours, double_ratchet.parse(CLASSICAL, to_ours(encrypted)), AD)
    assert text == b"first"
    return ours, theirs


async def converse(seed: int, ours_initiates: bool, messages: int) -> tuple[int, int]:
    """A random conversation with reordering and loss; how many messages each side decrypted."""
    chance = random.Random(seed)
    ours, theirs = await begin(ours_initiates)
    for_us: list[tuple[bytes, bytes]] = []
    for_them: list[tuple[bytes, bytes]] = []
    decrypted = [0, 0]
    for number in range(messages):
        text = b"message %d" % number
        if chance.random() < 0.5:
            ours, message, _ = double_ratchet.encrypt(CLASSICAL, ours, text, AD, system_randomness)
            for_them.append((message, text))
        else:
            for_us.append((to_ours(await theirs.encrypt_message(text, AD)), text))
        while for_us and chance.random() < 0.6:
            message, expected = for_us.pop(chance.randrange(min(len(for_us), 8)))
            if chance.random() < 0.85:
                ours, text, _ = double_ratchet.decrypt(CLASSICAL, ours, double_ratchet.parse(CLASSICAL, message), AD)
                assert text == expected
                decrypted[0] += 1
                with pytest.raises(DuplicateMessage):
                    double_ratchet.decrypt(CLASSICAL, ours, double_ratchet.parse(CLASSICAL, message), AD)
        while for_them and chance.random() < 0.6:
            message, expected = for_them.pop(chance.randrange(min(len(for_them), 8)))
            if chance.random() < 0.85:
                assert await theirs.decrypt_message(to_theirs(message), AD) == expected
                decrypted[1] += 1
    return decrypted[0], decrypted[1]


@pytest.mark.parametrize("ours_initiates", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_conversation_with_an_independent_implementation(seed: int, ours_initiates: bool) -> None:
    by_us, by_them = asyncio.run(converse(seed, ours_initiates, 1_200))
    assert by_us > 400
    assert by_them > 400


def test_both_implementations_refuse_the_same_forgery() -> None:
    async def run() -> None:
        ours, theirs = await begin(ours_initiates=True)
        ours, message, _ = double_ratchet.encrypt(CLASSICAL, ours, b"text", AD, system_randomness)
        forged = message[:-1] + bytes([message[-1] ^ 1])
        with pytest.raises(doubleratchet.AuthenticationFailedException):
            await theirs.decrypt_message(to_theirs(forged), AD)
        assert await theirs.decrypt_message(to_theirs(message), AD) == b"text"
        answer = to_ours(await theirs.encrypt_message(b"answer", AD))
        with pytest.raises(ProtocolError):
            double_ratchet.decrypt(
                CLASSICAL, ours, double_ratchet.parse(CLASSICAL, answer[:-1] + bytes([answer[-1] ^ 1])), AD
            )
        assert double_ratchet.decrypt(CLASSICAL, ours, double_ratchet.parse(CLASSICAL, answer), AD)[1] == b"answer"

    asyncio.run(run())
