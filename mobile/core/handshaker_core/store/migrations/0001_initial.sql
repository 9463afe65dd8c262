-- One row: who this device is. Secrets stand here in plain form because the whole file is encrypted.
CREATE TABLE account (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    server TEXT NOT NULL,
    proxy TEXT,
    device_seed BLOB NOT NULL,
    identity_seed BLOB NOT NULL,
    seal_key BLOB NOT NULL,
    seal_signature BLOB NOT NULL,
    bundle_id BLOB NOT NULL,
    account_id TEXT,
    device_id TEXT,
    display_name TEXT NOT NULL DEFAULT '',
    username TEXT,
    bundle_published INTEGER NOT NULL DEFAULT 0,
    next_prekey_id INTEGER NOT NULL DEFAULT 1,
    logged_out INTEGER NOT NULL DEFAULT 0,
    access_token TEXT,
    access_expires_at REAL,
    refresh_token BLOB,
    refresh_expires_at REAL,
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Private halves of what strangers fetch. kind: signed, ec, kem, last_resort.
CREATE TABLE prekeys (
    kind TEXT NOT NULL CHECK (kind IN ('signed', 'ec', 'kem', 'last_resort')),
    key_id INTEGER NOT NULL,
    private BLOB NOT NULL,
    uploaded INTEGER NOT NULL DEFAULT 0,
    replaced_at REAL,
    created_at REAL NOT NULL,
    PRIMARY KEY (kind, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX prekeys_waiting ON prekeys (kind, key_id) WHERE uploaded = 0;

CREATE TABLE last_resort_uses (
    kem_prekey_id INTEGER NOT NULL,
    signed_prekey_id INTEGER NOT NULL,
    base_key BLOB NOT NULL,
    PRIMARY KEY (kem_prekey_id, signed_prekey_id, base_key)
) STRICT, WITHOUT ROWID;

-- Everybody with whom there is a request or a conversation. username was found in the directory for this very
-- identity; claimed_username is what the person says.
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity BLOB NOT NULL UNIQUE,
    display_name TEXT NOT NULL DEFAULT '',
    username TEXT,
    claimed_username TEXT,
    connected INTEGER NOT NULL DEFAULT 0,
    verified_at REAL,
    created_at REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX contacts_username ON contacts (username) WHERE username IS NOT NULL;

CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'rejected', 'cancelled')),
    message_id BLOB NOT NULL,
    handshake_id BLOB NOT NULL,
    greeting TEXT NOT NULL,
    created_at REAL NOT NULL,
    answered_at REAL
) STRICT;
-- Nobody has two open requests in one direction.
CREATE UNIQUE INDEX requests_pending ON requests (contact_id, direction) WHERE state = 'pending';

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id INTEGER NOT NULL UNIQUE REFERENCES contacts ON DELETE CASCADE,
    created_at REAL NOT NULL
) STRICT;

-- Ratchet states. superseded_at: only received with any more. promoted: the highest is sent with.
CREATE TABLE sessions (
    handshake_id BLOB PRIMARY KEY,
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    state BLOB NOT NULL,
    awaiting_answer INTEGER NOT NULL,
    promoted INTEGER NOT NULL DEFAULT 0,
    superseded_at REAL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_contact ON sessions (contact_id);

-- Mailboxes that this device receives from. state: missing (to be made on the server), active, deleting.
CREATE TABLE own_mailboxes (
    recv_id BLOB PRIMARY KEY,
    recv_seed BLOB NOT NULL,
    send_secret BLOB NOT NULL,
    contact_id INTEGER REFERENCES contacts ON DELETE SET NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('address', 'contact')),
    state TEXT NOT NULL CHECK (state IN ('missing', 'active', 'deleting')),
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX own_mailboxes_address ON own_mailboxes (purpose) WHERE purpose = 'address' AND state != 'deleting';
CREATE UNIQUE INDEX own_mailboxes_contact ON own_mailboxes (contact_id)
    WHERE contact_id IS NOT NULL AND state != 'deleting';

-- Where contacts receive.
CREATE TABLE peer_mailboxes (
    contact_id INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
    send_id BLOB NOT NULL,
    send_secret BLOB NOT NULL
) STRICT;

-- kind: text; unreadable (a frame that could not be decrypted). Shown in the order of position, sent_at_ms, id: as they
-- came to this device, but one that was overtaken on its way shares the position of the first that overtook it.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    message_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'unreadable')),
    text TEXT NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sending', 'stored', 'delivered', 'read', 'failed', 'received')),
    failure TEXT,
    frame_id BLOB,
    UNIQUE (conversation_id, direction, message_id)
) STRICT;
CREATE INDEX messages_shown ON messages (conversation_id, position, sent_at_ms, id);
CREATE INDEX messages_sent ON messages (conversation_id, direction, sent_at_ms);
CREATE INDEX messages_unread ON messages (conversation_id, id) WHERE state = 'received';
CREATE UNIQUE INDEX messages_frame ON messages (frame_id) WHERE frame_id IS NOT NULL;

-- Substrings of three characters and more; deleted text leaves nothing behind.
CREATE VIRTUAL TABLE messages_fts USING fts5(
    text, content='messages', content_rowid='id', tokenize='trigram case_sensitive 0 remove_diacritics 1'
);
INSERT INTO messages_fts (messages_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages BEGIN
    INSERT INTO messages_fts (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER messages_fts_update AFTER UPDATE OF text ON messages BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO messages_fts (rowid, text) VALUES (new.id, new.text);
END;

-- Encrypted once, kept until the server has said what became of it. kind: request, accepted, rejected, text, receipts.
CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    frame_id BLOB NOT NULL UNIQUE,
    contact_id INTEGER REFERENCES contacts ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('request', 'accepted', 'rejected', 'text', 'receipts')),
    send_id BLOB NOT NULL,
    send_secret BLOB NOT NULL,
    frame BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL DEFAULT 0,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX outbox_mailbox ON outbox (send_id, sequence);

-- Frames that were taken, so that a repeated delivery changes nothing.
CREATE TABLE seen_frames (
    frame_id BLOB PRIMARY KEY,
    seen_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_frames_age ON seen_frames (seen_at);

-- Receipts owed, until they are put into a frame together. kind: delivered, read.
CREATE TABLE receipts_waiting (
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    message_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('delivered', 'read')),
    due_at REAL NOT NULL,
    PRIMARY KEY (contact_id, message_id, kind)
) STRICT, WITHOUT ROWID;
