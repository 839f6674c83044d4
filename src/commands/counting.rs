//! `baqylau estimate` and `baqylau forensics`: what the service tells of figures, as JSON.

use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::NaiveDate;
use clap::Args;
use uuid::Uuid;

use crate::{
    accounts::Scope,
    counting,
    db::Pool,
    forensics::{
        answer,
        domain::Options,
        plots::{self, Plot, Subject},
        runner::Runner,
        store,
    },
    i18n::Language,
    places::{self, Directory},
    protocols::sheets::SheetFilter,
    results,
};

/// Which sheets and stations.
#[derive(Args)]
pub struct Which {
    /// Slug of the election
    #[arg(long)]
    election: String,
    /// ISO 3166-2:KZ code
    #[arg(long)]
    region: Option<String>,
    /// First local date of the sheets
    #[arg(long)]
    from: Option<NaiveDate>,
    /// Last local date of the sheets
    #[arg(long)]
    to: Option<NaiveDate>,
    /// kk, ru or en
    #[arg(long, default_value = "en", value_parser = super::report::language)]
    language: Language,
}

impl Which {
    fn filter(&self, directory: &Directory) -> anyhow::Result<SheetFilter> {
        filter(directory, &self.election, self.region.as_deref(), (self.from, self.to))
    }
}

/// Which sheets, as they are told at the terminal.
pub(super) fn filter(
    directory: &Directory,
    election: &str,
    region: Option<&str>,
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
) -> anyhow::Result<SheetFilter> {
    let election = directory.election(election).context("there is no such election")?.id;
    let region = match region {
        Some(code) => Some(directory.region(code).context("there is no such region")?.id),
        None => None,
    };
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        bail!("the first day lies after the last");
    }
    Ok(SheetFilter::new(election, region, (from, to), directory))
}

#[derive(Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    which: Which,
    /// Id of the sample, or its label; without one the sheets at hand are described and nothing is inferred
    #[arg(long)]
    sample: Option<String>,
}

/// Prints an estimate as JSON.
pub async fn estimate(pool: &Pool, args: EstimateArgs) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let filter = args.which.filter(&directory)?;
    let sample = match &args.sample {
        None => None,
        Some(name) => {
            let samples = counting::store::list(&mut *pool.get().await?, filter.election).await?;
            let id: Option<Uuid> = name.parse().ok();
            let found = samples.into_iter().find(|it| Some(it.id) == id || it.label == *name);
            Some(found.context("no such sample was drawn")?)
        }
    };
    let view = counting::answer::estimate(pool, &filter, sample, args.which.language).await?;
    println!("{}", serde_json::to_string_pretty(&view)?);
    Ok(())
}

#[derive(Args)]
pub struct ForensicsArgs {
    #[command(flatten)]
    which: Which,
    /// Label of the published table [default: the latest]
    #[arg(long, conflicts_with = "sheets")]
    table: Option<String>,
    /// Test the best sheets that observers brought in place of a published table
    #[arg(long)]
    sheets: bool,
    /// Made elections behind the p-values of whole per cents
    #[arg(long, default_value_t = Options::default().simulations, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    simulations: u32,
    /// The same seed gives the same p-values
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// Folder to draw the plots into
    #[arg(long)]
    plots: Option<PathBuf>,
}

/// Prints an analysis as JSON and draws its plots.
pub async fn forensics(pool: &Pool, args: ForensicsArgs) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let filter = args.which.filter(&directory)?;
    let options = Options { simulations: args.simulations, seed: args.seed };
    let (label, candidates, stations) = if args.sheets {
        let (candidates, stations) = store::sheets(&mut *pool.get().await?, &Scope::All, &filter).await?;
        (None, candidates, stations)
    } else {
        let mut conn = pool.get().await?;
        let set = results::store::set(&mut conn, filter.election, args.table.as_deref()).await?;
        let set = set.context("no such table was imported")?;
        let stations = store::published(&mut conn, &set).await?;
        (Some(set.label), set.candidates, stations)
    };
    let done = Runner::default().run(candidates, stations, options).await?;
    let done = done.context("no station states what the tests need")?;
    let language = args.which.language;
    // Sheets are those of the region already.
    let region = filter.region.filter(|_| !args.sheets);
    let view = answer::told((&done.figures, &done.analysis), options, label, region, &directory, language);
    println!("{}", serde_json::to_string_pretty(&view)?);
    let Some(folder) = args.plots else { return Ok(()) };
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for area in done.analysis.shown(region) {
        let code =
            area.region.and_then(|id| directory.region_by_id(id)).map_or("country", |it| it.code.as_str());
        let subject = Subject::new(&done.figures, area, &directory, language);
        for plot in Plot::ALL {
            let file = folder.join(format!("{code}-{plot}.svg"));
            std::fs::write(&file, plots::draw(plot, &subject)?)?;
        }
    }
    Ok(())
}
