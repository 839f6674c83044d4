DROP TABLE enquiries;
DELETE FROM record_versions WHERE action = 'updated';
ALTER TABLE record_versions DROP CONSTRAINT record_versions_action_check;
ALTER TABLE record_versions ADD CONSTRAINT record_versions_action_check
    CHECK (action IN ('submitted', 'edited', 'withdrawn', 'reviewed'));
ALTER TABLE detentions DROP COLUMN custody_since, DROP COLUMN custody_source;
