-- Bundles belong to devices that the identity certifies. One without a certificate can start no session, and its one-time
-- keys are signed by the wrong key: bundles of the time before go, and their owners publish anew.

DELETE FROM bundles;
ALTER TABLE bundles ADD COLUMN device_certificate bytea NOT NULL CHECK (octet_length(device_certificate) = 169);
COMMENT ON COLUMN bundles.device_certificate IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the identity''s signed word for the device key; clients verify it';
COMMENT ON COLUMN bundles.seal_key IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; public key that everything for the device is sealed to';
COMMENT ON COLUMN bundles.seal_key_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the device''s signature over the seal key';
COMMENT ON COLUMN bundles.signed_prekey_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the device''s signature over the signed prekey';
COMMENT ON COLUMN bundles.last_resort_kem_prekey_signature IS 'class=OPAQUE; retention=ACCOUNT_LIFETIME; the device''s signature over the last-resort KEM prekey';
COMMENT ON COLUMN kem_prekeys.signature IS 'class=OPAQUE; retention=UNTIL_SPENT; the device''s signature over the key';
