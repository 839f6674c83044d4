CREATE TABLE users (
    id            uuid PRIMARY KEY,
    email         text NOT NULL,
    name          text NOT NULL,
    role          text NOT NULL CHECK (role IN ('observer', 'coordinator', 'admin')),
    password_hash text,
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));
COMMENT ON COLUMN users.password_hash IS 'argon2id in PHC form; null: cannot sign in (the account that seeds records)';

CREATE TABLE user_regions (
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    region_id smallint NOT NULL REFERENCES regions,
    PRIMARY KEY (user_id, region_id)
);

-- One sign-in on one device; its refresh tokens follow one another.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE refresh_tokens (
    digest     bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
COMMENT ON COLUMN refresh_tokens.digest IS 'SHA-256 of the token: the table alone signs nobody in';
