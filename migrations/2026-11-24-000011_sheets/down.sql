DROP TABLE sheet_readings;
ALTER TABLE protocols
    DROP COLUMN against_all, DROP COLUMN copy_number, DROP COLUMN signatures, DROP COLUMN commission_size,
    DROP COLUMN handed_out_at, DROP COLUMN failed_checks;
DROP TABLE candidates;
