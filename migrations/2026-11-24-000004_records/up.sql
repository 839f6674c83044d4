-- The envelope of what observers submit. The election leads every key, so that it can be the
-- distribution key of a sharded database.
CREATE TABLE records (
    election_id     smallint NOT NULL REFERENCES elections,
    id              uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('violation', 'protocol', 'detention')),
    region_id       smallint REFERENCES regions,
    city_id         integer REFERENCES cities,
    polling_station text,
    occurred_at     timestamptz NOT NULL,
    time_precision  text NOT NULL CHECK (time_precision IN ('exact', 'hour', 'day')),
    local_date      date NOT NULL,
    category        text NOT NULL,
    severity        text CHECK (severity IN ('minor', 'serious', 'critical')),
    people          integer NOT NULL DEFAULT 0 CHECK (people >= 0),
    description     text NOT NULL,
    status          text NOT NULL CHECK (status IN
                        ('submitted', 'in_review', 'verified', 'rejected', 'duplicate', 'withdrawn')),
    duplicate_of    uuid,
    version         integer NOT NULL CHECK (version > 0),
    reporter_id     uuid NOT NULL REFERENCES users,
    received_at     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    submitted_hash  bytea NOT NULL CHECK (length(submitted_hash) = 32),
    source_id       integer REFERENCES sources,
    passage         integer,
    search          tsvector GENERATED ALWAYS AS
                        (to_tsvector('simple', fold(description || ' ' || coalesce(polling_station, '')))) STORED,
    PRIMARY KEY (election_id, id),
    UNIQUE (id),
    CHECK (city_id IS NULL OR region_id IS NOT NULL),
    CHECK ((status = 'duplicate') = (duplicate_of IS NOT NULL))
);
COMMENT ON COLUMN records.region_id IS 'the region as it stood on the day of the election';
COMMENT ON COLUMN records.local_date IS 'the date on the calendar of the place';
COMMENT ON COLUMN records.people IS 'people detained; 0 where the number is unknown or the kind has none';
COMMENT ON COLUMN records.submitted_hash IS 'SHA-256 of the content as first submitted (RFC 8785 form)';

CREATE INDEX records_by_time ON records (election_id, kind, occurred_at, id);
CREATE INDEX records_by_region ON records (election_id, kind, region_id, occurred_at, id);
CREATE INDEX records_by_city ON records (election_id, kind, city_id, occurred_at, id);
CREATE INDEX records_by_arrival ON records (election_id, kind, received_at, id);
CREATE INDEX records_by_reporter ON records (reporter_id, received_at, id);
CREATE INDEX records_search ON records USING gin (search);

CREATE TABLE violations (
    election_id     smallint NOT NULL,
    record_id       uuid NOT NULL,
    stage           text NOT NULL,
    people_involved text,
    PRIMARY KEY (election_id, record_id),
    FOREIGN KEY (election_id, record_id) REFERENCES records ON DELETE CASCADE
);

-- Figures as the sheet states them; null: not stated or not legible. They need not agree.
CREATE TABLE protocols (
    election_id       smallint NOT NULL,
    record_id         uuid NOT NULL,
    voters_on_list    integer,
    ballots_received  integer,
    issued_in_station integer,
    issued_mobile     integer,
    spoiled           integer,
    unused            integer,
    found_in_boxes    integer,
    invalid           integer,
    signed            boolean,
    stamped           boolean,
    votes             jsonb NOT NULL,
    PRIMARY KEY (election_id, record_id),
    FOREIGN KEY (election_id, record_id) REFERENCES records ON DELETE CASCADE
);

CREATE TABLE detentions (
    election_id     smallint NOT NULL,
    record_id       uuid NOT NULL,
    people          integer CHECK (people > 0),
    detained_by     text NOT NULL,
    custody         text NOT NULL,
    arrest_days     integer,
    held_at         text,
    stated_ground   text,
    relatives_told  boolean,
    lawyer_admitted boolean,
    sealed_person   text,
    PRIMARY KEY (election_id, record_id),
    FOREIGN KEY (election_id, record_id) REFERENCES records ON DELETE CASCADE
);
COMMENT ON COLUMN detentions.sealed_person IS 'age armour; the server holds no key to it';

-- Every version and every review, never changed afterwards.
CREATE TABLE record_versions (
    election_id  smallint NOT NULL,
    record_id    uuid NOT NULL,
    version      integer NOT NULL,
    action       text NOT NULL CHECK (action IN ('submitted', 'edited', 'withdrawn', 'reviewed')),
    status       text NOT NULL,
    actor_id     uuid NOT NULL REFERENCES users,
    at           timestamptz NOT NULL,
    note         text,
    content      jsonb,
    content_hash bytea,
    PRIMARY KEY (election_id, record_id, version),
    FOREIGN KEY (election_id, record_id) REFERENCES records
);
COMMENT ON COLUMN record_versions.content IS 'the whole content where the action changed it, else null';
