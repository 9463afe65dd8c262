-- Devices: an own key certified by the identity, and what is known of contacts' devices. Sessions of the protocol before
-- end here: what was said stays, and people connect anew to go on.

-- root_seed: what the recovery phrase spells; none on linked devices, nor in stores whose identity was random.
-- identity_seed (of the first schema): empty on linked devices, which never hold it. device_list: the newest of this
-- person, signed.
ALTER TABLE account ADD COLUMN root_seed BLOB;
ALTER TABLE account ADD COLUMN device_identity_seed BLOB;
ALTER TABLE account ADD COLUMN device_certificate BLOB;
ALTER TABLE account ADD COLUMN device_list BLOB;

-- Prekeys were signed by the identity; they are made anew and signed by the device.
DELETE FROM prekeys;
DELETE FROM last_resort_uses;
UPDATE account SET bundle_published = 0;

-- device_list: the contact's newest, as it came; none while none is known. outdated: was connected by sessions of the
-- protocol before.
ALTER TABLE contacts ADD COLUMN device_list BLOB;
ALTER TABLE contacts ADD COLUMN outdated INTEGER NOT NULL DEFAULT 0;
UPDATE contacts SET outdated = connected, connected = 0;

CREATE TABLE contact_devices (
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    device_id BLOB NOT NULL,
    certificate BLOB NOT NULL,
    seal_key BLOB NOT NULL,
    added_at REAL NOT NULL,
    PRIMARY KEY (contact_id, device_id)
) STRICT, WITHOUT ROWID;

-- Ratchet states, each with one device of a contact. superseded_at: only received with any more. promoted: the highest
-- is sent with.
DROP TABLE sessions;
CREATE TABLE sessions (
    handshake_id BLOB PRIMARY KEY,
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    device_id BLOB NOT NULL,
    state BLOB NOT NULL,
    awaiting_answer INTEGER NOT NULL,
    promoted INTEGER NOT NULL DEFAULT 0,
    superseded_at REAL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_contact ON sessions (contact_id, device_id);

-- Where contacts' devices receive.
DROP TABLE peer_mailboxes;
CREATE TABLE peer_mailboxes (
    contact_id INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    device_id BLOB NOT NULL,
    send_id BLOB NOT NULL,
    send_secret BLOB NOT NULL,
    PRIMARY KEY (contact_id, device_id)
) STRICT, WITHOUT ROWID;

-- device_id: the only device of the contact that writes there; null where all of them do.
ALTER TABLE own_mailboxes ADD COLUMN device_id BLOB;
DROP INDEX own_mailboxes_contact;
CREATE UNIQUE INDEX own_mailboxes_contact ON own_mailboxes (contact_id, ifnull(device_id, x''))
    WHERE contact_id IS NOT NULL AND state != 'deleting';
UPDATE own_mailboxes SET state = 'deleting' WHERE purpose = 'contact';

-- What waited was encrypted by sessions that are gone.
UPDATE messages SET state = 'failed', failure = 'expired' WHERE state = 'sending';
UPDATE requests SET state = 'cancelled', answered_at = created_at WHERE state = 'pending';
DELETE FROM outbox;
DELETE FROM receipts_waiting;
