//! XLSX: rows go through a temporary file, so a million of them need no more memory than one.

use std::io::{Read, Seek, SeekFrom};

use actix_web::web::Bytes;
use futures_util::StreamExt;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::store::Download;
use crate::db::{DbError, DbResult};

/// Rows that a sheet of Excel holds, the header too.
const SHEET_ROWS: u32 = 1_048_576;

/// Turns CSV (with a header) into a workbook; each sheet is called after `name`.
pub fn workbook(csv: Download, name: &'static str) -> Download {
    let (rows, received) = channel::<DbResult<Bytes>>(4);
    let (pieces, download) = channel::<DbResult<Bytes>>(4);
    tokio::spawn(async move {
        let mut csv = csv;
        while let Some(piece) = csv.next().await {
            if rows.send(piece).await.is_err() {
                break;
            }
        }
    });
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write(received, name, &pieces) {
            let _ = pieces
                .blocking_send(Err(DbError::Corrupt(format!("a workbook could not be written: {error}"))));
        }
    });
    Box::pin(ReceiverStream::new(download))
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn write(
    received: Receiver<DbResult<Bytes>>,
    name: &str,
    pieces: &Sender<DbResult<Bytes>>,
) -> Result<(), Failure> {
    let mut file = tempfile::tempfile()?;
    let mut workbook = Workbook::new();
    let mut rows = csv::Reader::from_reader(Pieces { received, current: Bytes::new() });
    let header = rows.headers()?.clone();
    let bold = Format::new().set_bold();
    let mut sheets = 0;
    let mut row = csv::StringRecord::new();
    let mut more = rows.read_record(&mut row)?;
    loop {
        sheets += 1;
        let title = if sheets == 1 { name.to_owned() } else { format!("{name} {sheets}") };
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(title)?.set_freeze_panes(1, 0)?;
        for (column, title) in header.iter().enumerate() {
            sheet.write_string_with_format(0, column as u16, title, &bold)?;
        }
        let mut line = 1;
        while more && line < SHEET_ROWS {
            for (column, cell) in row.iter().enumerate() {
                write_cell(sheet, line, column as u16, &header[column], cell)?;
            }
            line += 1;
            more = rows.read_record(&mut row)?;
        }
        if !more {
            break;
        }
    }
    workbook.save_to_writer(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    loop {
        let mut piece = vec![0; 64 * 1024];
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        piece.truncate(read);
        if pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

/// Figures become numbers; everything else is a string cell, which no spreadsheet computes.
fn write_cell(sheet: &mut Worksheet, row: u32, column: u16, name: &str, cell: &str) -> Result<(), XlsxError> {
    const TEXT: &[&str] = &["polling_station", "description", "people_involved", "held_at", "stated_ground"];
    if cell.is_empty() {
        return Ok(());
    }
    match cell.parse::<i32>() {
        Ok(number) if !TEXT.contains(&name) => sheet.write_number(row, column, number)?,
        // A cell of Excel holds 32,767 characters.
        _ => sheet.write_string(row, column, cell.chars().take(32_767).collect::<String>())?,
    };
    Ok(())
}

/// Reads a channel as if it were a file.
struct Pieces {
    received: Receiver<DbResult<Bytes>>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() {
            match self.received.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.current = piece,
                Some(Err(error)) => return Err(std::io::Error::other(error)),
            }
        }
        let n = self.current.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}
