DROP TABLE invitations, recovery_codes, second_factors;
ALTER TABLE sessions DROP COLUMN label, DROP COLUMN last_used_at;
DELETE FROM users WHERE email IS NULL;
ALTER TABLE users DROP COLUMN handle, ALTER COLUMN email SET NOT NULL;
