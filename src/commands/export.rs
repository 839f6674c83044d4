//! `baqylau export`.

use anyhow::bail;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::ExportArgs;
use crate::{
    accounts::Scope,
    db::Pool,
    exports::{
        comparisons,
        domain::{Format, Subject},
        sheet, store,
    },
    http::query::Query,
    places,
    records::filter::Filter,
};

/// Reads what to export; a kind of record may stand in the singular.
pub fn subject(name: &str) -> Result<Subject, String> {
    let subject = name.parse().or_else(|()| name.parse().map(Subject::Records).map_err(|_| ()));
    let subject = subject.ok().filter(|subject| *subject != Subject::Aggregates);
    subject.ok_or_else(|| "violations, protocols, detentions, changed, moved, sums or coverage".to_owned())
}

fn understood(query: Query) -> anyhow::Result<()> {
    let Err(faults) = query.finish() else { return Ok(()) };
    let words: Vec<String> =
        faults.into_vec().iter().map(|fault| format!("{}: {}", fault.pointer, fault.code)).collect();
    bail!("the filter is not understood: {}", words.join("; "))
}

/// Writes an export of all regions; whoever reaches the database may read it whole anyway.
pub async fn run(pool: &Pool, args: ExportArgs) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let mut query = Query::parse(&args.filter);
    if args.format == Format::Receipts {
        bail!("receipts are signed by the service: ask it for /api/v1/exports/<kind>.receipts");
    }
    let mut download = match args.subject {
        Subject::Records(kind) => {
            let filter = Filter::read(&mut query, &directory);
            understood(query)?;
            let rows = store::records(pool, kind, &filter, &Scope::All, args.format).await?;
            if args.format == Format::Xlsx { sheet::workbook(rows, "records") } else { rows }
        }
        Subject::Comparison(comparison) => {
            if args.format == Format::Geojson {
                bail!("a comparison has no places on a map");
            }
            let question = comparisons::Question::read(comparison, &mut query, &directory);
            understood(query)?;
            let table = comparisons::table(pool, &question, &Scope::All, &directory).await;
            table.map_err(|problem| anyhow::anyhow!("{problem}"))?.download(args.format)
        }
        Subject::Aggregates => bail!("ask the service for /api/v1/exports/aggregates"),
    };
    let mut out: Box<dyn AsyncWrite + Unpin> = match &args.output {
        Some(path) => Box::new(tokio::fs::File::create(path).await?),
        None => Box::new(tokio::io::stdout()),
    };
    while let Some(piece) = download.next().await {
        out.write_all(&piece?).await?;
    }
    out.flush().await?;
    Ok(())
}
