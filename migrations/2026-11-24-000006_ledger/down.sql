DROP VIEW commitments;
DROP TABLE ledger_checkpoints, ledger_tiles, ledger_leaves, ledger_queue;
ALTER TABLE record_versions DROP COLUMN duplicate_of, DROP COLUMN salt, DROP COLUMN commitment;
