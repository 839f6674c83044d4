CREATE OR REPLACE VIEW commitments AS
    SELECT commitment, 'record ' || record_id || ' version ' || version AS subject FROM record_versions;
DROP TABLE upload_parts, uploads, evidence, blobs;
