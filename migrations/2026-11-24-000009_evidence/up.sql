-- Files by what they are: the same bytes are kept once.
CREATE TABLE blobs (
    sha256     bytea PRIMARY KEY CHECK (length(sha256) = 32),
    size       bigint NOT NULL CHECK (size > 0),
    media_type text NOT NULL,
    object_key text NOT NULL,
    scrub      jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN blobs.scrub IS 'how the copy without metadata is made from the original';

CREATE TABLE evidence (
    id          uuid PRIMARY KEY,
    election_id smallint NOT NULL,
    record_id   uuid NOT NULL,
    sha256      bytea NOT NULL REFERENCES blobs,
    filename    text,
    uploader_id uuid NOT NULL REFERENCES users,
    at          timestamptz NOT NULL,
    salt        bytea NOT NULL CHECK (length(salt) = 32),
    commitment  bytea NOT NULL CHECK (length(commitment) = 32),
    FOREIGN KEY (election_id, record_id) REFERENCES records
);
CREATE INDEX evidence_record ON evidence (record_id, at, id);
CREATE INDEX evidence_uploader ON evidence (uploader_id);

-- Uploads under way (tus 1.0).
CREATE TABLE uploads (
    id          uuid PRIMARY KEY,
    owner_id    uuid NOT NULL REFERENCES users,
    record_id   uuid,
    concat      text CHECK (concat IN ('partial', 'final')),
    partials    uuid[] NOT NULL DEFAULT '{}',
    length      bigint NOT NULL CHECK (length >= 0),
    received    bigint NOT NULL DEFAULT 0 CHECK (received <= length),
    hash_state  bytea,
    filename    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    evidence_id uuid REFERENCES evidence
);
CREATE INDEX uploads_owner ON uploads (owner_id);
CREATE INDEX uploads_expiry ON uploads (expires_at);
COMMENT ON COLUMN uploads.hash_state IS 'SHA-256 of what has been received, to be gone on with';

CREATE TABLE upload_parts (
    upload_id  uuid NOT NULL REFERENCES uploads ON DELETE CASCADE,
    start      bigint NOT NULL,
    length     bigint NOT NULL CHECK (length > 0),
    object_key text NOT NULL,
    PRIMARY KEY (upload_id, start)
);

CREATE OR REPLACE VIEW commitments AS
    SELECT commitment, 'record ' || record_id || ' version ' || version AS subject FROM record_versions
    UNION ALL SELECT commitment, 'evidence ' || id FROM evidence;
