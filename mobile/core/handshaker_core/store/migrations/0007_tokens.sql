-- Anonymous tokens, which pay for anonymous calls. usable_at: a random while after it came, so that the server cannot
-- tell by the time which account it gave the token to.
CREATE TABLE tokens (
    token BLOB PRIMARY KEY CHECK (length(token) = 354),
    usable_at REAL NOT NULL
) STRICT;

-- When the server is asked for the next ones, whatever has become of the last.
CREATE TABLE token_schedule (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    next_at REAL NOT NULL
) STRICT;
