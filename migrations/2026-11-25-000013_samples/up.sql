-- A random sample of polling stations, drawn before their sheets are known.
CREATE TABLE samples (
    id          uuid PRIMARY KEY,
    election_id smallint NOT NULL REFERENCES elections,
    label       text NOT NULL,
    seed        text NOT NULL,
    margin      double precision NOT NULL,
    confidence  double precision NOT NULL,
    by_region   boolean NOT NULL,
    drawn_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (election_id, label)
);

CREATE TABLE sample_strata (
    sample_id  uuid NOT NULL REFERENCES samples ON DELETE CASCADE,
    region_id  smallint NOT NULL,
    population integer NOT NULL,
    size       integer NOT NULL CHECK (size <= population),
    PRIMARY KEY (sample_id, region_id)
);
COMMENT ON COLUMN sample_strata.region_id IS '0: the whole country is one stratum';

CREATE TABLE sample_stations (
    sample_id uuid NOT NULL REFERENCES samples ON DELETE CASCADE,
    stratum   smallint NOT NULL,
    region_id smallint NOT NULL,
    station   text NOT NULL,
    PRIMARY KEY (sample_id, region_id, station)
);
