ALTER TABLE detentions ADD COLUMN sealed_person text;
UPDATE detentions d SET sealed_person = s.armour FROM sealed_persons s
WHERE (s.election_id, s.record_id) = (d.election_id, d.record_id);
ALTER TABLE detentions DROP COLUMN person_commitment;
DROP TABLE sealed_reads, sealed_persons, recipients;
