//! `baqylau export`.

use anyhow::bail;
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::ExportArgs;
use crate::{
    accounts::Scope,
    db::Pool,
    exports::{domain::Format, sheet, store},
    http::query::Query,
    places,
    records::filter::Filter,
};

/// Writes an export of all regions; whoever reaches the database may read it whole anyway.
pub async fn run(pool: &Pool, args: ExportArgs) -> anyhow::Result<()> {
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let mut query = Query::parse(&args.filter);
    let filter = Filter::read(&mut query, &directory);
    if let Err(faults) = query.finish() {
        let words: Vec<String> =
            faults.into_vec().iter().map(|fault| format!("{}: {}", fault.pointer, fault.code)).collect();
        bail!("the filter is not understood: {}", words.join("; "));
    }
    if args.format == Format::Receipts {
        bail!("receipts are signed by the service: ask it for /api/v1/exports/<kind>.receipts");
    }
    let rows = store::records(pool, args.record, &filter, &Scope::All, args.format).await?;
    let mut download = if args.format == Format::Xlsx { sheet::workbook(rows, "records") } else { rows };
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
