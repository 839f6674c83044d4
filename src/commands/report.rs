//! `baqylau report`.

use std::path::PathBuf;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;

use crate::{
    accounts::Scope,
    db::Pool,
    forensics::runner::Runner,
    i18n::Language,
    places,
    report::{self, Asked, Form},
};

#[derive(Args)]
pub struct ReportArgs {
    /// Slug of the election
    #[arg(long)]
    election: String,
    /// ISO 3166-2:KZ code
    #[arg(long)]
    region: String,
    #[arg(long, value_enum, default_value = "html")]
    format: Form,
    /// kk, ru or en
    #[arg(long, default_value = "kk", value_parser = language)]
    language: Language,
    /// First local date
    #[arg(long)]
    from: Option<NaiveDate>,
    /// Last local date
    #[arg(long)]
    to: Option<NaiveDate>,
    /// Label of the published table [default: the latest]
    #[arg(long)]
    table: Option<String>,
    /// File to write; the charts of Markdown go to a folder beside it, and are left out without a file [default:
    /// standard output]
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(super) fn language(code: &str) -> Result<Language, String> {
    code.parse().map_err(|()| "one of kk, ru, en".to_owned())
}

/// Writes a report of one region.
pub async fn run(pool: &Pool, args: ReportArgs) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let days = (args.from, args.to);
    let filter = super::counting::filter(&directory, &args.election, Some(&args.region), days)?;
    let asked = Asked { filter, table: args.table, language: args.language };
    let gathered = report::gather(pool, &Runner::default(), &asked, &Scope::All, &directory).await?;
    let stem = args.output.as_ref().and_then(|path| path.file_stem()).and_then(|stem| stem.to_str());
    let folder = stem.map(|stem| format!("{stem}-charts"));
    let rendered = report::render(gathered, args.format, folder.as_deref())?;
    let Some(path) = args.output else {
        print!("{}", rendered.text);
        return Ok(());
    };
    if let (false, Some(folder)) = (rendered.files.is_empty(), folder) {
        let folder = path.with_file_name(folder);
        std::fs::create_dir_all(&folder)?;
        for chart in &rendered.files {
            std::fs::write(folder.join(chart.name).with_extension("svg"), &chart.svg)?;
        }
    }
    std::fs::write(&path, rendered.text).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    Ok(())
}
