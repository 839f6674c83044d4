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

-- An import writes tens of thousands of rows, and each foreign key would look its row up again: most of the time went
-- there. Regions and elections come from the directory and are never deleted; a table is deleted by its set.
ALTER TABLE official_results DROP CONSTRAINT official_results_set_id_fkey, DROP CONSTRAINT official_results_region_id_fkey;
ALTER TABLE polling_stations DROP CONSTRAINT polling_stations_region_id_fkey, DROP CONSTRAINT polling_stations_election_id_fkey;
