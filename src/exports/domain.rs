//! What can be exported and in which form.

use super::comparisons::Comparison;
use crate::records::{RecordKind, vocabulary};

vocabulary! {
    /// The form of an export.
    Format {
        Csv,
        Ndjson,
        Xlsx,
        Geojson,
        /// NDJSON of receipts: every version of each record with its proof in the ledger.
        Receipts,
    }
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson | Self::Receipts => "application/x-ndjson",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Geojson => "application/geo+json",
        }
    }
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Records(RecordKind),
    Aggregates,
    Comparison(Comparison),
}

impl std::str::FromStr for Subject {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "violations" => Self::Records(RecordKind::Violation),
            "protocols" => Self::Records(RecordKind::Protocol),
            "detentions" => Self::Records(RecordKind::Detention),
            "aggregates" => Self::Aggregates,
            name => Self::Comparison(name.parse().map_err(|_| ())?),
        })
    }
}

/// A byte order mark: Excel takes CSV for UTF-8 only with one.
pub const BOM: &str = "\u{feff}";

/// The columns of a kind beyond those that all have: SQL over `r` (records) and `d` (details).
pub fn own_columns(kind: RecordKind) -> (&'static str, &'static [(&'static str, &'static str)]) {
    match kind {
        RecordKind::Violation => (
            "violations",
            &[
                ("category", "r.category"),
                ("stage", "d.stage"),
                ("severity", "r.severity"),
                ("people_involved", "d.people_involved"),
            ],
        ),
        RecordKind::Protocol => (
            "protocols",
            &[
                ("copy_held_by", "r.category"),
                ("voters_on_list", "d.voters_on_list"),
                ("ballots_received", "d.ballots_received"),
                ("issued_in_station", "d.issued_in_station"),
                ("issued_mobile", "d.issued_mobile"),
                ("spoiled", "d.spoiled"),
                ("unused", "d.unused"),
                ("found_in_boxes", "d.found_in_boxes"),
                ("invalid", "d.invalid"),
                ("signed", "d.signed"),
                ("stamped", "d.stamped"),
                ("against_all", "d.against_all"),
                ("copy_number", "d.copy_number"),
                ("signatures", "d.signatures"),
                ("commission_size", "d.commission_size"),
                ("handed_out_at", "d.handed_out_at"),
                ("failed_checks", "array_to_string(d.failed_checks, ' ')"),
                ("votes", "d.votes"),
            ],
        ),
        // Sealed names stay out: an export travels, and who may open them gets them one by one.
        RecordKind::Detention => (
            "detentions",
            &[
                ("category", "r.category"),
                ("people", "d.people"),
                ("detained_by", "d.detained_by"),
                ("custody", "d.custody"),
                ("arrest_days", "d.arrest_days"),
                ("custody_since", "d.custody_since"),
                ("custody_source", "d.custody_source"),
                ("held_at", "d.held_at"),
                ("stated_ground", "d.stated_ground"),
                ("relatives_told", "d.relatives_told"),
                ("lawyer_admitted", "d.lawyer_admitted"),
            ],
        ),
    }
}

/// The columns that all kinds have, in front.
pub const SHARED_COLUMNS: &[(&str, &str)] = &[
    ("id", "r.id"),
    ("election", "e.slug"),
    ("region", "g.code"),
    ("city", "c.slug"),
    ("city_kk", "c.name_kk"),
    ("city_ru", "c.name_ru"),
    ("city_en", "c.name_en"),
    ("polling_station", "r.polling_station"),
    ("occurred_at", "r.occurred_at"),
    ("precision", "r.time_precision"),
    ("local_date", "r.local_date"),
    ("status", "r.status"),
    ("duplicate_of", "r.duplicate_of"),
    ("version", "r.version"),
    ("received_at", "r.received_at"),
    ("source", "s.slug"),
    ("passage", "r.passage"),
    ("description", "r.description"),
];

/// Columns that people fill in freely: a spreadsheet might take them for formulas.
pub const FREE_TEXT: &[&str] =
    &["polling_station", "description", "people_involved", "held_at", "stated_ground"];

/// Text that a spreadsheet shows and never computes: what begins like a formula gets an apostrophe.
pub fn neutralise(text: &str) -> std::borrow::Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::neutralise;

    #[test]
    fn formulas_become_text() {
        assert_eq!(neutralise("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(neutralise("@x"), "'@x");
        assert_eq!(neutralise("учаске 5"), "учаске 5");
        assert_eq!(neutralise(""), "");
    }
}
