-- Written beside each change in its own transaction; a worker folds them into `counts`. Two writers
-- never meet on one row.
CREATE TABLE count_deltas (
    election_id smallint NOT NULL,
    kind        text NOT NULL,
    region_id   smallint NOT NULL,
    city_id     integer NOT NULL,
    day         date NOT NULL,
    category    text NOT NULL,
    status      text NOT NULL,
    severity    text NOT NULL,
    n           integer NOT NULL,
    people      integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Grains: 0 all dimensions; 1 region, day, category, status; 2 region, city, status;
-- 3 region, day, status; 4 category, status, severity. A dimension that a grain leaves out holds
-- 0, '' or -infinity, as does an unknown place.
CREATE TABLE counts (
    election_id smallint NOT NULL,
    kind        text NOT NULL,
    grain       smallint NOT NULL,
    region_id   smallint NOT NULL,
    city_id     integer NOT NULL,
    day         date NOT NULL,
    category    text NOT NULL,
    status      text NOT NULL,
    severity    text NOT NULL,
    n           bigint NOT NULL,
    people      bigint NOT NULL,
    PRIMARY KEY (election_id, kind, grain, region_id, city_id, day, category, status, severity)
) WITH (fillfactor = 70);
