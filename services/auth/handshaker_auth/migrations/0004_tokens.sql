-- Anonymous tokens: how many an account was given today, and which were spent. Nothing leads from one to the other.

CREATE TABLE token_counters (
    account_id uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    day date NOT NULL,
    issued integer NOT NULL CHECK (issued >= 0)
);
CREATE INDEX token_counters_by_day ON token_counters (day);
COMMENT ON TABLE token_counters IS 'One row for each account that took tokens today. Says that it did, not what became of them.';
COMMENT ON COLUMN token_counters.account_id IS 'class=PSEUDONYM; retention=UNTIL_SPENT; the account; the row is deleted when the day is over';
COMMENT ON COLUMN token_counters.day IS 'class=NETWORK; retention=UNTIL_SPENT; the UTC day that the number counts for; no time of day';
COMMENT ON COLUMN token_counters.issued IS 'class=NETWORK; retention=UNTIL_SPENT; how many blinded messages were signed for the account on the day';

CREATE TABLE token_epochs (
    epoch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id bytea NOT NULL UNIQUE CHECK (octet_length(key_id) = 32),
    ended boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE token_epochs IS 'One row for each key that ever issued tokens. The row of an ended epoch stays, so that no process takes its tokens again.';
COMMENT ON COLUMN token_epochs.epoch IS 'class=NONE; retention=UNTIL_SPENT; number in the order in which the keys came';
COMMENT ON COLUMN token_epochs.key_id IS 'class=NONE; retention=UNTIL_SPENT; SHA-256 of the public key';
COMMENT ON COLUMN token_epochs.ended IS 'class=NONE; retention=UNTIL_SPENT; whether tokens of the key are refused';

CREATE TABLE spent_tokens (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    epoch bigint NOT NULL REFERENCES token_epochs
);
CREATE INDEX spent_tokens_by_epoch ON spent_tokens (epoch);
COMMENT ON TABLE spent_tokens IS 'Tokens that were used, so that none is used twice; deleted when their epoch ends.';
COMMENT ON COLUMN spent_tokens.digest IS 'class=CAPABILITY; retention=UNTIL_SPENT; SHA-256 of what the issuer signed without seeing it; says nothing about who, when or for what';
COMMENT ON COLUMN spent_tokens.epoch IS 'class=NONE; retention=UNTIL_SPENT; the key that signed the token';
