CREATE TABLE wake_targets (
    wake_id bytea PRIMARY KEY CHECK (octet_length(wake_id) = 16),
    owner_public_key bytea NOT NULL CHECK (octet_length(owner_public_key) = 32),
    sealed_target bytea NOT NULL,
    revision bigint NOT NULL,
    last_used_day integer NOT NULL
);
-- Ciphertext does not compress.
ALTER TABLE wake_targets ALTER COLUMN sealed_target SET STORAGE EXTERNAL;
COMMENT ON COLUMN wake_targets.wake_id IS
    'class=PSEUDONYM; retention=MAILBOX_LIFETIME; by which mailboxes name it';
COMMENT ON COLUMN wake_targets.owner_public_key IS
    'class=CAPABILITY; retention=MAILBOX_LIFETIME; tells its owner from somebody with another key of the same id';
COMMENT ON COLUMN wake_targets.sealed_target IS
    'class=OPAQUE; retention=MAILBOX_LIFETIME; how to reach the device, sealed to the running service';
COMMENT ON COLUMN wake_targets.revision IS
    'class=NONE; retention=MAILBOX_LIFETIME; so that an old request cannot be repeated';
COMMENT ON COLUMN wake_targets.last_used_day IS
    'class=NETWORK; retention=MAILBOX_LIFETIME; day of the last use, so that abandoned targets can be deleted';
