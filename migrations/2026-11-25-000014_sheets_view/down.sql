ALTER TABLE official_results
    ADD CONSTRAINT official_results_set_id_fkey FOREIGN KEY (set_id) REFERENCES result_sets ON DELETE CASCADE,
    ADD CONSTRAINT official_results_region_id_fkey FOREIGN KEY (region_id) REFERENCES regions;
ALTER TABLE polling_stations
    ADD CONSTRAINT polling_stations_region_id_fkey FOREIGN KEY (region_id) REFERENCES regions,
    ADD CONSTRAINT polling_stations_election_id_fkey FOREIGN KEY (election_id) REFERENCES elections;
DROP VIEW sheets;
