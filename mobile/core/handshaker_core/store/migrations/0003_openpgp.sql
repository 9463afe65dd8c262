-- Contacts' OpenPGP certificates, each proven to belong to the contact's identity before it came here. source: where it
-- was had from.
CREATE TABLE openpgp_certificates (
    contact_id INTEGER PRIMARY KEY REFERENCES contacts ON DELETE CASCADE,
    certificate BLOB NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('file', 'server')),
    added_at REAL NOT NULL
) STRICT;
