//! Many records in one request, beside `\copy` of the same rows into the same tables.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{Bench, load};

const STREAMS: usize = 10;
const LINES: usize = 10_000;

/// Tables of a submission and their columns that are not made by PostgreSQL itself.
const TABLES: [(&str, &str); 4] = [
    (
        "records",
        "election_id, id, kind, region_id, city_id, polling_station, occurred_at, time_precision, local_date, category, \
         severity, people, description, status, duplicate_of, version, reporter_id, received_at, updated_at, \
         submitted_hash, source_id, passage",
    ),
    ("violations", "election_id, record_id, stage, people_involved"),
    (
        "record_versions",
        "election_id, record_id, version, action, status, actor_id, at, note, content, content_hash, duplicate_of, salt, \
         commitment",
    ),
    ("ledger_queue", "commitment"),
];

impl Bench {
    /// A stream of 10,000 lines ten times, then `\copy` of what they stored in one transaction.
    pub async fn ndjson(&self) -> anyhow::Result<()> {
        self.clear().await?;
        let rows = (STREAMS * LINES) as f64;
        let mut ours = Duration::ZERO;
        for _ in 0..STREAMS {
            let lines: String = (0..LINES)
                .map(|_| format!("{{\"record\":\"violation\",{}\n", &load::submission().2[1..]))
                .collect();
            let url = format!("http://{}/api/v1/submissions", self.address);
            let request = self.http.post(url).bearer_auth(&self.token).body(lines);
            let started = Instant::now();
            let answer = request.header("content-type", "application/x-ndjson").send().await?.text().await?;
            ours += started.elapsed();
            let stored = answer.lines().filter(|line| line.contains("\"status\":201")).count();
            anyhow::ensure!(stored == LINES, "{stored} of {LINES} lines were stored");
        }
        let file = |table: &str| self.dir.path().join(format!("{table}.copy"));
        for (table, columns) in TABLES {
            let query = match table {
                "ledger_queue" => "SELECT commitment FROM record_versions".to_owned(),
                _ => format!("SELECT {columns} FROM {table}"),
            };
            self.psql(&[format!("\\copy ({query}) TO '{}'", file(table).display())])?;
        }
        self.clear().await?;
        let copies: Vec<String> = (TABLES.iter())
            .map(|(table, columns)| format!("\\copy {table} ({columns}) FROM '{}'", file(table).display()))
            .collect();
        let started = Instant::now();
        self.psql(&copies)?;
        let theirs = started.elapsed();
        println!(
            "| NDJSON, {STREAMS} streams of {LINES} lines, one after the other | {:.0} records/s | {:.0}/s | {:.2} |",
            rows / ours.as_secs_f64(),
            rows / theirs.as_secs_f64(),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
        self.clear().await
    }

    /// Runs commands in one transaction.
    fn psql(&self, commands: &[String]) -> anyhow::Result<()> {
        let mut psql = Command::new(self.cluster.programs().join("psql"));
        psql.args(["-q", "-1", "-v", "ON_ERROR_STOP=1"]).arg(self.cluster.url());
        for command in commands {
            psql.args(["-c", command]);
        }
        let output = psql.output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Resident memory of the service in kB: now, and the most there was.
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status =
            std::fs::read_to_string(Path::new("/proc").join(self.service.0.id().to_string()).join("status"))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        Ok((of("VmRSS:"), of("VmHWM:")))
    }

    /// From here on the most is counted anew (proc(5), `clear_refs`).
    pub fn forget_most_memory(&self) -> anyhow::Result<()> {
        let file = Path::new("/proc").join(self.service.0.id().to_string()).join("clear_refs");
        Ok(std::fs::write(file, "5")?)
    }
}
