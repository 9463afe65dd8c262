-- Disappearing messages. The timer of a conversation is the newest that either side has set: changed_at_ms is the clock
-- of whoever did.
CREATE TABLE timers (
    contact_id INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
    seconds INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL
) STRICT;

-- expires_after_seconds came with the message; expires_at_ms stands from the moment when its time began.
ALTER TABLE messages ADD COLUMN expires_after_seconds INTEGER;
ALTER TABLE messages ADD COLUMN expires_at_ms INTEGER;
CREATE INDEX messages_expiring ON messages (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- What ends this device on the server when nothing else of it is left. known: whether the server has its hash.
CREATE TABLE wipe_ticket (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    ticket BLOB NOT NULL,
    known INTEGER NOT NULL DEFAULT 0
) STRICT;
