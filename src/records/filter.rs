//! Which records a list, an export or a count is about.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use uuid::Uuid;

use super::{RecordKind, Severity, Status, fragment::Condition};
use crate::{
    accounts::Scope,
    db::schema::records,
    http::query::Query,
    places::{CityId, Directory, ElectionId, RegionReach, fold, start_of_day},
};

/// The moment at which a day begins in the places that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Midnight {
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

impl Midnight {
    fn of(day: NaiveDate, zones: &HashSet<Tz>) -> Option<Self> {
        let moments = || zones.iter().map(|zone| start_of_day(day, *zone));
        Some(Self { first: moments().min()?, last: moments().max()? })
    }

    /// Whether it is the same in all of them, so that the moment tells the date.
    fn is_one(self) -> bool {
        self.first == self.last
    }
}

/// What a query may ask for; empty lists and `None` ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub election: Option<ElectionId>,
    pub reach: Option<RegionReach>,
    pub cities: Vec<CityId>,
    pub polling_station: Option<String>,
    /// First and last local date, both included.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    /// When `from` begins, and when the day after `to` does: what an index on the time can use.
    pub starts: Option<Midnight>,
    pub ends: Option<Midnight>,
    pub statuses: Vec<Status>,
    pub categories: Vec<String>,
    pub severities: Vec<Severity>,
    pub reporter: Option<Uuid>,
    /// A `tsquery` of folded words.
    pub words: Option<String>,
}

impl Filter {
    /// Takes the parameters of a filter from a query.
    pub fn read(query: &mut Query, directory: &Directory) -> Self {
        let mut filter = Self::read_countable(query, directory);
        filter.polling_station = query.text("polling_station");
        filter.reporter = query.parsed("reporter", "not_an_id");
        if let Some(text) = query.text("q") {
            filter.words = words(&text);
            if filter.words.is_none() {
                query.faults.add("?q", "no_letters");
            }
        }
        filter
    }

    /// The parameters that the kept counts know too.
    pub fn read_countable(query: &mut Query, directory: &Directory) -> Self {
        let mut filter = Self::default();
        match query.text("election").map(|slug| directory.election(&slug).map(|election| election.id)) {
            Some(None) => query.faults.add("?election", "unknown_election"),
            Some(found) => filter.election = found,
            // With one election there is nothing to choose, and the indexes begin with it.
            None if directory.elections.len() == 1 => filter.election = Some(directory.elections[0].id),
            None => {}
        }
        let mut reach = RegionReach::default();
        for code in query.list("region") {
            match directory.region(&code) {
                Some(region) => reach.extend(directory.reach(region.id)),
                None => query.faults.add("?region", "unknown_region"),
            }
        }
        filter.reach = Some(reach).filter(|reach| !reach.regions.is_empty());
        let day =
            filter.election.and_then(|id| directory.election_by_id(id)).map(|election| election.held_on);
        let day = day.unwrap_or_else(|| Utc::now().date_naive());
        let first_region = filter.reach.as_ref().map(|reach| reach.regions[0]);
        for name in query.list("city") {
            match directory.city(&name, first_region, day) {
                Some(city) => filter.cities.push(city.id),
                None => query.faults.add("?city", "unknown_city"),
            }
        }
        filter.from = query.date("from");
        filter.to = query.date("to");
        if filter.from.is_some() || filter.to.is_some() {
            let zones = directory.time_zones(filter.reach.as_ref(), &filter.cities);
            filter.starts = filter.from.and_then(|from| Midnight::of(from, &zones));
            filter.ends = filter.to.and_then(|to| Midnight::of(to.succ_opt()?, &zones));
        }
        if filter.from.zip(filter.to).is_some_and(|(from, to)| from > to) {
            query.faults.add("?from", "from_after_to");
        }
        filter.statuses = query.words("status");
        filter.categories = query.list("category");
        filter.severities = query.words("severity");
        filter
    }

    /// The filter as SQL, with what the caller may not see left out.
    pub fn condition(&self, kind: RecordKind, scope: &Scope) -> Condition {
        let mut all = vec![Condition::new(records::kind.eq(kind.word()))];
        let mut and = |condition: Condition| all.push(condition);
        if let Some(election) = self.election {
            and(Condition::new(records::election_id.eq(election)));
        }
        if let Some(reach) = &self.reach {
            and(within(reach));
        }
        if !self.cities.is_empty() {
            and(Condition::new(records::city_id.assume_not_null().eq_any(self.cities.clone())));
        }
        if let Some(number) = &self.polling_station {
            and(Condition::new(records::polling_station.assume_not_null().eq(number.clone())));
        }
        // Where one moment tells the date, PostgreSQL is not asked to guess how many of the rest the date leaves out.
        if let Some(from) = self.from.filter(|_| !self.starts.is_some_and(Midnight::is_one)) {
            and(Condition::new(records::local_date.ge(from)));
        }
        if let Some(to) = self.to.filter(|_| !self.ends.is_some_and(Midnight::is_one)) {
            and(Condition::new(records::local_date.le(to)));
        }
        if let Some(starts) = self.starts {
            and(Condition::new(records::occurred_at.ge(starts.first)));
        }
        if let Some(ends) = self.ends {
            and(Condition::new(records::occurred_at.lt(ends.last)));
        }
        if !self.statuses.is_empty() {
            let words: Vec<_> = self.statuses.iter().map(|status| status.word()).collect();
            and(Condition::new(records::status.eq_any(words)));
        }
        if !self.categories.is_empty() {
            and(Condition::new(records::category.eq_any(self.categories.clone())));
        }
        if !self.severities.is_empty() {
            let words: Vec<_> = self.severities.iter().map(|severity| severity.word()).collect();
            and(Condition::new(records::severity.assume_not_null().eq_any(words)));
        }
        if let Some(reporter) = self.reporter {
            and(Condition::new(records::reporter_id.eq(reporter)));
        }
        if let Some(words) = &self.words {
            and(Condition::words(words.clone()));
        }
        match scope {
            Scope::All => {}
            Scope::Places(reach) => and(within(reach)),
            Scope::Own(user) => and(Condition::new(records::reporter_id.eq(*user))),
            Scope::Regions(reach, user) => {
                and(Condition::new(within(reach).or(records::reporter_id.eq(*user))));
            }
        }
        all.into_iter().reduce(Condition::and).expect("the kind is one")
    }
}

fn within(reach: &RegionReach) -> Condition {
    // No region known is in nobody's region: false, not null.
    let (region, city) = (records::region_id, records::city_id);
    let inside = match reach.regions.as_slice() {
        [one] => Condition::new(region.assume_not_null().eq(*one).and(region.is_not_null())),
        some => Condition::new(region.assume_not_null().eq_any(some.to_vec()).and(region.is_not_null())),
    };
    if reach.cities.is_empty() {
        return inside;
    }
    let moved = city.assume_not_null().eq_any(reach.cities.clone()).and(city.is_not_null());
    Condition::new(inside.or(moved))
}

/// The words of a search as a `tsquery`: all of them must be there, each may go on (the languages inflect).
pub fn words(text: &str) -> Option<String> {
    let folded = fold(text);
    let words: Vec<String> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(16)
        .map(|word| format!("'{word}':*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" & "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::copy::literal_sql;

    #[test]
    fn words_are_folded_and_quoted() {
        assert_eq!(words("Бақылаушы шығарылды!").as_deref(), Some("'бакылаушы':* & 'шыгарылды':*"));
        assert_eq!(words("a'b | c").as_deref(), Some("'a':* & 'b':* & 'c':*"));
        assert_eq!(words("—!?"), None);
    }

    #[test]
    fn what_is_out_of_reach_is_not_asked_for() {
        let user = Uuid::from_u128(9);
        let sql =
            literal_sql(&Filter::default().condition(RecordKind::Violation, &Scope::Own(user))).unwrap();
        assert!(sql.contains("reporter_id") && sql.contains(&user.to_string()), "{sql}");
    }
}
