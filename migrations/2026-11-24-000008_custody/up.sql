ALTER TABLE detentions ADD COLUMN custody_since timestamptz, ADD COLUMN custody_source text REFERENCES sources (slug);
COMMENT ON COLUMN detentions.custody_since IS 'when the present custody began; null: when the person was taken';
COMMENT ON COLUMN detentions.custody_source IS 'the document that says so';

-- The course of a detention is followed after its review too.
ALTER TABLE record_versions DROP CONSTRAINT record_versions_action_check;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_action_check
    CHECK (action IN ('submitted', 'edited', 'withdrawn', 'reviewed', 'updated'));

-- Questions of relatives: is this person on any list?
CREATE TABLE enquiries (
    id                uuid PRIMARY KEY,
    election_id       smallint NOT NULL REFERENCES elections,
    region_id         smallint REFERENCES regions,
    city_id           integer REFERENCES cities,
    language          text NOT NULL CHECK (language IN ('kk', 'ru', 'en')),
    armour            text NOT NULL,
    tokens            bytea[] NOT NULL,
    recipient         text NOT NULL UNIQUE,
    asked_at          timestamptz NOT NULL,
    status            text NOT NULL CHECK (status IN ('open', 'answered', 'closed')),
    answered_at       timestamptz,
    answered_by       uuid REFERENCES users,
    answer            text,
    detention_id      uuid
);
COMMENT ON COLUMN enquiries.armour IS 'who is sought and how to reach who asks: age armour to the coalition''s keys';
COMMENT ON COLUMN enquiries.recipient IS 'age key of who asks; the secret half is the code that they keep, and is stored nowhere';
COMMENT ON COLUMN enquiries.answer IS 'age armour to who asks and to the coalition''s keys';
CREATE INDEX enquiries_open ON enquiries (status, asked_at, id);
