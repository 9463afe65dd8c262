"""docs/protocol/post-quantum-ratchet.md: what follows from the seeds and headers of two sides that send in turn."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from .basics import hkdf, require


class Observer:
    """Knows the secret and every decapsulation seed, sees every header in order, and says which salt each has."""

    def __init__(self, secret: bytes) -> None:
        first = hkdf(None, secret, b"handshaker/v1/pq-ratchet-start", 96)
        self.epochs = [(first[:32], {"initiator": first[32:64], "responder": first[64:]})]
        self.seed = b""
        self.chunks: dict[int, dict[int, bytes]] = {1: {}, 2: {}}
        self.count = {1: 0, 2: 0}

    def salt(self, sender: str, header: bytes, seed: bytes | None) -> bytes:
        epoch, kind, index, chunk = int.from_bytes(header[:4], "big"), header[4], header[5], header[6:]
        require(len(chunk) == 148 and kind in {0, 1, 2} and index < 8)
        if seed is not None:
            self.seed, self.chunks, self.count = seed, {1: {}, 2: {}}, {1: 0, 2: 0}
        if epoch == len(self.epochs):
            self._step(epoch)
        if kind:
            require(epoch == len(self.epochs) - 1)
            beginner = "responder" if epoch % 2 else "initiator"
            require((sender == beginner) == (kind == 1))
            turn = self.count[kind]
            require(index == (turn + turn // 8) % 8)
            self.count[kind] += 1
            self.chunks[kind][index] = chunk
        else:
            require(index == 0 and chunk == bytes(148))
        return self.epochs[epoch][1][sender]

    def _step(self, epoch: int) -> None:
        key, answer = (b"".join(self.chunks[kind][index] for index in range(8)) for kind in (1, 2))
        private = MLKEM768PrivateKey.from_seed_bytes(self.seed)
        require(private.public_key().public_bytes_raw() == key)
        ciphertext, confirmation, zeros = answer[:1088], answer[1088:1120], answer[1120:]
        info = b"handshaker/v1/pq-ratchet-epoch" + epoch.to_bytes(4, "big")
        info += hashlib.sha256(key).digest() + hashlib.sha256(ciphertext).digest()
        output = hkdf(self.epochs[-1][0], private.decapsulate(ciphertext), info, 128)
        require(confirmation == output[96:] and zeros == bytes(64))
        self.epochs.append((output[:32], {"initiator": output[32:64], "responder": output[64:96]}))
