"""The one registry of the labels that separate every use of a key from every other use.

No label may be a prefix of another, because labels are prepended to signed content without a length.
"""

from enum import Enum


class Label(bytes, Enum):
    """Labels between clients: HKDF info, HPKE info, hash prefix or signature prefix; each has exactly one use."""

    PREKEY_SIGNATURE = b"handshaker/v1/prekey-signature"
    CONTACT_ADDRESS_SIGNATURE = b"handshaker/v1/contact-address-signature"

    DEVICE_CERTIFICATE_SIGNATURE = b"handshaker/v1/device-certificate-signature"
    DEVICE_LIST_SIGNATURE = b"handshaker/v1/device-list-signature"

    ROOT_IDENTITY = b"handshaker/v1/root/identity"
    ROOT_RECOVERY = b"handshaker/v1/root/recovery"
    ROOT_BACKUP = b"handshaker/v1/root/backup"
    ROOT_OPENPGP_PRIMARY = b"handshaker/v1/root/openpgp-primary"
    ROOT_OPENPGP_ENCRYPTION = b"handshaker/v1/root/openpgp-encryption"
    OPENPGP_BINDING = b"handshaker/v1/openpgp-binding"

    ROOT_STORE_RECOVERY = b"handshaker/v1/root/store-recovery"

    STORE_PASSPHRASE_WRAP = b"handshaker/v1/store/passphrase-wrap"
    STORE_KEYSTORE_WRAP = b"handshaker/v1/store/keystore-wrap"
    STORE_RECOVERY_WRAP = b"handshaker/v1/store/recovery-wrap"
    BACKUP_FILE_KEY = b"handshaker/v1/backup/file-key"

    PQXDH = b"handshaker/v1/pqxdh/x25519+sha256+ml-kem-1024"
    HANDSHAKE_ID = b"handshaker/v1/handshake-id"

    RATCHET_ROOT = b"handshaker/v1/ratchet-root"
    RATCHET_MESSAGE_KEY = b"handshaker/v1/ratchet-message-key"

    PQ_RATCHET_START = b"handshaker/v1/pq-ratchet-start"
    PQ_RATCHET_EPOCH = b"handshaker/v1/pq-ratchet-epoch"
    SEALED_SENDER = b"handshaker/v1/sealed-sender"
    LIVE_SESSION_EXPORT = b"handshaker/v1/live-session-export"
    LIVE_SESSION_KEY = b"handshaker/v1/live-session-key"

    LINKING_CODE = b"handshaker/v1/linking/code-checksum"
    LINKING_MAILBOX = b"handshaker/v1/linking/mailbox-secret"
    LINKING_HELLO = b"handshaker/v1/linking/hello"
    LINKING_COMMITMENT = b"handshaker/v1/linking/commitment"
    LINKING_REVEAL = b"handshaker/v1/linking/reveal"
    LINKING_TRANSCRIPT = b"handshaker/v1/linking/transcript"
    LINKING_SHORT_STRING = b"handshaker/v1/linking/short-authentication-string"
    LINKING_GRANT = b"handshaker/v1/linking/grant"
    LINKING_GRANT_KEY = b"handshaker/v1/linking/inner-grant-key"
    LINKING_CHANNEL = b"handshaker/v1/linking/channel"

    GROUP_ID = b"handshaker/v1/group/id"
    GROUP_LOG_ENTRY = b"handshaker/v1/group/log-entry-hash"
    GROUP_LOG_SIGNATURE = b"handshaker/v1/group/log-entry-signature"
    GROUP_STATE = b"handshaker/v1/group/membership-state"
    GROUP_SENDER_KEY_SIGNATURE = b"handshaker/v1/group/sender-key-signature"
    GROUP_MESSAGE_KEY = b"handshaker/v1/group/message-key"
    GROUP_MESSAGE_SIGNATURE = b"handshaker/v1/group/message-signature"

    USERNAME_ARGON2ID = b"handshaker/v1/username-argon2id"
    USERNAME_LOOKUP = b"handshaker/v1/username-lookup"
    USERNAME_SEAL_KEY = b"handshaker/v1/username-seal-key"
    SEALED_ADDRESS = b"handshaker/v1/sealed-address"


class ServerLabel(bytes, Enum):
    """Labels of what is signed for a server, and of ids that follow from keys, as the wire contracts say.

    They are a type of their own because the identity key, whose signatures take a `Label`, never signs any of them.
    """

    REGISTER = b"handshaker/v1/register"
    SESSION = b"handshaker/v1/session"
    REFRESH = b"handshaker/v1/refresh"
    ADD_DEVICE = b"handshaker/v1/add-device"
    RECOVERY_KEY = b"handshaker/v1/recovery-key"
    ACCOUNT_RECOVERY = b"handshaker/v1/account-recovery"
    NEW_PRIMARY_DEVICE = b"handshaker/v1/new-primary-device"
    MAILBOX_CREATE = b"handshaker/v1/mailbox-create"
    MAILBOX_DELETE = b"handshaker/v1/mailbox-delete"
    SUBSCRIBE = b"handshaker/v1/subscribe"
    RECV_ID = b"handshaker/v1/recv-id"
    SEND_ID = b"handshaker/v1/send-id"
