"""Sources on top of sources: decryption with the integrity check at the end, and decompression with a limit."""

import hashlib
import hmac
import zlib

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from handshaker_core.openpgp.ecdh import SessionKey
from handshaker_core.openpgp.errors import MalformedOpenPgp, OpenPgpTampered, OpenPgpTooLarge, UnsupportedOpenPgp
from handshaker_core.openpgp.packets import Source, take
from handshaker_core.openpgp.registry import CHUNK, MAX_INFLATED, Compression
from handshaker_core.openpgp.writing import BLOCK_SIZE, MDC_HEAD, MDC_SIZE, SEIPD_VERSION

_PREFIX_SIZE = BLOCK_SIZE + 2


class Decrypted:
    """The content of an encrypted, integrity-protected packet (RFC 9580, section 5.13.1).

    Its last bytes are held back: they are the integrity check, and no content. Whoever reads to the end without an
    exception has seen what was encrypted.
    """

    def __init__(self, source: Source, session: SessionKey) -> None:
        if take(source, 1)[0] != SEIPD_VERSION:
            raise UnsupportedOpenPgp("The file is encrypted in a newer form of OpenPGP than this client supports.")
        self._source = source
        self._cipher = BlockCipher(AES(session.key), CFB(bytes(BLOCK_SIZE))).decryptor()
        self._check = hashlib.sha1(usedforsecurity=False)
        self._ready = bytearray()
        self._ended = False
        # The prefix repeats two bytes. Checking them would tell a forger more than it tells us: the end decides.
        self._fill(_PREFIX_SIZE)
        self._give(_PREFIX_SIZE)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises: OpenPgpTampered: the end does not fit what came before."""
        self._fill(min(size, CHUNK))
        return self._give(min(size, CHUNK))

    def drain(self) -> None:
        """Read to the end, where the check is."""
        while self.read(CHUNK):
            pass

    def _fill(self, size: int) -> None:
        while not self._ended and len(self._ready) < size + MDC_SIZE:
            try:
                more = self._source.read(CHUNK)
            except MalformedOpenPgp:
                raise OpenPgpTampered from None  # cut off
            self._ready += self._cipher.update(more)
            if not more:
                self._ended = True
                self._check_end()

    def _give(self, size: int) -> bytes:
        given = bytes(self._ready[: max(0, min(size, len(self._ready) - (0 if self._ended else MDC_SIZE)))])
        del self._ready[: len(given)]
        if not self._ended:
            self._check.update(given)
        return given

    def _check_end(self) -> None:
        """Everything that is left is here now: take the check off its end, and compare."""
        content, end = self._ready[:-MDC_SIZE], self._ready[-MDC_SIZE:]
        self._check.update(content + MDC_HEAD)
        if not hmac.compare_digest(MDC_HEAD + self._check.digest(), bytes(end)):
            raise OpenPgpTampered
        self._ready = bytearray(content)


class Inflated:
    """The content of a compressed packet (section 5.6). Raises OpenPgpTooLarge where little becomes very much."""

    def __init__(self, source: Source) -> None:
        algorithm = take(source, 1)[0]
        if algorithm not in (Compression.ZIP, Compression.ZLIB):
            raise UnsupportedOpenPgp("The file is compressed in a way that is not supported; only ZIP and ZLIB are.")
        self._source = source
        self._inflater = zlib.decompressobj(-15 if algorithm == Compression.ZIP else 15)
        self._left = MAX_INFLATED

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises: MalformedOpenPgp, OpenPgpTooLarge."""
        wanted = min(size, CHUNK)
        while wanted and not self._inflater.eof:
            compressed = self._inflater.unconsumed_tail or self._source.read(CHUNK)
            try:
                data = self._inflater.decompress(compressed, wanted)
            except zlib.error:
                raise MalformedOpenPgp from None
            self._left -= len(data)
            if self._left < 0:
                raise OpenPgpTooLarge
            if data:
                return data
            if not compressed and not self._inflater.eof:
                raise MalformedOpenPgp
        return b""
