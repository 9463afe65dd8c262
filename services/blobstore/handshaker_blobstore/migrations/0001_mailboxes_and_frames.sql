-- Mailboxes have no account column, no time finer than a day, and are not written to when a frame is stored: not
-- even the order of a row's versions tells when a mailbox was used.
CREATE TABLE mailboxes (
    recv_id bytea PRIMARY KEY CHECK (octet_length(recv_id) = 16),
    send_id bytea NOT NULL UNIQUE CHECK (octet_length(send_id) = 16),
    recv_public_key bytea NOT NULL CHECK (octet_length(recv_public_key) = 32),
    send_secret_hash bytea NOT NULL CHECK (octet_length(send_secret_hash) = 32),
    wake_id bytea CHECK (octet_length(wake_id) = 16),
    last_used_day integer NOT NULL
);
COMMENT ON COLUMN mailboxes.recv_id IS
    'class=PSEUDONYM; retention=MAILBOX_LIFETIME; under which the owner receives';
COMMENT ON COLUMN mailboxes.send_id IS
    'class=PSEUDONYM; retention=MAILBOX_LIFETIME; under which senders write';
COMMENT ON COLUMN mailboxes.recv_public_key IS
    'class=CAPABILITY; retention=MAILBOX_LIFETIME; tells a repeated creation from a different one';
COMMENT ON COLUMN mailboxes.send_secret_hash IS
    'class=CAPABILITY; retention=MAILBOX_LIFETIME; SHA-256 of the secret that senders show';
COMMENT ON COLUMN mailboxes.wake_id IS
    'class=PSEUDONYM; retention=MAILBOX_LIFETIME; whom to wake when a frame is stored';
COMMENT ON COLUMN mailboxes.last_used_day IS
    'class=NETWORK; retention=MAILBOX_LIFETIME; day of the last use, so that abandoned mailboxes can be deleted';

CREATE SEQUENCE frame_sequence;

-- Filed by the day on which a frame dies: a day that is over is dropped as a whole table and leaves nothing behind.
CREATE TABLE frames (
    recv_id bytea NOT NULL,
    sequence bigint NOT NULL DEFAULT nextval('frame_sequence'),
    frame_id bytea NOT NULL,
    expires_hour integer NOT NULL,
    partition_day integer NOT NULL,
    body bytea NOT NULL
) PARTITION BY RANGE (partition_day);
-- Ciphertext does not compress.
ALTER TABLE frames ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX frames_once ON frames (recv_id, frame_id, partition_day);
-- Reading by cursor; the hour is included so that counting live frames seldom needs the table.
CREATE INDEX frames_in_order ON frames (recv_id, sequence) INCLUDE (expires_hour);
COMMENT ON COLUMN frames.recv_id IS 'class=PSEUDONYM; retention=UNTIL_ACKNOWLEDGED; the mailbox it waits in';
COMMENT ON COLUMN frames.sequence IS 'class=NONE; retention=UNTIL_ACKNOWLEDGED; order of reading';
COMMENT ON COLUMN frames.frame_id IS
    'class=PSEUDONYM; retention=UNTIL_ACKNOWLEDGED; random, so that a repeated frame is stored once';
COMMENT ON COLUMN frames.expires_hour IS
    'class=NONE; retention=UNTIL_ACKNOWLEDGED; hour since 1970-01-01 from which it is not delivered any more';
COMMENT ON COLUMN frames.partition_day IS
    'class=NONE; retention=UNTIL_ACKNOWLEDGED; day since 1970-01-01 in which that hour lies';
COMMENT ON COLUMN frames.body IS 'class=OPAQUE; retention=UNTIL_ACKNOWLEDGED; ciphertext';

-- Stores the frames of many mailboxes in one transaction.
--
-- lock_keys, allowances and mailbox_ids have one element for each mailbox, ordered by lock key; the others one for each
-- frame: slot is the position of its mailbox from 1, rank its place among the frames for that mailbox from 1, start
-- and size say where its body stands in `bodies`, in bytes from 0. Ids (16 bytes each) and bodies stand one after the
-- other in one value, because clients are slow at arrays of bytea. An allowance is the number of frames that the
-- mailbox has room for, or -1 where that must be counted. Returns for each mailbox how many frames it had room for, or
-- -1 where there is no such mailbox. Frames whose rank is at most that are committed when the transaction is.
--
-- The locks are taken in one order by everybody, so that nobody waits in a circle. They are held until the commit:
-- a frame with a smaller sequence number can never appear after a larger one of the same mailbox was read, a mailbox
-- that is being deleted takes no frame more, and a count is not overtaken.
CREATE FUNCTION put_frames(
    lock_keys bigint[], allowances integer[], mailbox_ids bytea,
    slots integer[], ranks integer[], expires_hours integer[], frame_ids bytea,
    starts integer[], sizes integer[], bodies bytea,
    quota integer, this_hour integer
) RETURNS integer[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    room integer[];
BEGIN
    PERFORM pg_advisory_xact_lock(key) FROM unnest(lock_keys) AS key;
    -- A statement of its own: it sees what the locks' former holders committed.
    room := ARRAY(
        SELECT CASE
            WHEN mailboxes.recv_id IS NULL THEN -1
            WHEN asked.allowance >= 0 THEN asked.allowance
            ELSE greatest(0, quota - (
                SELECT count(*) FROM (
                    SELECT FROM frames
                    WHERE frames.recv_id = mailboxes.recv_id AND frames.expires_hour > this_hour LIMIT quota
                ) AS held
            ))
        END
        FROM unnest(allowances) WITH ORDINALITY AS asked (allowance, slot)
        LEFT JOIN mailboxes ON mailboxes.recv_id = substr(mailbox_ids, asked.slot::integer * 16 - 15, 16)
        ORDER BY asked.slot
    );
    INSERT INTO frames (recv_id, frame_id, expires_hour, partition_day, body)
    SELECT
        substr(mailbox_ids, put.slot * 16 - 15, 16), substr(frame_ids, put.place::integer * 16 - 15, 16),
        put.expires_hour, put.expires_hour / 24, substr(bodies, put.start + 1, put.size)
    FROM unnest(slots, ranks, expires_hours, starts, sizes)
        WITH ORDINALITY AS put (slot, rank, expires_hour, start, size, place)
    WHERE put.rank <= room[put.slot]
    ON CONFLICT DO NOTHING;
    RETURN room;
END $$;
