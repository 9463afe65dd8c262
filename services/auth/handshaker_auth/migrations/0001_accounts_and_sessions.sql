-- Accounts, their devices, the refresh families of logins, and challenges that were used.

CREATE TABLE accounts (
    account_id uuid PRIMARY KEY,
    created_week date NOT NULL CHECK (extract(isodow FROM created_week) = 1)
);
COMMENT ON TABLE accounts IS 'One row for each account. Nothing in it says who, where or when exactly.';
COMMENT ON COLUMN accounts.account_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; random UUIDv4 that stands for the account on the account plane';
COMMENT ON COLUMN accounts.created_week IS 'class=NETWORK; retention=ACCOUNT_LIFETIME; Monday of the week of registration, to count accounts by age and nothing finer';

CREATE TABLE devices (
    device_id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device_public_key bytea NOT NULL UNIQUE CHECK (octet_length(device_public_key) = 32)
);
CREATE INDEX devices_of_account ON devices (account_id);
COMMENT ON TABLE devices IS 'The keys that may log in to an account.';
COMMENT ON COLUMN devices.device_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; random UUIDv4 that stands for the device in access tokens';
COMMENT ON COLUMN devices.account_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the account the device logs in to';
COMMENT ON COLUMN devices.device_public_key IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; Ed25519 key that logins are checked against, used nowhere else';

CREATE TABLE refresh_families (
    family_hash bytea PRIMARY KEY CHECK (octet_length(family_hash) = 32),
    device_id uuid NOT NULL REFERENCES devices ON DELETE CASCADE,
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    last_used_day date NOT NULL
);
CREATE INDEX refresh_families_of_device ON refresh_families (device_id);
CREATE INDEX refresh_families_by_use ON refresh_families (last_used_day);
COMMENT ON TABLE refresh_families IS 'One row for each login that is still open. A token that is not the newest of its family ends the family.';
COMMENT ON COLUMN refresh_families.family_hash IS 'class=CAPABILITY; retention=UNTIL_SPENT; SHA-256 of the half that all refresh tokens of the login share; deleted at logout, at reuse, or when unused for the time limit';
COMMENT ON COLUMN refresh_families.device_id IS 'class=PSEUDONYM; retention=UNTIL_SPENT; the device that logged in and must sign every refresh';
COMMENT ON COLUMN refresh_families.token_hash IS 'class=CAPABILITY; retention=UNTIL_SPENT; SHA-256 of the newest refresh token; replaced at every use';
COMMENT ON COLUMN refresh_families.last_used_day IS 'class=NETWORK; retention=UNTIL_SPENT; the day of the last use, to end logins that nobody uses; no time of day';

CREATE TABLE spent_challenges (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    remember_until timestamptz NOT NULL
);
CREATE INDEX spent_challenges_by_time ON spent_challenges (remember_until);
COMMENT ON TABLE spent_challenges IS 'Challenges that were used, so that none is used twice; forgotten once they have expired.';
COMMENT ON COLUMN spent_challenges.digest IS 'class=CAPABILITY; retention=UNTIL_SPENT; SHA-256 of the challenge; says nothing about who used it or for what';
COMMENT ON COLUMN spent_challenges.remember_until IS 'class=NETWORK; retention=UNTIL_SPENT; its expiry rounded up to ten minutes; the row is deleted soon after';
