-- What a device leaves with the server so that it can be ended from anywhere, by whoever holds the ticket.

CREATE TABLE wipe_tickets (
    device_id uuid PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    ticket_hash bytea NOT NULL UNIQUE CHECK (octet_length(ticket_hash) = 32)
);
COMMENT ON TABLE wipe_tickets IS 'One row for each device that can be ended by a ticket; it goes with its device.';
COMMENT ON COLUMN wipe_tickets.device_id IS 'class=PSEUDONYM; retention=ACCOUNT_LIFETIME; the device that ends, with the whole account if it is the primary';
COMMENT ON COLUMN wipe_tickets.ticket_hash IS 'class=CAPABILITY; retention=ACCOUNT_LIFETIME; SHA-256 of the ticket; replaced by the device at will';
