"""Linking of a device, the key file of a store, the parts of a backup file, and OpenPGP certificates."""

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from handshaker_core.openpgp.own import OwnKey
from handshaker_core.protocol.address import BundleId, SendId, SendSecret
from handshaker_core.protocol.device import DeviceId
from handshaker_core.protocol.keys import DeviceIdentityKeyPair
from handshaker_core.protocol.linking import messages
from handshaker_core.protocol.linking.code import CodeSecret, LinkCode
from handshaker_core.protocol.linking.messages import Channel, DeviceKeys, Hello, Kind, LinkingShare, Reveal, Transcript
from handshaker_core.protocol.root import RootSeed
from handshaker_core.protocol.seal import SealKeyPair
from handshaker_core.store import sealed_stream, vault
from handshaker_core.store.vault import DatabaseKey, KeystoreSecret, Unlocked, Vault

from generator.fixed import Json, Kept, Stream, fixed, must


def linking() -> Json:
    """A whole linking, up to the first message of the channel in each direction."""
    new, primary = (SealKeyPair.generate(Stream(f"linking {side}")) for side in ("new", "primary"))
    hello = Hello(
        primary.public, (SendId(fixed("linking reply", 16)), SendSecret(fixed("linking reply secret"))), fixed("nonce")
    )
    device = DeviceKeys(
        DeviceIdentityKeyPair(fixed("linking device")).public,
        fixed("linking login key"),
        DeviceId(fixed("linking device id", 16)),
        BundleId(fixed("linking bundle", 16)),
        "Télefon",
    )
    share, primary_share = LinkingShare(fixed("linking share")), LinkingShare(fixed("linking primary share"))
    reveal = Reveal(new.public, device, share)
    code = LinkCode(SendId(fixed("linking mailbox", 16)), CodeSecret(fixed("linking secret")), reveal.commitment())
    transcript = Transcript.of(code, hello, reveal)
    channel, rng = Channel.between(share, primary_share, transcript), Stream("linking nonces")
    frames = {
        "hello": messages.seal_hello(hello, code.secret, rng),
        "reveal": messages.seal_reveal(reveal, hello),
        "grant": messages.seal_grant(primary_share, fixed("account", 16), reveal, transcript, rng),
        "proof": channel.seal(Kind.PROOF, b"proof", rng),
        "package": channel.seal(Kind.PACKAGE, b"package", rng),
        "cancel": messages.seal_cancel(code.secret, rng),
    }
    must(messages.open_grant(frames["grant"], new, reveal, transcript) == (primary_share, fixed("account", 16)))
    return {
        "page": "linking.md, The messages",
        "code": code.encode().hex(),
        "code_text": code.text(),
        "mailbox_send_secret": code.secret.send_secret().raw.hex(),
        "hello": hello.encode().hex(),
        "reveal": reveal.encode().hex(),
        "new_seal_private": new.private.raw.hex(),
        "primary_seal_private": primary.private.raw.hex(),
        "primary_share": primary_share.raw.hex(),
        "account": fixed("account", 16).hex(),
        "transcript": transcript.digest.hex(),
        "digits": transcript.short_string(),
        "key_to_primary": channel.to_primary.hex(),
        "key_to_new": channel.to_new.hex(),
        "channel_contents": {"proof": b"proof".hex(), "package": b"package".hex()},
        "frames": {name: frame.hex() for name, frame in frames.items()},
    }


PASSPHRASE = "corre\u0301ct horse"


def key_file(kept: Kept) -> Json:
    """One copy of a key file that a passphrase opens together with a keystore, and the recovery phrase alone."""
    root, salt = RootSeed(fixed("root of a store")), fixed("vault salt", vault.SALT_SIZE)
    secret, database = KeystoreSecret(fixed("keystore secret")), DatabaseKey(fixed("database key"))
    keystore_id = fixed("keystore id", vault.KEYSTORE_ID_SIZE)
    record = vault.Record(vault.Role.HOME, 1, database, root.store_recovery())

    def make() -> bytes:
        stretched = vault.stretch(PASSPHRASE, salt)
        return Unlocked(keystore_id, salt, stretched, secret, record).vault().encode()

    copy = kept.get(b"vault 1" + salt + secret.raw + root.raw, make)
    must(Vault.decode(copy).open(PASSPHRASE, secret).record.database == database)
    return {
        "page": "../local-store.md, The vault",
        "passphrase": PASSPHRASE,
        "keystore_secret": secret.raw.hex(),
        "root_seed": root.raw.hex(),
        "database_key": database.raw.hex(),
        "file": record.file,
        "copy": copy.hex(),
    }


CONTENT = b'{"type":"backup"}\n'


def backup_file() -> Json:
    """A backup file of one segment, by its parts: everything follows from key, salt and content."""
    key, salt = RootSeed(fixed("root of a backup")).backup_key(), fixed("backup salt")
    with TemporaryDirectory() as folder, patch("os.urandom", lambda _: salt):
        path = Path(folder) / "backup"
        sealed_stream.write(path, key, [CONTENT])
        written = path.read_bytes()
        must(sealed_stream.read(path, key) == CONTENT)
    return {
        "page": "../local-store.md, Backups",
        "backup_key": key.raw.hex(),
        "salt": salt.hex(),
        "content": CONTENT.hex(),
        "header": written[:57].hex(),
        "first_bytes_of_the_segment": written[57:121].hex(),
        "size": len(written),
        "sha256": sha256(written).hexdigest(),
    }


def openpgp() -> Json:
    """Certificates of root seeds, unarmored."""
    cases = []
    for number in range(3):
        own = OwnKey.derive(RootSeed(fixed(f"openpgp root {number}")))
        certificate = own.certificate()
        cases.append(
            {
                "root_seed": fixed(f"openpgp root {number}").hex(),
                "fingerprint": certificate.fingerprint.hex(),
                "certificate": certificate.encoded.hex(),
            }
        )
    return {"page": "openpgp.md, Certificate", "cases": cases}
