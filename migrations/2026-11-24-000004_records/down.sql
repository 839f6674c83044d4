DROP TABLE record_versions, detentions, protocols, violations, records;
