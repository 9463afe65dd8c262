"""RSA blind signatures, the signer's half (RFC 9474 section 4.3).

`cryptography` offers no RSA without padding, so that the private operation is done here, on GMP's constant-time power:

- what is raised to the private exponent was multiplied with a fresh random factor first, so that its timing says
  nothing about what the caller sent,
- with the Chinese remainder theorem, four times as fast,
- and the result is checked with the public key before it leaves: a fault of the machine in one half would otherwise
  give the factors of the modulus away (Boneh, DeMillo and Lipton, 1997).
"""

from dataclasses import dataclass, field

import gmpy2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from handshaker_common.entropy import Entropy


class BlindSigningError(Exception):
    """Root of what can go wrong with a blind signature."""


class OutOfRange(BlindSigningError):
    """The blinded message is not a number from 1 to n-1 in as many bytes as the modulus has."""


class SigningFault(BlindSigningError):
    """The machine has miscalculated; the result was thrown away."""


@dataclass(frozen=True)
class BlindSigner:
    """A private key that signs what it does not see."""

    n: int
    e: int
    p: int = field(repr=False)
    q: int = field(repr=False)
    d_p: int = field(repr=False)
    d_q: int = field(repr=False)
    q_inverse: int = field(repr=False)

    @classmethod
    def of(cls, key: RSAPrivateKey) -> "BlindSigner":
        """The signer of a private key."""
        private = key.private_numbers()
        public = private.public_numbers
        return cls(public.n, public.e, private.p, private.q, private.dmp1, private.dmq1, private.iqmp)

    @property
    def size(self) -> int:
        """Length of blinded messages and blind signatures, in bytes."""
        return (self.n.bit_length() + 7) // 8

    def in_range(self, blinded: bytes) -> bool:
        """Whether `sign` takes it."""
        return len(blinded) == self.size and 0 < int.from_bytes(blinded) < self.n

    def sign(self, blinded: bytes, entropy: Entropy) -> bytes:
        """The blind signature, as long as the modulus. About two milliseconds with 2,048 bits.

        Raises:
            OutOfRange: `blinded` is no message that a client can have made.
            SigningFault: the machine has miscalculated.
        """
        if not self.in_range(blinded):
            raise OutOfRange
        message = int.from_bytes(blinded)
        factor = self._factor(entropy)
        hidden = message * gmpy2.powmod(factor, self.e, self.n) % self.n
        signature = self._power(int(hidden)) * gmpy2.invert(factor, self.n) % self.n
        if gmpy2.powmod(signature, self.e, self.n) != message:
            raise SigningFault
        return int(signature).to_bytes(self.size)

    def _power(self, number: int) -> gmpy2.mpz:
        """number^d mod n (RFC 8017 section 5.1.2, step 2b)."""
        of_p = gmpy2.powmod_sec(number % self.p, self.d_p, self.p)
        of_q = gmpy2.powmod_sec(number % self.q, self.d_q, self.q)
        return of_q + self.q * ((of_p - of_q) * self.q_inverse % self.p)

    def _factor(self, entropy: Entropy) -> int:
        """Uniform in 1..n-1; that it has no inverse happens to nobody who does not know p and q."""
        while True:
            factor = int.from_bytes(entropy(self.size))
            if 0 < factor < self.n:
                return factor
