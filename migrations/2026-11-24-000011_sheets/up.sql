-- Who stands in an election, in the order of the ballot.
CREATE TABLE candidates (
    election_id smallint NOT NULL REFERENCES elections,
    number      smallint NOT NULL CHECK (number > 0),
    name_kk     text NOT NULL,
    name_ru     text NOT NULL,
    name_en     text NOT NULL,
    source_id   integer REFERENCES sources,
    PRIMARY KEY (election_id, number)
);

-- The precinct protocol in full.
ALTER TABLE protocols
    ADD COLUMN against_all     integer,
    ADD COLUMN copy_number     integer CHECK (copy_number > 0),
    ADD COLUMN signatures      integer CHECK (signatures >= 0),
    ADD COLUMN commission_size integer CHECK (commission_size > 0),
    ADD COLUMN handed_out_at   timestamptz,
    ADD COLUMN failed_checks   text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN protocols.failed_checks IS 'names of the identities that the figures break';

-- A sheet keyed from a photo; it counts as read when two people agree.
CREATE TABLE sheet_readings (
    id          uuid PRIMARY KEY,
    evidence_id uuid NOT NULL REFERENCES evidence,
    reader_id   uuid NOT NULL REFERENCES users,
    figures     jsonb NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (evidence_id, reader_id)
);
