-- Keys of the coalition to which names are sealed.
CREATE TABLE recipients (
    id         uuid PRIMARY KEY,
    public_key text NOT NULL UNIQUE,
    label      text NOT NULL,
    added_by   uuid REFERENCES users,
    added_at   timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
COMMENT ON COLUMN recipients.public_key IS 'age X25519 recipient (age1…)';

-- Names and contacts, apart from the versions of a record: sealing anew to other keys leaves no copy that
-- an old key opens.
CREATE TABLE sealed_persons (
    election_id smallint NOT NULL,
    record_id   uuid NOT NULL,
    armour      text NOT NULL,
    tokens      bytea[] NOT NULL,
    sealed_to   text[] NOT NULL,
    sealed_at   timestamptz NOT NULL,
    PRIMARY KEY (election_id, record_id),
    FOREIGN KEY (election_id, record_id) REFERENCES records ON DELETE CASCADE
);
COMMENT ON COLUMN sealed_persons.armour IS 'age armour; the server holds no key to it';
COMMENT ON COLUMN sealed_persons.tokens IS 'keyed hashes of pairs of words of the name: to search without opening';
COMMENT ON COLUMN sealed_persons.sealed_to IS 'the recipients, where the server sealed it; empty where the client did';
CREATE INDEX sealed_persons_tokens ON sealed_persons USING gin (tokens);

ALTER TABLE detentions ADD COLUMN person_commitment text;
COMMENT ON COLUMN detentions.person_commitment IS 'keyed hash of the person sealed by the server, or hash of the armour that a client sent';
UPDATE detentions SET person_commitment = 'sha256:' || encode(sha256(convert_to(sealed_person, 'UTF8')), 'hex')
WHERE sealed_person IS NOT NULL;
INSERT INTO sealed_persons
SELECT election_id, record_id, sealed_person, '{}', '{}', now() FROM detentions WHERE sealed_person IS NOT NULL;
ALTER TABLE detentions DROP COLUMN sealed_person;

-- Who looked at what is sealed, or searched it.
CREATE TABLE sealed_reads (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    reader_id  uuid NOT NULL REFERENCES users,
    action     text NOT NULL CHECK (action IN ('opened', 'searched', 'resealed')),
    subject    text NOT NULL CHECK (subject IN ('detention', 'enquiry')),
    subject_id uuid,
    reason     text
);
CREATE INDEX sealed_reads_subject ON sealed_reads (subject_id) WHERE subject_id IS NOT NULL;
