//! The way to a Citus cluster: every table has its place, and no constraint is in the way. Citus itself is not run here:
//! its functions only note what they are asked for, and its rules are held against PostgreSQL's catalogue.

use serde_json::json;

use crate::{
    evidence::{Tus, photo},
    support::App,
};

/// What Citus would be told.
const NOTES: &str = "
    CREATE TABLE placed (name regclass PRIMARY KEY, key text);
    CREATE FUNCTION create_reference_table(name regclass) RETURNS void LANGUAGE sql AS
        $$ INSERT INTO placed VALUES (name, NULL) $$;
    CREATE FUNCTION create_distributed_table(name regclass, key text, colocate_with text DEFAULT 'default')
        RETURNS void LANGUAGE sql AS $$ INSERT INTO placed VALUES (name, key) $$;";

/// What there is one of by its nature: the log, uploads under way, and what is written by the coordinator's workers.
const STAY: [&str; 9] = [
    "__diesel_schema_migrations",
    "ledger_checkpoints",
    "ledger_leaves",
    "ledger_queue",
    "ledger_tiles",
    "sealed_reads",
    "sheet_readings",
    "upload_parts",
    "uploads",
];

/// Keys and unique indexes of distributed tables that lack the distribution key.
const KEYS: &str = "SELECT i.indexrelid::regclass::text FROM placed p JOIN pg_index i ON i.indrelid = p.name
    WHERE p.key IS NOT NULL AND (i.indisunique OR i.indisprimary) AND NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = p.name AND a.attname = p.key AND a.attnum = ANY (i.indkey))";

/// Foreign keys that Citus refuses: from a distributed table to one that is neither a reference table nor distributed
/// with both keys in the constraint; and to a distributed table from any that is not.
const FOREIGN_KEYS: &str = "SELECT c.conname FROM pg_constraint c
    LEFT JOIN placed f ON f.name = c.conrelid LEFT JOIN placed t ON t.name = c.confrelid
    WHERE c.contype = 'f' AND NOT CASE
        WHEN f.key IS NOT NULL AND t.key IS NOT NULL THEN
            EXISTS (SELECT FROM unnest(c.conkey, c.confkey) k (a, b)
                JOIN pg_attribute fa ON (fa.attrelid, fa.attnum) = (f.name, k.a)
                JOIN pg_attribute ta ON (ta.attrelid, ta.attnum) = (t.name, k.b)
                WHERE fa.attname = f.key AND ta.attname = t.key)
        WHEN f.key IS NOT NULL THEN t.name IS NOT NULL
        ELSE t.key IS NULL END";

#[tokio::test]
async fn every_table_has_its_place_in_a_cluster_and_no_key_is_in_the_way() {
    let app = App::new().await;
    let sql = app.sql().await;
    let script = include_str!("../../ops/citus.sql");
    let names = async |query: &str| -> Vec<String> {
        sql.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    // Without the changes of the script there are keys in the way: the rules do see them.
    sql.batch_execute(NOTES).await.unwrap();
    let calls = &script[script.find("SELECT create_reference_table").unwrap()..];
    sql.batch_execute(calls).await.unwrap();
    assert_eq!(names(KEYS).await, ["records_id_key", "evidence_pkey"]);
    assert_eq!(names(FOREIGN_KEYS).await.len(), 2);

    sql.batch_execute("TRUNCATE placed").await.unwrap();
    sql.batch_execute(script).await.unwrap();
    assert_eq!(names(KEYS).await, [] as [&str; 0]);
    assert_eq!(names(FOREIGN_KEYS).await, [] as [&str; 0]);
    let stay = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND oid NOT IN (SELECT name FROM placed) AND relname <> 'placed' ORDER BY relname";
    assert_eq!(names(stay).await, STAY);
    // Citus wants the key in a column of its own that is never null.
    let keys =
        "SELECT p.name::text FROM placed p JOIN pg_attribute a ON a.attrelid = p.name AND a.attname = p.key
        WHERE NOT a.attnotnull";
    assert_eq!(names(keys).await, [] as [&str; 0]);

    // The service works on with the keys as they are then.
    let observer = app.sign_in("observer").await;
    let path = observer.file(json!({})).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    Tus { person: &observer }.whole(&id, &photo(16)).await;
    let again = observer.get(&path).await.json(200);
    assert_eq!(again["version"], 1);
    app.settled().await;
    assert_eq!(observer.get("/aggregates").await.json(200)["total"], 1);
}
