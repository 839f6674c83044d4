//! `just bench-results`: importing a country's table beside `psql \copy` of the same file, and the forensics over it.

use std::{fmt::Write, path::Path, process::Command, time::Instant};

use baqylau::{
    db::{
        self, Pool,
        embedded::{Cluster, Options as ClusterOptions},
    },
    forensics::{
        analysis::analyse,
        domain::{Figures, Options},
        store as forensics,
    },
    places,
    protocols::figures::NUMBERS,
    results::{domain::Mapping, import, store as results},
    seeds,
};
use indicatif::ProgressBar;

const STATIONS: u64 = 70_000;
const CANDIDATES: usize = 10;
const TURNS: usize = 7;
const ELECTION: &str = "kz-2019-president";

/// A small generator whose figures are the same in every run.
fn noise(i: u64, salt: u64) -> u64 {
    let mut x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 29;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 32)
}

/// Writes a table of all stations.
fn write_table(path: &Path, regions: &[String]) -> std::io::Result<()> {
    let names: Vec<String> = (0..CANDIDATES).map(|i| format!("c{i}")).collect();
    let mut table = format!("region,station,{},{}\n", NUMBERS.join(","), names.join(","));
    for i in 0..STATIONS {
        let voters = 300 + noise(i, 1) % 2700;
        let issued = voters * (55 + noise(i, 2) % 30) / 100;
        let (mobile, invalid) = (issued / 50, issued / 80);
        let mut left = issued - invalid;
        let region = &regions[(i % regions.len() as u64) as usize];
        let unused = voters - issued;
        let _ = write!(
            table,
            "{region},{i},{voters},{voters},{},{mobile},0,{unused},{issued},{invalid},0",
            issued - mobile
        );
        for candidate in 0..CANDIDATES as u64 {
            let last = candidate + 1 == CANDIDATES as u64;
            let votes = if last { left } else { left * (40 + noise(i, 3 + candidate) % 25) / 100 };
            left -= votes;
            let _ = write!(table, ",{votes}");
        }
        table.push('\n');
    }
    std::fs::write(path, table)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mapping() -> Mapping {
    let own = |name: &str| (name.to_owned(), name.to_owned());
    Mapping {
        delimiter: ',',
        columns: NUMBERS.iter().copied().chain(["region", "station"]).map(own).collect(),
        candidates: (0..CANDIDATES).map(|i| own(&format!("c{i}"))).collect(),
        regions: Default::default(),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::Builder::new().prefix("baqylau-bench-").tempdir()?;
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let cluster = Cluster::start(dir.path(), ClusterOptions::default()).await?;
    db::migrations::run(&cluster.url()).await?;
    let pool = Pool::new(&cluster.url(), 4)?;
    seeds::carried(&pool).await?;
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let regions: Vec<String> = directory.regions.iter().map(|region| region.code.clone()).collect();
    let file = dir.path().join("table.csv");
    write_table(&file, &regions)?;
    let psql = |sql: &str| -> anyhow::Result<()> {
        let status = Command::new(cluster.programs().join("psql"))
            .args(["-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(cluster.url())
            .status()?;
        anyhow::ensure!(status.success(), "psql failed");
        Ok(())
    };
    let columns: Vec<String> = NUMBERS.iter().map(|name| format!("{name} int")).collect();
    let votes: Vec<String> = (0..CANDIDATES).map(|i| format!("c{i} int")).collect();
    psql(&format!(
        "CREATE TABLE plain (region text, station text, {}, {})",
        columns.join(", "),
        votes.join(", ")
    ))?;
    let copy = format!("\\copy plain FROM '{}' WITH (FORMAT csv, HEADER)", file.display());
    let mapping = mapping();
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        psql("TRUNCATE plain; CHECKPOINT")?;
        let started = Instant::now();
        psql(&copy)?;
        theirs.push(started.elapsed().as_secs_f64());
        psql("CHECKPOINT")?;
        let label = format!("turn {turn}");
        let import = import::Import {
            file: &file,
            mapping: &mapping,
            election: ELECTION,
            label: &label,
            source: None,
            skip_faults: false,
        };
        let started = Instant::now();
        let report = import::run(&pool, &import, &directory, &ProgressBar::hidden()).await?;
        ours.push(started.elapsed().as_secs_f64());
        anyhow::ensure!((report.stations, report.faulty) == (STATIONS, 0), "{report:?}");
    }
    let size = std::fs::metadata(&file)?.len() as f64 / 1e6;
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "| what | baqylau | psql \\copy of the same file into a table without an index | ratio |\n|---|---|---|---|"
    );
    println!(
        "| import, {STATIONS} stations, {CANDIDATES} candidates, {size:.1} MB | {ours:.2} s | {theirs:.2} s | {:.2} |",
        ours / theirs
    );

    let election = directory.election(ELECTION).expect("a seed").id;
    let mut conn = pool.get().await?;
    let set = results::sets(&mut conn, election).await?.remove(0);
    let started = Instant::now();
    let stations = forensics::published(&mut conn, &set).await?;
    let read = started.elapsed().as_secs_f64();
    let figures = Figures::new(set.candidates, stations).expect("stations");
    let options = Options::default();
    for threads in [rayon::current_num_threads(), 1] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let started = Instant::now();
        let analysis = pool.install(|| analyse(&figures, options));
        println!(
            "| forensics of {} stations, {} made elections, {} tests, {threads} processors (reading them: {read:.2} s) | {:.2} s | | |",
            figures.stations.len(),
            options.simulations,
            analysis.family,
            started.elapsed().as_secs_f64()
        );
    }
    drop(conn);
    cluster.stop().await
}
