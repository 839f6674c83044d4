//! The same work as SQL: what pgbench runs beside the service.

/// The statements of one submission.
pub const SUBMISSION: &str = r#"
\set a random(0, 65535)
\set b random(0, 281474976710655)
\set s random(1, 299)
\set m random(0, 59)
BEGIN;
INSERT INTO records (election_id, id, kind, region_id, city_id, polling_station, occurred_at, time_precision, local_date, category, severity, people, description, status, version, reporter_id, received_at, updated_at, submitted_hash) VALUES (1, ('0197a000-' || lpad(to_hex(:a::bigint), 4, '0') || '-4000-8000-' || lpad(to_hex(:b::bigint), 12, '0'))::uuid, 'violation', 7, 12, :s::text, '2019-06-09 04:00Z'::timestamptz + :m::int * interval '1 minute', 'exact', '2019-06-09', 'observer_obstructed', 'serious', 0, 'Бақылаушыны дауыс санау кезінде учаскеден шығарды', 'submitted', 1, '01970000-0000-7000-8000-000000000001', now(), now(), decode(repeat('ab', 32), 'hex')) ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO violations (election_id, record_id, stage, people_involved) VALUES (1, ('0197a000-' || lpad(to_hex(:a::bigint), 4, '0') || '-4000-8000-' || lpad(to_hex(:b::bigint), 12, '0'))::uuid, 'voting', NULL);
INSERT INTO record_versions (election_id, record_id, version, action, status, actor_id, at, content, content_hash, salt, commitment) VALUES (1, ('0197a000-' || lpad(to_hex(:a::bigint), 4, '0') || '-4000-8000-' || lpad(to_hex(:b::bigint), 12, '0'))::uuid, 1, 'submitted', 'submitted', '01970000-0000-7000-8000-000000000001', now(), '{"category":"observer_obstructed","city":"qaraghandy","description":"Бақылаушыны дауыс санау кезінде учаскеден шығарды","election":"kz-2019-president","occurred_at":"2019-06-09T04:00:00Z","polling_station":"123","precision":"exact","region":"KZ-35","severity":"serious","stage":"voting"}', decode(repeat('ab', 32), 'hex'), decode(repeat('cd', 32), 'hex'), sha256((:a::text || :b::text)::bytea));
INSERT INTO ledger_queue (commitment) VALUES (sha256((:a::text || :b::text)::bytea));
INSERT INTO count_deltas VALUES (1, 'violation', 7, 12, '2019-06-09', 'observer_obstructed', 'submitted', 'serious', 1, 0);
INSERT INTO polling_stations (election_id, region_id, number, city_id) VALUES (1, 7, :s::text, 12) ON CONFLICT DO NOTHING;
COMMIT;
"#;

/// The statement of a page and its details, with the columns that the service reads. In this region one moment tells the
/// date, so that is not asked for.
pub const LIST: &str = "SELECT r.id, r.election_id, r.region_id, r.city_id, r.polling_station, r.occurred_at, r.time_precision, r.local_date, \
    r.description, r.status, r.duplicate_of, r.version, r.reporter_id, r.received_at, r.updated_at, r.source_id, r.passage, \
    r.category, r.severity, v.stage, v.people_involved FROM records r JOIN violations v ON (v.election_id, v.record_id) = (r.election_id, r.id) \
    WHERE r.kind = 'violation' AND r.election_id = 1 AND r.region_id = (SELECT id FROM regions WHERE code = 'KZ-35') \
    AND r.occurred_at >= '2019-06-08 18:00Z' AND r.occurred_at < '2019-06-12 18:00Z' ORDER BY r.occurred_at DESC, r.id DESC LIMIT 51;\n";

/// The statement of counts by region and day.
pub const COUNTS: &str = "SELECT region_id, day, sum(n) FROM (SELECT election_id, region_id, day, n FROM counts WHERE kind = 'violation' AND grain = 3 \
    UNION ALL SELECT election_id, region_id, day, n FROM count_deltas WHERE kind = 'violation') t WHERE election_id = 1 GROUP BY 1, 2 ORDER BY 2, 1;\n";

/// `rows` violations spread over cities, days, categories and statuses, with all that stands beside them. Their ids
/// follow the clock as those of clients do.
pub fn fill(rows: i64) -> String {
    format!(
        r#"
CREATE TEMP TABLE made AS
SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1e6)::bigint), 14, '0') || substr(md5(random()::text), 1, 18))::uuid AS id, c.id AS city, h.region_id AS region, i,
       (random() * 299 + 1)::int AS station,
       '2019-06-07 19:00Z'::timestamptz + random() * interval '6 days' AS at,
       (ARRAY['ballot_stuffing','observer_obstructed','observer_expelled','protocol_copy_refused','pressure_on_voters','group_voting','voter_list_error','other'])[1 + (random() * 7)::int] AS category,
       (ARRAY['minor','serious','critical'])[1 + (random() * 2)::int] AS severity,
       (ARRAY['submitted','submitted','in_review','verified','rejected'])[1 + (random() * 4)::int] AS status
FROM generate_series(1, {rows}) i
JOIN cities c ON c.id = 1 + i % (SELECT count(*) FROM cities)
JOIN city_regions h ON h.city_id = c.id AND h.valid_from = '-infinity';
INSERT INTO records (election_id, id, kind, region_id, city_id, polling_station, occurred_at, time_precision, local_date, category, severity, people, description, status, version, reporter_id, received_at, updated_at, submitted_hash)
SELECT 1, id, 'violation', region, city, station::text, at, 'exact', (at AT TIME ZONE 'Asia/Almaty')::date, category, severity, 0,
       'Бақылаушыны дауыс санау кезінде учаскеден шығарды ' || i % 1000, status, 1, '01970000-0000-7000-8000-000000000001', now(), now(), decode(repeat('ab', 32), 'hex') FROM made;
INSERT INTO violations SELECT 1, id, 'voting', NULL FROM made;
INSERT INTO record_versions (election_id, record_id, version, action, status, actor_id, at, note, content, content_hash) SELECT 1, id, 1, 'submitted', status, '01970000-0000-7000-8000-000000000001', now(), NULL, jsonb_build_object('description', i), decode(repeat('ab', 32), 'hex') FROM made;
INSERT INTO count_deltas SELECT 1, 'violation', region, city, (at AT TIME ZONE 'Asia/Almaty')::date, category, status, severity, count(*), 0 FROM made GROUP BY 3, 4, 5, 6, 7, 8;
DROP TABLE made;
"#
    )
}
