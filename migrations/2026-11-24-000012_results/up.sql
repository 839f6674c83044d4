-- A table of official results as published at one time.
CREATE TABLE result_sets (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    election_id smallint NOT NULL REFERENCES elections,
    label       text NOT NULL,
    candidates  text[] NOT NULL,
    source_id   integer REFERENCES sources,
    imported_at timestamptz NOT NULL DEFAULT now(),
    stations    integer NOT NULL DEFAULT 0,
    UNIQUE (election_id, label)
);
COMMENT ON COLUMN result_sets.candidates IS 'in the order of the votes of its rows';

CREATE TABLE official_results (
    election_id       smallint NOT NULL,
    set_id            smallint NOT NULL REFERENCES result_sets ON DELETE CASCADE,
    region_id         smallint NOT NULL REFERENCES regions,
    station           text NOT NULL,
    district          text NOT NULL,
    voters_on_list    integer,
    ballots_received  integer,
    issued_in_station integer,
    issued_mobile     integer,
    spoiled           integer,
    unused            integer,
    found_in_boxes    integer,
    invalid           integer,
    against_all       integer,
    votes             integer[] NOT NULL,
    PRIMARY KEY (election_id, set_id, region_id, station)
);

-- The sums that the table itself states, for districts, regions and the country.
CREATE TABLE official_totals (
    election_id       smallint NOT NULL,
    set_id            smallint NOT NULL REFERENCES result_sets ON DELETE CASCADE,
    level             text NOT NULL CHECK (level IN ('district', 'region', 'country')),
    region_id         smallint NOT NULL,
    district          text NOT NULL,
    voters_on_list    bigint,
    ballots_received  bigint,
    issued_in_station bigint,
    issued_mobile     bigint,
    spoiled           bigint,
    unused            bigint,
    found_in_boxes    bigint,
    invalid           bigint,
    against_all       bigint,
    votes             bigint[] NOT NULL,
    PRIMARY KEY (election_id, set_id, level, region_id, district)
);
COMMENT ON COLUMN official_totals.region_id IS '0 for the country';
