-- A pseudonymous person has a handle and no e-mail.
ALTER TABLE users ALTER COLUMN email DROP NOT NULL, ADD COLUMN handle text;
ALTER TABLE users ADD CHECK (email IS NOT NULL OR handle IS NOT NULL);
CREATE UNIQUE INDEX users_handle ON users (handle);

-- Second factors (RFC 6238). The secret is encrypted with a key that the database does not hold.
CREATE TABLE second_factors (
    user_id      uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    secret       bytea NOT NULL,
    confirmed_at timestamptz,
    last_step    bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN second_factors.last_step IS 'the last time step whose code was used: a code is good once';

CREATE TABLE recovery_codes (
    digest  bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);
COMMENT ON COLUMN recovery_codes.digest IS 'SHA-256 of a code of 80 bits; the row goes when it is used';

ALTER TABLE sessions ADD COLUMN label text, ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN sessions.label IS 'what the device calls itself';

CREATE TABLE invitations (
    id         uuid PRIMARY KEY,
    digest     bytea NOT NULL UNIQUE,
    role       text NOT NULL CHECK (role IN ('observer', 'coordinator', 'admin')),
    regions    smallint[] NOT NULL,
    invited_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_by    uuid REFERENCES users,
    revoked_at timestamptz
);
COMMENT ON COLUMN invitations.digest IS 'SHA-256 of the token in the link';
