//! Reads query strings so that every fault, unknown parameters too, is told at once.

use std::collections::BTreeMap;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{Datelike, NaiveDate};
use serde::{Serialize, de::DeserializeOwned};

use crate::faults::Faults;

/// The parameters of a request that have not been read yet.
#[derive(Debug, Default)]
pub struct Query {
    params: BTreeMap<String, String>,
    pub faults: Faults,
}

impl Query {
    /// Reads a query string.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(text);
        for (name, value) in pairs.map(actix_web::web::Query::into_inner).unwrap_or_default() {
            if value.contains('\0') {
                query.faults.add(format!("?{name}"), "nul_character");
            } else if query.params.insert(name.clone(), value).is_some() {
                query.faults.add(format!("?{name}"), "repeated");
            }
        }
        query
    }

    /// Takes the value of `name`; an empty one counts as none.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.params.remove(name).filter(|value| !value.is_empty())
    }

    /// Takes a remark of at most 500 characters.
    pub fn short_text(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > 500 {
            let range = vec![("min", "1".to_owned()), ("max", "500".to_owned())];
            self.faults.add_with(format!("?{name}"), "length", range);
        }
        Some(text)
    }

    /// Takes `name` as a comma-separated list.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Takes `name` and parses it; what does not parse is the fault `code`.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &str, code: &'static str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| {
            self.faults.add(format!("?{name}"), code);
            None
        })
    }

    /// Takes `name` as a date of this age of the world; others PostgreSQL may not know.
    pub fn date(&mut self, name: &str) -> Option<NaiveDate> {
        let date: NaiveDate = self.parsed(name, "not_a_date")?;
        let known = (1900..2200).contains(&date.year());
        if !known {
            self.faults.add(format!("?{name}"), "not_a_date");
        }
        known.then_some(date)
    }

    /// Takes `name` as a list of words of a vocabulary.
    pub fn words<T: std::str::FromStr + strum::VariantNames>(&mut self, name: &str) -> Vec<T> {
        let list = self.list(name);
        list.iter().filter_map(|word| self.faults.word(&format!("?{name}"), Some(word))).collect()
    }

    /// Takes `limit`: how many rows a page has, 1 to 200, 50 unless told.
    pub fn limit(&mut self) -> i64 {
        let range = || vec![("min", "1".to_owned()), ("max", "200".to_owned())];
        match self.text("limit").map(|text| text.parse()) {
            None => 50,
            Some(Ok(limit @ 1..=200)) => limit,
            Some(_) => {
                self.faults.add_with("?limit", "range", range());
                50
            }
        }
    }

    /// Takes `cursor`, as [`cursor`] made it.
    pub fn cursor<T: DeserializeOwned>(&mut self) -> Option<T> {
        let text = self.text("cursor")?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        serde_json::from_slice(&bytes).ok().or_else(|| {
            self.faults.add("?cursor", "not_a_cursor");
            None
        })
    }

    /// Whatever was not taken is unknown; answers the faults, if any.
    pub fn finish(mut self) -> Result<(), Faults> {
        for name in std::mem::take(&mut self.params).into_keys() {
            self.faults.add(format!("?{name}"), "unknown_field");
        }
        self.faults.check(Some(()))
    }
}

/// An opaque cursor that stands for `place` in a list.
pub fn cursor(place: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).expect("a cursor is JSON"))
}

impl FromRequest for Query {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::parse(request.query_string())))
    }
}
