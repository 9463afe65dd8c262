-- OpenPGP certificates that their owners want to be found by those who know a bundle.

CREATE TABLE openpgp_certificates (
    bundle_id bytea PRIMARY KEY REFERENCES bundles ON DELETE CASCADE,
    certificate bytea NOT NULL CHECK (octet_length(certificate) BETWEEN 1 AND 8192)
);
COMMENT ON TABLE openpgp_certificates IS 'Public certificates; clients verify them against the identity that they expect.';
COMMENT ON COLUMN openpgp_certificates.bundle_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the bundle beside which it is found';
COMMENT ON COLUMN openpgp_certificates.certificate IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; public keys and the identity key that vouches for them; a name only where its owner wrote one into it';
