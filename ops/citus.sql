-- Spreads the tables over the workers of a Citus cluster: run once, on a migrated database with the extension, while
-- no instance runs. The election is the distribution key; what belongs to no election is copied to every worker, and
-- what is one by its nature (the ledger, uploads under way) stays on the coordinator. docs/SCALING.md tells when this
-- helps. tests/api/scaling.rs holds every table and constraint against Citus's rules.

-- A key without the election cannot be kept over shards. Ids are random (RFC 9562), and a record is always written with
-- its election; the index serves lookups by id alone.
ALTER TABLE records DROP CONSTRAINT records_id_key;
CREATE INDEX records_by_id ON records (id);
ALTER TABLE uploads DROP CONSTRAINT uploads_evidence_id_fkey;
ALTER TABLE sheet_readings DROP CONSTRAINT sheet_readings_evidence_id_fkey;
ALTER TABLE evidence DROP CONSTRAINT evidence_pkey, ADD PRIMARY KEY (election_id, id);
CREATE INDEX evidence_by_id ON evidence (id);

SELECT create_reference_table(name) FROM unnest(ARRAY[
    'elections', 'regions', 'cities', 'city_regions', 'place_aliases', 'users', 'user_regions', 'sessions',
    'refresh_tokens', 'second_factors', 'recovery_codes', 'invitations', 'sources', 'claims', 'events', 'event_cities',
    'recipients', 'candidates', 'result_sets', 'samples', 'sample_strata', 'sample_stations', 'blobs', 'enquiries'
]::regclass[]) AS name;

SELECT create_distributed_table('records', 'election_id');
SELECT create_distributed_table(name, 'election_id', colocate_with => 'records') FROM unnest(ARRAY[
    'violations', 'protocols', 'detentions', 'record_versions', 'sealed_persons', 'evidence', 'counts', 'count_deltas',
    'polling_stations', 'official_results', 'official_totals'
]::regclass[]) AS name;
