CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Text as it is compared and searched: lower case, Kazakh letters as their Russian neighbours, no
-- diacritics on Latin ones. `places::fold` in the program is the same map; a test holds them together.
CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT lower((translate($1,
        'АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯёӘҒҚҢӨҰҮҺІәғқңөұүһіÄÁĞǴÑŃÖÓŞÜŪÚİÝäáğǵñńöóşüūúıý',
        'абвгдеежзийклмнопрстуфхцчшщъыьэюяеагкноуухиагкноуухиaaggnnoosuuuiyaaggnnoosuuuiy')) COLLATE "C")
$$;

CREATE TABLE elections (
    id        smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug      text NOT NULL UNIQUE,
    kind      text NOT NULL CHECK (kind IN ('presidential', 'parliamentary', 'local', 'referendum')),
    held_on   date NOT NULL,
    name_kk   text NOT NULL,
    name_ru   text NOT NULL,
    name_en   text NOT NULL
);

-- A region keeps its identity when its code or its borders change.
CREATE TABLE regions (
    id         smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (id > 0),
    slug       text NOT NULL UNIQUE,
    code       text NOT NULL UNIQUE,
    kind       text NOT NULL CHECK (kind IN ('oblast', 'city')),
    name_kk    text NOT NULL,
    name_ru    text NOT NULL,
    name_en    text NOT NULL,
    time_zone  text NOT NULL,
    valid_from date,
    valid_to   date,
    CHECK (valid_from < valid_to)
);
COMMENT ON COLUMN regions.code IS 'ISO 3166-2:KZ, the code in force now';
COMMENT ON COLUMN regions.valid_to IS 'the first day on which the region was no more; null while it lasts';

CREATE TABLE cities (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (id > 0),
    slug      text NOT NULL UNIQUE,
    name_kk   text NOT NULL,
    name_ru   text NOT NULL,
    name_en   text NOT NULL,
    time_zone text NOT NULL,
    latitude  double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180)
);

-- Which region a city belongs to, and when.
CREATE TABLE city_regions (
    city_id    integer  NOT NULL REFERENCES cities ON DELETE CASCADE,
    region_id  smallint NOT NULL REFERENCES regions,
    valid_from date NOT NULL DEFAULT '-infinity',
    valid_to   date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (city_id, region_id),
    CHECK (valid_from < valid_to)
);

-- Other names and former codes under which a place is asked for.
CREATE TABLE place_aliases (
    alias     text NOT NULL,
    region_id smallint REFERENCES regions ON DELETE CASCADE,
    city_id   integer REFERENCES cities ON DELETE CASCADE,
    CHECK (num_nonnulls(region_id, city_id) = 1),
    UNIQUE (alias, region_id),
    UNIQUE (alias, city_id)
);

CREATE TABLE polling_stations (
    election_id smallint NOT NULL REFERENCES elections,
    region_id   smallint NOT NULL REFERENCES regions,
    number      text NOT NULL,
    city_id     integer REFERENCES cities,
    address     text,
    origin      text NOT NULL CHECK (origin IN ('registry', 'reported')),
    PRIMARY KEY (election_id, region_id, number)
);
COMMENT ON COLUMN polling_stations.origin IS 'registry: from an official list; reported: first named by a record';
