CREATE TABLE sources (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug         text NOT NULL UNIQUE,
    title        text NOT NULL,
    publisher    text,
    language     text NOT NULL,
    published_on date,
    url          text,
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- What a source states. Never added to what the tracker counts.
CREATE TABLE claims (
    id          uuid PRIMARY KEY,
    election_id smallint NOT NULL REFERENCES elections,
    topic       text NOT NULL,
    claimant    text NOT NULL,
    value       double precision,
    value_is    text NOT NULL CHECK (value_is IN ('exact', 'approximate', 'at_least', 'disputed', 'none')),
    unit        text,
    stated_on   date,
    text_kk     text NOT NULL,
    text_ru     text NOT NULL,
    text_en     text NOT NULL,
    disputes    uuid REFERENCES claims,
    source_id   integer NOT NULL REFERENCES sources,
    passage     integer,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX claims_election ON claims (election_id, stated_on);

CREATE TABLE events (
    id          uuid PRIMARY KEY,
    election_id smallint NOT NULL REFERENCES elections,
    starts_on   date NOT NULL,
    ends_on     date,
    "precision" text NOT NULL CHECK ("precision" IN ('day', 'period')),
    text_kk     text NOT NULL,
    text_ru     text NOT NULL,
    text_en     text NOT NULL,
    source_id   integer NOT NULL REFERENCES sources,
    passage     integer,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (ends_on >= starts_on)
);
CREATE INDEX events_election ON events (election_id, starts_on);

CREATE TABLE event_cities (
    event_id uuid NOT NULL REFERENCES events ON DELETE CASCADE,
    city_id  integer NOT NULL REFERENCES cities,
    PRIMARY KEY (event_id, city_id)
);
