//! `baqylau sample`.

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use crate::{
    counting::store::{self, Draw},
    db::Pool,
    places,
};

/// By what the country is divided before stations are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strata {
    Region,
    None,
}

#[derive(Args)]
pub struct SampleArgs {
    /// Slug of the election
    #[arg(long)]
    election: String,
    /// How near a share shall be known: 0.02 is two points
    #[arg(long, default_value_t = 0.02)]
    margin: f64,
    #[arg(long, default_value_t = 0.95)]
    confidence: f64,
    #[arg(long, value_enum, default_value = "region")]
    strata: Strata,
    /// The same seed draws the same stations; best a text that nobody could choose, as the dice rolled before
    /// witnesses
    #[arg(long)]
    seed: String,
    /// What the sample is called
    #[arg(long, default_value = "quick count")]
    label: String,
}

/// Draws a sample of the stations that the registry lists, stores it, and prints them as CSV.
pub async fn run(pool: &Pool, args: SampleArgs) -> anyhow::Result<()> {
    ensure!(args.margin > 0.0 && args.margin < 0.5, "the margin is a share between 0 and 0.5");
    ensure!(args.confidence > 0.5 && args.confidence < 1.0, "the confidence is a share between 0.5 and 1");
    let mut conn = pool.get().await?;
    let directory = places::store::load(&mut conn).await?;
    let election = directory.election(&args.election).context("there is no such election")?.id;
    let registered = store::registered(&mut conn, election).await?;
    ensure!(registered > 0, "the registry lists no stations: import a table with `baqylau results import`");
    let draw = Draw {
        election,
        label: &args.label,
        seed: &args.seed,
        margin: args.margin,
        confidence: args.confidence,
        by_region: args.strata == Strata::Region,
    };
    let drawn = store::draw(&mut conn, &draw, &directory).await?;
    let (sample, stations) = drawn.context("a sample of this label was drawn before")?;
    println!("region,station");
    for row in &stations {
        let region = directory.region_by_id(row.region_id).map_or("", |region| region.code.as_str());
        println!("{region},{}", row.station);
    }
    eprintln!("{} stations drawn: sample {}", stations.len(), sample.id);
    Ok(())
}
