//! Reads a published table of results into the database in one go: all of it, or none.

use std::{collections::HashSet, fs::File, io::Read, path::Path};

use anyhow::{Context, bail, ensure};
use futures_util::SinkExt;
use indicatif::{ProgressBar, ProgressStyle};

use super::domain::{Level, Mapping, OfficialRow, Reader};
use crate::{db::Pool, places::Directory, protocols::figures::NUMBERS};

/// Faults that are told; the rest is counted.
const MOST_FAULTS: usize = 100;
/// Bytes that go out at a time.
const PIECE: usize = 256 * 1024;

/// What to import.
pub struct Import<'a> {
    pub file: &'a Path,
    pub mapping: &'a Mapping,
    pub election: &'a str,
    /// What the table is called: a site and a day.
    pub label: &'a str,
    /// Slug of the source document.
    pub source: Option<&'a str>,
    /// Leave rows with faults out, in place of importing nothing.
    pub skip_faults: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub stations: u64,
    pub totals: u64,
    /// Line by line, the first hundred.
    pub faults: Vec<String>,
    pub faulty: u64,
}

/// Imports a table; `progress` shows how far it is.
///
/// # Errors
/// When the file or its mapping is of no use, when rows have faults (and are not to be skipped), or the label is
/// taken. Then nothing is imported.
pub async fn run(
    pool: &Pool,
    import: &Import<'_>,
    directory: &Directory,
    progress: &ProgressBar,
) -> anyhow::Result<Report> {
    let election = directory.election(import.election).context("there is no such election")?.id;
    let source = match import.source {
        Some(slug) => Some(*directory.sources.get(slug).context("there is no such source")?),
        None => None,
    };
    let delimiter = u8::try_from(import.mapping.delimiter).context("the delimiter is one ASCII character")?;
    let file = File::open(import.file).with_context(|| import.file.display().to_string())?;
    progress.set_length(file.metadata()?.len());
    progress
        .set_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}").expect("a template"));
    let mut table =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(Counted { file, progress });
    let header = table.headers().context("the header")?.clone();
    let mut reader = Reader::new(import.mapping, header.iter(), directory)
        .map_err(|faults| anyhow::anyhow!("{}", faults.join("; ")))?;
    let candidates = reader.candidates();

    let mut client = pool.dedicated().await?;
    let transaction = client.transaction().await?;
    let row = transaction
        .query_opt(
            "INSERT INTO result_sets (election_id, label, candidates, source_id) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING RETURNING id",
            &[&election, &import.label, &candidates, &source],
        )
        .await?;
    let Some(row) = row else { bail!("a table called {:?} was imported before", import.label) };
    let set: i16 = row.get(0);
    let mut report = Report::default();
    let mut totals: Vec<OfficialRow> = Vec::new();
    let mut seen: HashSet<(i16, String)> = HashSet::new();
    let columns = NUMBERS.join(", ");
    // With its check PostgreSQL need not read the rows again when it takes the partition.
    let partition = format!("official_results_{set}");
    transaction
        .batch_execute(&format!(
            "CREATE TABLE {partition} (LIKE official_results); \
             ALTER TABLE {partition} ADD CONSTRAINT of_set CHECK (set_id IS NOT NULL AND set_id = {set})"
        ))
        .await?;
    let copy = format!(
        "COPY {partition} (election_id, set_id, region_id, station, district, {columns}, votes) FROM STDIN"
    );
    {
        let sink = transaction.copy_in::<_, actix_web::web::Bytes>(copy.as_str()).await?;
        let mut sink = Box::pin(sink);
        let mut piece = Vec::with_capacity(PIECE + 4096);
        let mut record = csv::StringRecord::new();
        loop {
            let read = match table.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => reader.read(&record),
                Err(error) => Err(vec![error.to_string()]),
            };
            let line = record.position().map_or(0, csv::Position::line);
            let checked = read.and_then(|row| {
                let again = row.level == Level::Station && !seen.insert((row.region, row.station.clone()));
                if again { Err(vec![format!("station {} stands twice", row.station)]) } else { Ok(row) }
            });
            match checked {
                Ok(row) if row.level == Level::Station => {
                    report.stations += 1;
                    write(&mut piece, election, set, &row);
                    if piece.len() >= PIECE {
                        let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + 4096));
                        sink.send(full.into()).await?;
                    }
                }
                Ok(row) => totals.push(row),
                Err(faults) => {
                    report.faulty += 1;
                    if report.faults.len() < MOST_FAULTS {
                        report.faults.push(format!("line {line}: {}", faults.join("; ")));
                    }
                }
            }
        }
        sink.send(piece.into()).await?;
        sink.as_mut().finish().await?;
    }
    if report.faulty > 0 && !import.skip_faults {
        let more = report.faulty as usize - report.faults.len();
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        bail!(
            "{} lines have faults; nothing was imported\n{}{more}",
            report.faulty,
            report.faults.join("\n")
        );
    }
    for row in &totals {
        let numbers = row.numbers.map(|n| n.map_or_else(|| "NULL".to_owned(), |n| n.to_string())).join(", ");
        let added = transaction
            .execute(
                &format!(
                    "INSERT INTO official_totals (election_id, set_id, level, region_id, district, {columns}, votes) \
                     VALUES ($1, $2, $3, $4, $5, {numbers}, $6) ON CONFLICT DO NOTHING"
                ),
                &[&election, &set, &row.level.word(), &row.region, &row.district, &row.votes],
            )
            .await?;
        ensure!(added == 1, "the table states one sum twice: {} {}", row.level, row.district);
    }
    report.totals = totals.len() as u64;
    transaction
        .batch_execute(&format!(
            "ALTER TABLE {partition} ADD PRIMARY KEY (election_id, set_id, region_id, station); \
             ALTER TABLE official_results ATTACH PARTITION {partition} FOR VALUES IN ({set}); \
             ALTER TABLE {partition} DROP CONSTRAINT of_set"
        ))
        .await?;
    transaction
        .execute("UPDATE result_sets SET stations = $2 WHERE id = $1", &[&set, &(report.stations as i32)])
        .await?;
    transaction.commit().await?;
    progress.finish_and_clear();
    Ok(report)
}

/// One line of COPY's text format.
fn write(piece: &mut Vec<u8>, election: i16, set: i16, row: &OfficialRow) {
    use std::io::Write;
    let _ = write!(piece, "{election}\t{set}\t{}\t", row.region);
    for text in [&row.station, &row.district] {
        for byte in text.bytes() {
            match byte {
                b'\\' => piece.extend(b"\\\\"),
                b'\t' => piece.extend(b"\\t"),
                b'\n' => piece.extend(b"\\n"),
                b'\r' => piece.extend(b"\\r"),
                byte => piece.push(byte),
            }
        }
        piece.push(b'\t');
    }
    for number in row.numbers {
        match number {
            Some(number) => {
                let _ = write!(piece, "{number}\t");
            }
            None => piece.extend(b"\\N\t"),
        }
    }
    piece.push(b'{');
    for (i, votes) in row.votes.iter().enumerate() {
        let _ = write!(piece, "{}{votes}", if i == 0 { "" } else { "," });
    }
    piece.extend(b"}\n");
}

/// Tells the bar how much was read.
struct Counted<'a> {
    file: File,
    progress: &'a ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.progress.inc(n as u64);
        Ok(n)
    }
}
