//! All metrics that the service tells, with what they mean. `ops/` builds its dashboards and alarms on these names.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Counters.
pub const COUNTERS: &[(&str, &str)] = &[
    ("baqylau_http_requests_total", "Requests answered, by method, route and status"),
    ("baqylau_requests_refused_total", "Requests refused because their lane was full, by lane"),
    ("baqylau_ledger_leaves_total", "Entries that got their place in the ledger"),
    ("baqylau_ledger_failures_total", "Times that the ledger could not grow"),
    ("baqylau_reads_moved_total", "Lists asked again over another connection, since theirs gave no answer"),
    ("baqylau_postgres_restarts_total", "Times that the private PostgreSQL ended and was started again"),
];

/// Gauges.
pub const GAUGES: &[(&str, &str)] = &[
    ("baqylau_requests_in_flight", "Requests under way, by lane"),
    ("baqylau_db_connections_in_use", "Connections to PostgreSQL in use by the worker that was asked"),
    ("baqylau_db_connections_max", "Connections to PostgreSQL that this worker may have"),
    ("baqylau_database_up", "Whether PostgreSQL answers"),
    ("baqylau_database_bytes", "Size of the database"),
    ("baqylau_disk_free_bytes", "Room on the disk of the data directory"),
    ("baqylau_ledger_waiting", "Entries without a place in the ledger"),
    ("baqylau_ledger_checkpoint_age_seconds", "Time since the last checkpoint was signed"),
    ("baqylau_counts_unfolded", "Changes of counts that are not folded"),
    (
        "baqylau_log_archive_failing_seconds",
        "Time since PostgreSQL last failed to ship its log; 0 while it does not fail",
    ),
    ("baqylau_replica_usable", "Whether a standby gets reads, by standby"),
    ("baqylau_replica_behind_bytes", "How far a standby is behind, by standby"),
];

/// Histograms.
pub const HISTOGRAMS: &[(&str, &str)] = &[(
    "baqylau_http_request_seconds",
    "Time from a request's head to the head of its answer, by method and route",
)];

/// Tells the recorder what each means.
pub fn describe() {
    COUNTERS.iter().for_each(|(name, what)| describe_counter!(*name, *what));
    GAUGES.iter().for_each(|(name, what)| describe_gauge!(*name, *what));
    HISTOGRAMS.iter().for_each(|(name, what)| describe_histogram!(*name, Unit::Seconds, *what));
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    /// Every word that begins like a metric in the files under `folder` whose names end in one of `endings`.
    fn named(folder: &str, endings: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending))
                    && !path.ends_with("vitals/metrics.rs")
                {
                    let text = std::fs::read_to_string(path).unwrap();
                    for rest in text.split("baqylau_").skip(1) {
                        let end =
                            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                        found.insert(format!("baqylau_{}", &rest[..end]));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn what_is_told_is_described_and_what_is_watched_is_told() {
        let known: BTreeSet<String> =
            COUNTERS.iter().chain(GAUGES).chain(HISTOGRAMS).map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(known.len(), COUNTERS.len() + GAUGES.len() + HISTOGRAMS.len());
        assert_eq!(named("src", &[".rs"]), known, "metrics of the code and of this list");
        let watched: BTreeSet<String> = named("ops", &[".yml", ".json"])
            .iter()
            .map(|name| name.trim_end_matches("_bucket").trim_end_matches("_count").to_owned())
            .collect();
        assert!(!watched.is_empty());
        assert_eq!(watched.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
