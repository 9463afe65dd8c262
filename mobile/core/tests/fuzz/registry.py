"""All targets. A reader of bytes that no target covers stands in `NOT_TARGETS` with the reason, or a test fails."""

from . import (
    targets_groups,
    targets_linking,
    targets_messages,
    targets_network,
    targets_openpgp,
    targets_people,
    targets_stored,
)
from .target import Target

MODULES = (
    targets_people,
    targets_linking,
    targets_messages,
    targets_groups,
    targets_stored,
    targets_network,
    targets_openpgp,
)

TARGETS: dict[str, Target] = {target.name: target for module in MODULES for target in module.TARGETS}

NOT_TARGETS: dict[str, str] = {
    "cli.commands.people._read_code": "takes a bounded text from a file; the target safety-code-text reads it",
    "cli.homes.read_key_file": "takes the bytes of the key file; the target vault reads them",
    "cli.hosting.Host.open": "opens an account, reads no format",
    "cli.passphrase.read_file": "a passphrase is any text",
    "cli.phrases.read_file": "takes a bounded text from a file; the target recovery-phrase reads it",
    "cli.rpc.server._read_call": "picks fields from what the target local-call reads",
    "cli.rpc.server._read_id": "picks a field from what the target local-call reads",
    "client.client.Client.open": "opens an account, reads no format",
    "client.opening.open_core": "opens an account, reads no format",
    "protocol.pq_epoch._split": "divides the output of HKDF",
    "store.home.Store.open": "opens an account's directory; its files have targets of their own",
    "store.migrations.__init__.split_statements": "reads the scripts of this package",
    "store.unlocking._open_database": "SQLCipher reads the file",
    "store.unlocking.open_home": "opens an account's directory; its files have targets of their own",
    "store.vault.Vault.open": "takes a passphrase, which is any text",
    "store.vault._unwrap": "opens a slot by AES-GCM; the target vault-record reads what is in it",
}
