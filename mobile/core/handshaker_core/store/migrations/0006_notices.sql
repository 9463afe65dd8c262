-- kind: notice (something about the conversation that this device tells; `notice` is its stable word, `text` the same for
-- a person). A wider CHECK changes nothing in any row, so the definition is edited in place, as SQLite's documentation of
-- ALTER TABLE describes, instead of copying every message and its search index.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '(''text'', ''unreadable'')', '(''text'', ''unreadable'', ''notice'')')
    WHERE type = 'table' AND name = 'messages';
-- kind: control (what the programs at the ends tell each other; it has no line in the conversation), live (the same,
-- and of no use to somebody who is away).
UPDATE sqlite_schema SET sql = replace(sql, '''text'', ''receipts'')', '''text'', ''receipts'', ''control'', ''live'')')
    WHERE type = 'table' AND name = 'outbox';
PRAGMA writable_schema = RESET;

ALTER TABLE messages ADD COLUMN notice TEXT;
