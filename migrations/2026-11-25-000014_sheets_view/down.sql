DROP VIEW stations, registry, sheets;
ALTER TABLE polling_stations ADD COLUMN origin text NOT NULL DEFAULT 'reported' CHECK (origin IN ('registry', 'reported'));
ALTER TABLE polling_stations ALTER origin DROP DEFAULT;
INSERT INTO polling_stations (election_id, region_id, number, origin)
SELECT DISTINCT election_id, region_id, station, 'registry' FROM official_results
ON CONFLICT (election_id, region_id, number) DO UPDATE SET origin = 'registry';
CREATE TABLE official_results_before (LIKE official_results);
INSERT INTO official_results_before SELECT * FROM official_results;
DROP TABLE official_results;
ALTER TABLE official_results_before RENAME TO official_results;
ALTER TABLE official_results
    ADD PRIMARY KEY (election_id, set_id, region_id, station),
    ADD FOREIGN KEY (set_id) REFERENCES result_sets ON DELETE CASCADE,
    ADD FOREIGN KEY (region_id) REFERENCES regions;
