-- Several devices of an account, one of them the primary, and the key that admits one when all are lost.

-- Whoever registered before there were several is the only device of the account.
ALTER TABLE devices ADD COLUMN is_primary boolean NOT NULL DEFAULT true;
ALTER TABLE devices ALTER COLUMN is_primary DROP DEFAULT;
CREATE UNIQUE INDEX primary_device_of_account ON devices (account_id) WHERE is_primary;
COMMENT ON COLUMN devices.is_primary IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the one device of the account that may admit and remove others';

CREATE TABLE recovery_keys (
    account_id uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    recovery_public_key bytea NOT NULL UNIQUE CHECK (octet_length(recovery_public_key) = 32)
);
COMMENT ON TABLE recovery_keys IS 'The keys that make a device the primary of an account when all devices are lost. They never log in.';
COMMENT ON COLUMN recovery_keys.account_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the account that the key recovers';
COMMENT ON COLUMN recovery_keys.recovery_public_key IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; Ed25519 key derived from the recovery phrase; checked at a recovery, used nowhere else';
