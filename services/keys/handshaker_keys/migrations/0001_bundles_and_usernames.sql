-- Prekey bundles with their one-time keys, and the username directory.

CREATE TABLE bundles (
    bundle_id bytea PRIMARY KEY CHECK (octet_length(bundle_id) = 16),
    account_id uuid NOT NULL,
    suite smallint NOT NULL,
    identity_key bytea NOT NULL,
    seal_key bytea NOT NULL,
    seal_key_signature bytea NOT NULL,
    signed_prekey_id bigint NOT NULL,
    signed_prekey bytea NOT NULL,
    signed_prekey_signature bytea NOT NULL,
    last_resort_kem_prekey_id bigint NOT NULL,
    last_resort_kem_prekey bytea NOT NULL,
    last_resort_kem_prekey_signature bytea NOT NULL
);
CREATE INDEX bundles_of_account ON bundles (account_id);
COMMENT ON TABLE bundles IS 'Public keys that strangers need to write a first message to a device.';
COMMENT ON COLUMN bundles.bundle_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; random, made by the owner and handed out in contact addresses';
COMMENT ON COLUMN bundles.account_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; who may replace and refill the bundle; never given to those who fetch it';
COMMENT ON COLUMN bundles.suite IS 'class=NONE; retention=ACCOUNT_LIFETIME; the protocol the keys belong to; fixed for a bundle, so that its one-time keys fit';
COMMENT ON COLUMN bundles.identity_key IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; public identity key that contacts verify';
COMMENT ON COLUMN bundles.seal_key IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; public key that first messages are sealed to';
COMMENT ON COLUMN bundles.seal_key_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the identity''s signature over the seal key';
COMMENT ON COLUMN bundles.signed_prekey_id IS 'class=NONE; retention=ACCOUNT_LIFETIME; the owner''s number for the signed prekey';
COMMENT ON COLUMN bundles.signed_prekey IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; public key';
COMMENT ON COLUMN bundles.signed_prekey_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the identity''s signature over the signed prekey';
COMMENT ON COLUMN bundles.last_resort_kem_prekey_id IS 'class=NONE; retention=ACCOUNT_LIFETIME; the owner''s number for the last-resort KEM prekey';
COMMENT ON COLUMN bundles.last_resort_kem_prekey IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; public key, used while no one-time KEM prekey is left';
COMMENT ON COLUMN bundles.last_resort_kem_prekey_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the identity''s signature over the last-resort KEM prekey';

CREATE TABLE one_time_prekeys (
    bundle_id bytea NOT NULL REFERENCES bundles ON DELETE CASCADE,
    key_id bigint NOT NULL,
    public_key bytea NOT NULL,
    PRIMARY KEY (bundle_id, key_id)
);
COMMENT ON TABLE one_time_prekeys IS 'EC prekeys that are handed out once; handing out deletes the row.';
COMMENT ON COLUMN one_time_prekeys.bundle_id IS 'class=PSEUDONYM; retention=UNTIL_SPENT; the bundle it belongs to';
COMMENT ON COLUMN one_time_prekeys.key_id IS 'class=NONE; retention=UNTIL_SPENT; the owner''s number for the key';
COMMENT ON COLUMN one_time_prekeys.public_key IS 'class=OPAQUE; retention=UNTIL_SPENT; public key';

CREATE TABLE kem_prekeys (
    bundle_id bytea NOT NULL REFERENCES bundles ON DELETE CASCADE,
    key_id bigint NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (bundle_id, key_id)
);
COMMENT ON TABLE kem_prekeys IS 'KEM prekeys that are handed out once; handing out deletes the row.';
COMMENT ON COLUMN kem_prekeys.bundle_id IS 'class=PSEUDONYM; retention=UNTIL_SPENT; the bundle it belongs to';
COMMENT ON COLUMN kem_prekeys.key_id IS 'class=NONE; retention=UNTIL_SPENT; the owner''s number for the key';
COMMENT ON COLUMN kem_prekeys.public_key IS 'class=OPAQUE; retention=UNTIL_SPENT; public key';
COMMENT ON COLUMN kem_prekeys.signature IS 'class=OPAQUE; retention=UNTIL_SPENT; the identity''s signature over the key';

CREATE TABLE usernames (
    lookup_key bytea PRIMARY KEY CHECK (octet_length(lookup_key) = 32),
    account_id uuid NOT NULL UNIQUE,
    sealed_address bytea NOT NULL CHECK (octet_length(sealed_address) = 512)
);
COMMENT ON TABLE usernames IS 'The directory: found by exact name only. Neither name nor address can be read from it.';
COMMENT ON COLUMN usernames.lookup_key IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; HMAC-SHA-256 of the client''s Argon2id of the name, under a key that is not in the database';
COMMENT ON COLUMN usernames.account_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; who may change or release the name; never given to those who look it up';
COMMENT ON COLUMN usernames.sealed_address IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; contact address encrypted under a key derived from the name';
