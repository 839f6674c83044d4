-- What a version is committed to by: SHA-256(salt || the entry in RFC 8785 form). Versions from before
-- the ledger have none until the program's next start.
ALTER TABLE record_versions
    ADD COLUMN duplicate_of uuid,
    ADD COLUMN salt bytea CHECK (length(salt) = 32),
    ADD COLUMN commitment bytea CHECK (length(commitment) = 32);
UPDATE record_versions v SET duplicate_of = r.duplicate_of
FROM records r WHERE (r.election_id, r.id, r.version) = (v.election_id, v.record_id, v.version) AND r.duplicate_of IS NOT NULL;
CREATE INDEX record_versions_uncommitted ON record_versions (record_id) WHERE commitment IS NULL;

-- Commitments written beside the data in its own transaction; a worker gives them their place in the
-- tree. Two writers never meet on one row.
CREATE TABLE ledger_queue (
    commitment bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- The leaves of the RFC 9162 tree, in order.
CREATE TABLE ledger_leaves (
    idx        bigint PRIMARY KEY CHECK (idx >= 0),
    commitment bytea NOT NULL UNIQUE
);

-- C2SP tlog-tiles: level 0 holds leaf hashes, each level above the roots of the full tiles below.
CREATE TABLE ledger_tiles (
    level  smallint NOT NULL,
    idx    bigint NOT NULL,
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, idx)
);

CREATE TABLE ledger_checkpoints (
    size bigint NOT NULL,
    note text NOT NULL,
    at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (size, note)
);
COMMENT ON COLUMN ledger_checkpoints.note IS 'C2SP tlog-checkpoint, signed';

-- All that the ledger commits to.
CREATE VIEW commitments AS
    SELECT commitment, 'record ' || record_id || ' version ' || version AS subject FROM record_versions;
