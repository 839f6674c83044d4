//! `baqylau results`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;

use crate::{
    accounts::Scope,
    db::Pool,
    places,
    results::{
        answer::{check_sums, copies_of},
        compare::{SheetCopy, side_by_side},
        domain::Mapping,
        import, store,
    },
};

#[derive(Subcommand)]
pub enum Results {
    /// Import a published table (CSV): all of it, or nothing where lines have faults
    Import {
        file: PathBuf,
        /// Slug of the election
        #[arg(long)]
        election: String,
        /// TOML that says which column holds what; docs/RESULTS.md has an example
        #[arg(long)]
        mapping: PathBuf,
        /// What the table is called, as the site and the day
        #[arg(long)]
        label: String,
        /// Slug of the source document
        #[arg(long)]
        source: Option<String>,
        /// Leave lines with faults out, in place of importing nothing
        #[arg(long)]
        skip_faults: bool,
    },
    /// Set all copies of one station's sheet side by side, figure by figure
    Station {
        #[arg(long)]
        election: String,
        /// ISO 3166-2:KZ code
        #[arg(long)]
        region: String,
        /// Number of the polling station
        station: String,
    },
    /// Check the sums that a table states, from stations to districts, regions and the country
    Sums {
        #[arg(long)]
        election: String,
        /// Label of the table [default: the latest]
        #[arg(long)]
        table: Option<String>,
    },
}

/// Runs a command on results.
pub async fn run(pool: &Pool, command: Results) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    match command {
        Results::Import { file, election, mapping, label, source, skip_faults } => {
            let text = std::fs::read_to_string(&mapping).with_context(|| mapping.display().to_string())?;
            let mapping: Mapping = toml::from_str(&text).with_context(|| mapping.display().to_string())?;
            let import = import::Import {
                file: &file,
                mapping: &mapping,
                election: &election,
                label: &label,
                source: source.as_deref(),
                skip_faults,
            };
            // Drawn on a terminal alone.
            let report = import::run(pool, &import, &directory, &ProgressBar::new(0)).await?;
            report.faults.iter().for_each(|fault| eprintln!("{fault}"));
            println!(
                "{} stations and {} sums imported, {} lines left out",
                report.stations, report.totals, report.faulty
            );
        }
        Results::Station { election, region, station } => {
            let election = directory.election(&election).context("there is no such election")?.id;
            let region = directory.region(&region).context("there is no such region")?.id;
            let mut conn = pool.get().await?;
            let copies = copies_of(&mut conn, &Scope::All, election, region, &station).await?;
            println!("figure\t{}", copies.iter().map(name_of).collect::<Vec<_>>().join("\t"));
            for line in side_by_side(&copies) {
                let cell = |value: &Option<i32>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
                let values = line.values.iter().map(cell).collect::<Vec<_>>().join("\t");
                println!("{}\t{values}{}", line.figure, if line.agree { "" } else { "\t!" });
            }
        }
        Results::Sums { election, table } => {
            let id = directory.election(&election).context("there is no such election")?.id;
            let set = store::set(&mut *pool.get().await?, id, table.as_deref()).await?;
            let set = set.context("no such table was imported")?;
            let checks = check_sums(pool, &set, None, &directory).await?;
            for check in checks.iter().filter(|check| !check.holds) {
                let place = check.district.as_deref().or(check.region.as_deref()).unwrap_or("country");
                println!("{} {place}, from {}s: {:?}", check.level, check.from, check.differences);
            }
            let wrong = checks.iter().filter(|check| !check.holds).count();
            println!("{} sums checked, {wrong} do not add up", checks.len());
        }
    }
    Ok(())
}

fn name_of(copy: &SheetCopy) -> String {
    copy.table.clone().unwrap_or_else(|| copy.held_by.clone())
}
