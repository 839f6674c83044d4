-- Sheets of stations that stand: neither rejected, withdrawn nor a duplicate, and with votes.
CREATE VIEW sheets AS
SELECT r.election_id, r.region_id, r.city_id, r.reporter_id, r.polling_station AS station, r.id AS record_id,
       r.category AS held_by, r.status, r.local_date, r.received_at,
       t.voters_on_list, t.ballots_received, t.issued_in_station, t.issued_mobile, t.spoiled, t.unused,
       t.found_in_boxes, t.invalid, t.against_all, t.votes
FROM records r
JOIN protocols t ON (t.election_id, t.record_id) = (r.election_id, r.id)
WHERE r.kind = 'protocol' AND r.category IN ('observer', 'posted')
  AND r.status IN ('submitted', 'in_review', 'verified')
  AND r.polling_station IS NOT NULL AND t.votes <> '[]';
COMMENT ON VIEW sheets IS 'the best of a station comes first by (status <> ''verified'', held_by, received_at DESC)';

-- A table of results is imported whole, into a partition of its own whose index is built at the end: half the time that
-- rows take one by one. A foreign key would look each row up again; regions come from the directory and are never
-- deleted, and whoever deletes a set drops its partition.
ALTER TABLE official_results RENAME TO official_results_before;
ALTER INDEX official_results_pkey RENAME TO official_results_before_pkey;
CREATE TABLE official_results (LIKE official_results_before) PARTITION BY LIST (set_id);
ALTER TABLE official_results ADD PRIMARY KEY (election_id, set_id, region_id, station);
DO $$
DECLARE of smallint;
BEGIN
    FOR of IN SELECT id FROM result_sets LOOP
        EXECUTE format('CREATE TABLE official_results_%s PARTITION OF official_results FOR VALUES IN (%s)', of, of);
    END LOOP;
END $$;
INSERT INTO official_results SELECT * FROM official_results_before;
DROP TABLE official_results_before;

-- Which stations there are is what the published tables list; only those that records merely name are kept beside.
DELETE FROM polling_stations WHERE origin = 'registry';
ALTER TABLE polling_stations DROP COLUMN origin;
CREATE VIEW registry AS SELECT DISTINCT election_id, region_id, station AS number FROM official_results;
CREATE VIEW stations AS
SELECT r.election_id, r.region_id, r.number, p.city_id, p.address, 'registry' AS origin
FROM registry r LEFT JOIN polling_stations p USING (election_id, region_id, number)
UNION ALL
SELECT p.election_id, p.region_id, p.number, p.city_id, p.address, 'reported'
FROM polling_stations p
WHERE NOT EXISTS (SELECT FROM official_results o
                  WHERE (o.election_id, o.region_id, o.station) = (p.election_id, p.region_id, p.number));
COMMENT ON COLUMN stations.origin IS 'registry: a published table lists it; reported: only records name it';
