//! A row of a published table, and how its columns are named.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::{
    places::{Directory, RegionId, fold},
    protocols::figures::NUMBERS,
    records::vocabulary,
};

vocabulary! {
    /// What a row of a table is about.
    Level { Station, District, Region, Country }
}

/// Which column of a table holds what, as a mapping file (TOML) says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// One character; a comma unless told.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Headers by `region`, `station`, `district`, `level` and the names of figures.
    pub columns: BTreeMap<String, String>,
    /// Headers by the names of candidates.
    pub candidates: BTreeMap<String, String>,
    /// Names of regions in the table that are no name or code of theirs here.
    #[serde(default)]
    pub regions: BTreeMap<String, String>,
}

fn comma() -> char {
    ','
}

/// A row that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialRow {
    pub level: Level,
    /// 0 for the country.
    pub region: RegionId,
    pub district: String,
    /// Empty above stations.
    pub station: String,
    /// In the order of [`NUMBERS`].
    pub numbers: [Option<i64>; 9],
    /// In the order of the table's candidates.
    pub votes: Vec<i64>,
}

/// Finds columns by a table's header, and reads its rows.
pub struct Reader<'a> {
    directory: &'a Directory,
    mapping: &'a Mapping,
    level: Option<usize>,
    region: Option<usize>,
    district: Option<usize>,
    station: usize,
    numbers: [Option<usize>; 9],
    /// Names and columns, in the order of the votes.
    candidates: Vec<(String, usize)>,
    known: HashMap<String, Option<RegionId>>,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// Each column that the mapping names and the header lacks, and each name of the mapping that means nothing.
    pub fn new<'h>(
        mapping: &'a Mapping,
        header: impl Iterator<Item = &'h str>,
        directory: &'a Directory,
    ) -> Result<Self, Vec<String>> {
        let places: HashMap<&str, usize> =
            header.enumerate().map(|(i, name)| (name.trim().trim_start_matches('\u{feff}'), i)).collect();
        let mut faults = Vec::new();
        let places_of = ["region", "station", "district", "level"];
        for name in mapping.columns.keys() {
            if !places_of.contains(&name.as_str()) && !NUMBERS.contains(&name.as_str()) {
                faults.push(format!("the mapping names {name:?}, which is nothing here"));
            }
        }
        let mut column = |name: &str, header: &String| {
            let found = places.get(header.trim()).copied();
            if found.is_none() {
                faults.push(format!("the table has no column {header:?} ({name})"));
            }
            found
        };
        let mut of = |name: &str| mapping.columns.get(name).and_then(|header| column(name, header));
        let (level, region, district, station) = (of("level"), of("region"), of("district"), of("station"));
        let numbers = NUMBERS.map(&mut of);
        let mut candidates = Vec::new();
        for (name, header) in &mapping.candidates {
            let known = directory.candidate_name(name).unwrap_or_else(|| name.clone());
            candidates.extend(column(name, header).map(|at| (known, at)));
        }
        if !mapping.columns.contains_key("station") {
            faults.push("the mapping names no column for the station".to_owned());
        }
        if mapping.candidates.is_empty() {
            faults.push("the mapping names no candidate".to_owned());
        }
        match station {
            Some(station) if faults.is_empty() => Ok(Self {
                directory,
                mapping,
                level,
                region,
                district,
                station,
                numbers,
                candidates,
                known: HashMap::new(),
            }),
            _ => Err(faults),
        }
    }

    /// The names of the candidates, in the order of the votes.
    pub fn candidates(&self) -> Vec<String> {
        self.candidates.iter().map(|(name, _)| name.clone()).collect()
    }

    fn region_of(&mut self, text: &str) -> Option<RegionId> {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let named = self.mapping.regions.get(text).map_or(text, String::as_str);
        let folded = fold(named);
        let found = self.directory.region(named).or_else(|| {
            let mut regions = self.directory.regions.iter();
            regions
                .find(|it| [&it.names.kk, &it.names.ru, &it.names.en].iter().any(|name| fold(name) == folded))
        });
        let found = found.map(|region| region.id);
        self.known.insert(text.to_owned(), found);
        found
    }

    /// Reads one row.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&mut self, row: &csv::StringRecord) -> Result<OfficialRow, Vec<String>> {
        let mut faults = Vec::new();
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().trim();
        let level = match cell(self.level) {
            "" => Level::Station,
            word => word.parse().unwrap_or_else(|_| {
                faults.push(format!("level {word:?} is none of station, district, region, country"));
                Level::Station
            }),
        };
        let region = match (level, cell(self.region)) {
            (Level::Country, _) => 0,
            (_, text) => self.region_of(text).unwrap_or_else(|| {
                faults.push(format!("no region is called {text:?}"));
                0
            }),
        };
        let station =
            if level == Level::Station { cell(Some(self.station)).to_owned() } else { String::new() };
        if level == Level::Station && (station.is_empty() || station.chars().count() > 20) {
            faults.push(format!("{station:?} is no number of a station"));
        }
        let district = match level {
            Level::Station | Level::District => cell(self.district).to_owned(),
            Level::Region | Level::Country => String::new(),
        };
        if level == Level::District && district.is_empty() {
            faults.push("a row of a district names none".to_owned());
        }
        let most = if level == Level::Station { 10_000_000 } else { 1_000_000_000 };
        let mut number = |name: &str, text: &str| -> Option<i64> {
            if text.is_empty() {
                return None;
            }
            match text.parse::<i64>() {
                Ok(n) if (0..=most).contains(&n) => Some(n),
                _ => {
                    faults.push(format!("{name}: {text:?} is no number of ballots"));
                    None
                }
            }
        };
        let mut numbers = [None; 9];
        for (i, at) in self.numbers.iter().enumerate() {
            numbers[i] = number(NUMBERS[i], cell(*at));
        }
        let (mut votes, mut missing) = (Vec::with_capacity(self.candidates.len()), Vec::new());
        for (name, at) in &self.candidates {
            let text = cell(Some(*at));
            if text.is_empty() {
                missing.push(format!("{name}: there is no number"));
            }
            votes.push(number(name, text).unwrap_or_default());
        }
        faults.extend(missing);
        if faults.is_empty() {
            Ok(OfficialRow { level, region, district, station, numbers, votes })
        } else {
            Err(faults)
        }
    }
}
