"""What can go wrong with the local store. None of these changes anything in it."""

from handshaker_core.errors import HandshakerError


class StoreError(HandshakerError):
    """Root of the store's errors."""

    reason = "store_error"
    sentence = "The local store cannot be used."


class NoStore(StoreError):
    """The home holds no store."""

    reason = "no_store"
    sentence = "There is no account in this directory yet; register first."


class StoreExists(StoreError):
    """A store was to be made where there is one."""

    reason = "store_exists"
    sentence = "This directory already holds an account."


class WrongPassphrase(StoreError):
    """No wrap slot opens with the passphrase."""

    reason = "wrong_passphrase"
    sentence = "The passphrase is wrong. Nothing was changed; try again."


class StoreInUse(StoreError):
    """Another process has the home open."""

    reason = "store_in_use"
    sentence = "Another Handshaker process is using this directory. Close it first."


class StoreCorrupt(StoreError):
    """A file of the store is damaged or missing."""

    reason = "store_corrupt"
    sentence = "The local store is damaged and cannot be read."


class StoreTooNew(StoreError):
    """A newer client wrote the store."""

    reason = "store_too_new"
    sentence = "A newer version of Handshaker wrote this store. Update, then open it again."


class StoreUnusable(StoreError):
    """The operating system refused: no permission, no space, not a directory."""

    reason = "store_unusable"
    sentence = "The directory cannot be written to."


class PassphraseInUse(StoreError):
    """The passphrase and the duress passphrase would be the same."""

    reason = "passphrase_in_use"
    sentence = "The passphrase and the duress passphrase must differ. Nothing was changed."


class KeystoreMissing(StoreError):
    """The vault needs the keystore's secret and the keystore does not have it."""

    reason = "keystore_missing"
    sentence = (
        "The keystore of this computer no longer holds the key that this account needs beside its passphrase. The recovery"
        " phrase opens it: handshaker passphrase --forgotten"
    )


class KeystoreUnavailable(StoreError):
    """There is no keystore, or it stays locked."""

    reason = "keystore_unavailable"
    sentence = "There is no keystore here, or it is locked; nothing was changed."


class NoRecoveryPhrase(StoreError):
    """The home is not opened by a recovery phrase."""

    reason = "no_recovery_phrase"
    sentence = "This device holds no recovery phrase; it was linked, and the phrase belongs to the first device."


class PhraseDoesNotOpen(StoreError):
    """A recovery phrase of another account."""

    reason = "phrase_does_not_open"
    sentence = "This is the recovery phrase of another account; it does not open this one. Nothing was changed."


class FileExists(StoreError):
    """A file was to be made where there is one."""

    reason = "file_exists"
    sentence = "There is a file of that name already; nothing was written."


class NotABackup(StoreError):
    """Another kind of file."""

    reason = "not_a_backup"
    sentence = "This file is not a Handshaker backup."


class BackupTooNew(StoreError):
    """A newer client made the backup."""

    reason = "backup_too_new"
    sentence = "A newer version of Handshaker made this backup. Update, then restore it."


class BackupWrongKey(StoreError):
    """The recovery phrase belongs to another account than the backup."""

    reason = "backup_wrong_key"
    sentence = "This backup belongs to another recovery phrase. Nothing was changed."


class BackupDamaged(StoreError):
    """The backup was cut or altered."""

    reason = "backup_damaged"
    sentence = "The backup is damaged or incomplete and cannot be read. Nothing was changed."
