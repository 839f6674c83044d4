//! Tables that are few enough rows to be written at once: counts and comparisons.

use actix_web::web::Bytes;
use futures_util::stream;
use serde_json::{Map, Value};

use super::{
    domain::{BOM, Format, neutralise},
    sheet,
    store::Download,
};

/// Columns and rows; what a row does not name is empty.
pub struct Table {
    /// Of the sheet in a workbook.
    pub name: &'static str,
    pub columns: Vec<String>,
    pub rows: Vec<Map<String, Value>>,
}

impl Table {
    /// CSV, NDJSON or XLSX; no cell is taken for a formula.
    pub fn download(self, format: Format) -> Download {
        if format == Format::Ndjson {
            let mut lines = Vec::new();
            for row in &self.rows {
                serde_json::to_writer(&mut lines, row).expect("a row is JSON");
                lines.push(b'\n');
            }
            return Box::pin(stream::iter([Ok(Bytes::from(lines))]));
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        let safe = |text: &str| neutralise(text).into_owned();
        csv.write_record(self.columns.iter().map(|name| safe(name))).expect("memory takes it");
        for row in &self.rows {
            let cell = |name: &String| match row.get(name) {
                Some(Value::String(text)) => safe(text),
                None | Some(Value::Null) => String::new(),
                Some(other) => other.to_string(),
            };
            csv.write_record(self.columns.iter().map(cell)).expect("memory takes it");
        }
        let csv = csv.into_inner().expect("memory takes it");
        match format {
            Format::Xlsx => sheet::workbook(Box::pin(stream::iter([Ok(Bytes::from(csv))])), self.name),
            _ => Box::pin(stream::iter([Ok(Bytes::from_static(BOM.as_bytes())), Ok(Bytes::from(csv))])),
        }
    }
}
