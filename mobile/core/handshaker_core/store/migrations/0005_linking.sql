-- Several devices of one person.

-- is_self: not a contact but the owner, whose other devices are talked to like those of a contact; never shown.
-- attention: why nothing is sent before the owner has looked (a stable word); null where there is nothing to look at.
ALTER TABLE contacts ADD COLUMN is_self INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN attention TEXT;

-- retired_at: replaced by another; only kept to receive what was sent before that was known.
ALTER TABLE own_mailboxes ADD COLUMN retired_at REAL;
DROP INDEX own_mailboxes_contact;
CREATE UNIQUE INDEX own_mailboxes_contact ON own_mailboxes (contact_id, ifnull(device_id, x''))
    WHERE contact_id IS NOT NULL AND state != 'deleting' AND retired_at IS NULL;

-- A message goes out in as many frames as the contact has devices: the first stands in messages, the others here.
CREATE TABLE message_frames (
    frame_id BLOB PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX message_frames_message ON message_frames (message_id);

-- Contacts whose devices are to be told about this person's devices. renew: they get another mailbox to write to.
CREATE TABLE introductions (
    contact_id INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
    renew INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Names that the owner gave to own devices; certificates carry none.
CREATE TABLE own_device_names (
    device_id BLOB PRIMARY KEY,
    server_device_id BLOB,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE account ADD COLUMN recovery_key_set INTEGER NOT NULL DEFAULT 0;
