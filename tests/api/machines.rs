//! More than one machine: instances on one database, hot standbys, a pooler.

use std::time::Duration;

use baqylau::{
    db::{
        self, Pool,
        embedded::{Cluster, Options},
    },
    seeds,
    vitals::Database,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    servers::{self, Pooler, Standby},
    support::{Answer, App, Person, add_people, violation},
};

/// A primary of the test's own, with the schema, the seeds and the people.
async fn primary(name: &str) -> (TempDir, Cluster) {
    let dir = servers::test_dir(name);
    let cluster =
        Cluster::start(&dir.path().join("primary"), Options { throwaway: true, ..Options::default() })
            .await
            .unwrap();
    db::migrations::run(&cluster.url()).await.unwrap();
    let pool = Pool::new(&cluster.url(), 2).unwrap();
    seeds::carried(&pool).await.unwrap();
    add_people(&pool).await;
    (dir, cluster)
}

/// How many reads came from where: reads of `records` that each server has seen.
async fn scans(url: &str) -> i64 {
    let client = crate::servers::sql(url).await;
    client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
    let sql =
        "SELECT (seq_scan + coalesce(idx_scan, 0))::int8 FROM pg_stat_user_tables WHERE relname = 'records'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn total(person: &Person<'_>) -> i64 {
    person.get("/aggregates").await.json(200)["total"].as_i64().unwrap()
}

/// Asks until the answer is as wanted.
async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if reached().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn two_instances_are_one_service() {
    let one = App::new().await;
    let two = one.beside(|_| {}).await;
    let observer = one.sign_in("observer").await;
    let elsewhere = Person::with_token(&two, observer.token.as_deref().unwrap());

    // The same record sent to both at the same moment is stored once, whichever was first.
    for n in 0..20 {
        let body = violation(json!({ "id": format!("0197a000-0000-7000-8000-{n:012}") }));
        let (here, there) =
            tokio::join!(observer.post("/violations", body.clone()), elsewhere.post("/violations", body));
        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 201]);
        let ids =
            [here, there].map(|answer| serde_json::from_slice::<Value>(&answer.body).unwrap()["id"].clone());
        assert_eq!(ids[0], ids[1]);
    }
    // What one stored the other answers; an edit of an old version is refused at either.
    let path = "/violations/0197a000-0000-7000-8000-000000000003";
    let etag = elsewhere.get(path).await.header("etag").to_owned();
    elsewhere.patch(path, &etag, json!({ "severity": "critical" })).await.json(200);
    observer.patch(path, &etag, json!({ "severity": "minor" })).await.json(412);

    // Counts are folded and leaves are sequenced by one at a time, and nothing is done twice.
    two.settled().await;
    let admin = two.sign_in("admin").await;
    assert_eq!(total(&admin).await, 21);
    let sql = one.sql().await;
    let leaves = "SELECT (SELECT count(*) FROM commitments), count(*), max(idx) + 1 FROM ledger_leaves";
    let row = sql.query_one(leaves, &[]).await.unwrap();
    let (committed, leaves, next): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert!(committed == leaves && leaves == next, "{committed} committed, {leaves} leaves, up to {next}");

    // Whoever is signed out at one is signed out at the other, within two seconds.
    let body = json!({ "refresh_token": observer.tokens["refresh_token"] });
    observer.post("/auth/logout", body).await.text_status(204);
    until("signed out at the other instance", async || elsewhere.get("/me").await.status == 401).await;
}

#[tokio::test]
async fn standbys_answer_reads_and_people_see_what_they_wrote() {
    let (dir, cluster) = primary("standby").await;
    let mut standby = Standby::of(cluster.programs(), cluster.sockets(), dir.path(), "standby");
    let replicas = vec![standby.url("baqylau")];
    let start = |folder: &str| {
        let (replicas, folder) = (replicas.clone(), dir.path().join(folder));
        App::on_owned(cluster.url(), folder, move |settings| settings.replica_urls = replicas)
    };
    let (one, two) = (start("one").await, start("two").await);
    let admin = one.sign_in("admin").await;
    let elsewhere = Person::with_token(&two, admin.token.as_deref().unwrap());

    // Lists go to the standby once it is known to follow.
    let (here, there) = (cluster.url(), standby.url("baqylau"));
    until("a list comes from the standby", async || {
        let before = scans(&there).await;
        admin.get("/violations").await.json(200);
        // PostgreSQL keeps its statistics a moment to itself.
        tokio::time::sleep(Duration::from_millis(50)).await;
        scans(&there).await > before
    })
    .await;
    assert!(scans(&here).await > 0, "the seeds were read there");

    // Whether the log is kept for it is what the doctor asks.
    let pool = Pool::new(&here, 1).unwrap();
    let kept = async || Database::read(&pool).await.unwrap().log_kept;
    assert!(!kept().await);
    let sql = crate::servers::sql(&here).await;
    sql.batch_execute("SELECT pg_create_physical_replication_slot('standby')").await.unwrap();
    assert!(kept().await, "by a slot");
    sql.batch_execute("SELECT pg_drop_replication_slot('standby')").await.unwrap();

    // What was just written is seen by who wrote it, at the same instance without more ado and at another with the
    // position that the write was told, though the standby stands still.
    let pause = |sql: &str| assert!(standby.psql(sql).status.success());
    pause("SELECT pg_wal_replay_pause()");
    let stored = admin.post("/violations", violation(json!({}))).await;
    let position = stored.header("baqylau-position").to_owned();
    let path = format!("/violations/{}", stored.json(201)["id"].as_str().unwrap());
    admin.get(&path).await.json(200);
    let told = elsewhere.request(Method::GET, &path).header("baqylau-position", &position);
    Answer::of(told).await.json(200);
    let nonsense = elsewhere.request(Method::GET, &path).header("baqylau-position", "nonsense");
    Answer::of(nonsense).await.json(200);

    // A standby that lags more than allowed gets no reads at all: the primary answers, to everybody.
    until("the lagging standby is passed over", async || {
        elsewhere.post("/violations", violation(json!({}))).await.json(201);
        two.nobody().get("/public/aggregates").await.json(200);
        two.get_metric("baqylau_replica_usable").await == 0.0
    })
    .await;
    pause("SELECT pg_wal_replay_resume()");
    until("it has caught up", async || two.get_metric("baqylau_replica_usable").await == 1.0).await;

    // A standby that dies while it is read from costs nobody an answer, and it is used again when it is back.
    let reading = async {
        let mut statuses = Vec::new();
        for _ in 0..300 {
            statuses.push(admin.get("/violations?limit=5").await.status);
        }
        statuses
    };
    let (statuses, ()) = tokio::join!(reading, async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        standby.kill();
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    until("the dead standby is passed over", async || one.get_metric("baqylau_replica_usable").await == 0.0)
        .await;
    admin.get("/exports/violations.csv").await.text(200);
    standby.start();
    until("it is used again", async || one.get_metric("baqylau_replica_usable").await == 1.0).await;
    drop((one, two));
    standby.kill();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_standby_takes_over_and_nothing_acknowledged_is_lost() {
    let (dir, cluster) = primary("failover").await;
    let standby = Standby::of(cluster.programs(), cluster.sockets(), dir.path(), "second");
    let pool = Pool::new(&cluster.url(), 1).unwrap();
    let sql = pool.dedicated().await.unwrap();
    sql.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'second'").await.unwrap();
    // The cluster of a test does not wait for its disk, and says so on its command line.
    sql.batch_execute("ALTER DATABASE baqylau SET synchronous_commit = 'on'").await.unwrap();
    sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let url = servers::url_of_two(cluster.sockets(), standby.sockets(), "baqylau");
    let app = App::on(&url, dir.path().join("files"), |_| {}).await;
    let admin = app.sign_in("admin").await;
    let mut kept = Vec::new();
    for _ in 0..20 {
        kept.push(admin.file(json!({})).await);
    }
    servers::kill_tree(cluster.pid());
    let refused = admin.post("/violations", violation(json!({}))).await;
    assert_eq!(refused.status, 503, "with nobody to write to it says so");
    assert!(refused.headers.contains_key("retry-after"));
    standby.promote();
    until("it writes again", async || admin.post("/violations", violation(json!({}))).await.status == 201)
        .await;
    for path in &kept {
        admin.get(path).await.json(200);
    }
    app.settled().await;
    drop(app);
    drop(standby);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_only_one_of_two_servers_has_is_not_acknowledged() {
    let (dir, cluster) = primary("alone").await;
    let mut standby = Standby::of(cluster.programs(), cluster.sockets(), dir.path(), "second");
    let pool = Pool::new(&cluster.url(), 1).unwrap();
    let sql = pool.dedicated().await.unwrap();
    sql.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'second'").await.unwrap();
    sql.batch_execute("ALTER DATABASE baqylau SET synchronous_commit = 'on'").await.unwrap();
    sql.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let app = App::on(&cluster.url(), dir.path().join("files"), |_| {}).await;
    let admin = app.sign_in("admin").await;
    standby.kill();

    // Commits that wait for the standby, by their processes; each is broken off, as `statement_timeout` would.
    let waiting =
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'";
    let break_off = async || {
        until("a commit waits", async || !sql.query(waiting, &[]).await.unwrap().is_empty()).await;
        for row in sql.query(waiting, &[]).await.unwrap() {
            sql.execute("SELECT pg_cancel_backend($1)", &[&row.get::<_, i32>(0)]).await.unwrap();
        }
    };
    let body = violation(json!({ "id": "0197a000-0000-7000-8000-00000000a10e" }));
    for attempt in ["the first", "again: the primary has it"] {
        let (answer, ()) = tokio::join!(admin.post("/violations", body.clone()), break_off());
        assert_eq!(answer.status, 503, "{attempt}");
    }
    let there = "SELECT count(*) FROM records WHERE id = '0197a000-0000-7000-8000-00000000a10e'";
    assert_eq!(sql.query_one(there, &[]).await.unwrap().get::<_, i64>(0), 1);
    standby.start();
    assert_eq!(admin.post("/violations", body).await.status, 200, "now both have it");
    let follower = Pool::new(&standby.url("baqylau"), 1).unwrap().dedicated().await.unwrap();
    assert_eq!(follower.query_one(there, &[]).await.unwrap().get::<_, i64>(0), 1);
    drop(app);
    drop(standby);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let (dir, cluster) = primary("pooler").await;
    let pooler = Pooler::before(cluster.sockets(), dir.path());
    let url = pooler.url("baqylau");
    // Instances that start together migrate through it, one after the other.
    let (first, second) = tokio::join!(db::migrations::run(&url), db::migrations::run(&url));
    assert_eq!((first.unwrap(), second.unwrap()), (0, 0));
    let instance = |folder: &str| App::on_owned(url.clone(), dir.path().join(folder), |_| {});
    let (one, two) = (instance("one").await, instance("two").await);
    let admin = one.sign_in("admin").await;
    let elsewhere = Person::with_token(&two, admin.token.as_deref().unwrap());

    // Sixteen connections of the program share four of the server.
    let work = async |person: &Person<'_>, from: usize| {
        for n in from..from + 25 {
            let id = format!("0197a000-0000-7000-8000-{n:012}");
            let body = violation(json!({ "id": id, "polling_station": n.to_string() }));
            let stored = person.post("/violations", body).await;
            assert_eq!(stored.status, 201);
            let path = format!("/violations/{id}");
            let etag = stored.header("etag").to_owned();
            person.patch(&path, &etag, json!({ "severity": "minor" })).await.json(200);
            person.get("/violations?region=KZ-35&q=дауыс").await.json(200);
            total(person).await;
        }
    };
    tokio::join!(
        work(&admin, 0),
        work(&elsewhere, 25),
        work(&admin, 50),
        work(&elsewhere, 75),
        work(&admin, 100),
        work(&elsewhere, 125),
    );
    one.settled().await;
    assert_eq!(total(&admin).await, 151);
    let lines: Vec<String> = (200..260)
        .map(|n| {
            let mut line = violation(json!({ "id": format!("0197a000-0000-7000-8000-{n:012}") }));
            line["record"] = "violation".into();
            line.to_string()
        })
        .collect();
    assert!(elsewhere.submit_lines(&lines).await.iter().all(|line| line["status"] == 201));
    assert_eq!(admin.get("/exports/violations.csv").await.text(200).lines().count(), 1 + 211);
    drop((one, two, pooler));
    cluster.stop().await.unwrap();
}
