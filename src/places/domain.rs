//! What a place is. Ids are the database's own and never leave the program; slugs and codes do.

use crate::i18n::Language;
use chrono::{NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub type ElectionId = i16;
pub type RegionId = i16;
pub type CityId = i32;

/// A name in the three languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Names {
    pub kk: String,
    pub ru: String,
    pub en: String,
}

impl Names {
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Kazakh => &self.kk,
            Language::Russian => &self.ru,
            Language::English => &self.en,
        }
    }
}

/// One vote on one date.
#[derive(Clone, Debug)]
pub struct Election {
    pub id: ElectionId,
    pub slug: String,
    pub kind: String,
    pub held_on: NaiveDate,
    pub names: Names,
    /// In the order in which they are listed.
    pub candidates: Vec<Candidate>,
}

/// Who stands in an election.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub number: i16,
    pub names: Names,
}

/// An oblast or a city of republican rank; its code is the one of ISO 3166-2:KZ in force now.
#[derive(Clone, Debug)]
pub struct Region {
    pub id: RegionId,
    pub code: String,
    pub kind: String,
    pub names: Names,
    pub time_zone: Tz,
    pub valid_from: Option<NaiveDate>,
    pub valid_to: Option<NaiveDate>,
    pub aliases: Vec<String>,
}

impl Region {
    /// Whether the region was there on `day`.
    pub fn existed_on(&self, day: NaiveDate) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day < to)
    }
}

/// A city, with the regions that it has belonged to.
#[derive(Clone, Debug)]
pub struct City {
    pub id: CityId,
    pub slug: String,
    pub names: Names,
    pub time_zone: Tz,
    pub latitude: f64,
    pub longitude: f64,
    pub aliases: Vec<String>,
    /// Region, first day, first day no more.
    pub regions: Vec<(RegionId, NaiveDate, NaiveDate)>,
}

impl City {
    /// The region that the city belonged to on `day`.
    pub fn region_on(&self, day: NaiveDate) -> Option<RegionId> {
        self.regions.iter().find(|(_, from, to)| *from <= day && day < *to).map(|(region, ..)| *region)
    }
}

/// A place within an election, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub election: ElectionId,
    /// As it stood on the day of the election.
    pub region: Option<RegionId>,
    pub city: Option<CityId>,
    /// The polling station's number as on its door: digits, mostly.
    pub polling_station: Option<String>,
    pub time_zone: Tz,
}

/// What a query by region means: the region as it stood at the election, and cities that belong to it at
/// another time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionReach {
    pub regions: Vec<RegionId>,
    pub cities: Vec<CityId>,
}

impl RegionReach {
    pub fn extend(&mut self, other: Self) {
        self.regions.extend(other.regions);
        self.cities.extend(other.cities);
    }
}

/// The first moment of `day` in `zone`, in UTC; where a clock change skips midnight, the moment after it.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> chrono::DateTime<chrono::Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    // No clock change skips more than a day.
    let mut hours = (0..=24).map(|hours| midnight + chrono::TimeDelta::hours(hours));
    let local = hours.find_map(|local| zone.from_local_datetime(&local).earliest());
    local.map_or_else(|| midnight.and_utc(), |local| local.to_utc())
}

/// Text as it is compared: lower case, Kazakh letters as their Russian neighbours, plain Latin. The SQL
/// function of the same name does the same.
pub fn fold(text: &str) -> String {
    const FROM: &str = "ёәғқңөұүһіäáğǵñńöóşüūúıý";
    const TO: &str = "еагкноуухиaaggnnoosuuuiy";
    text.chars()
        .map(|c| match c {
            'İ' => 'i',
            'A'..='Z'
            | 'А'..='Я'
            | 'Ё'
            | 'Ә'
            | 'Ғ'
            | 'Қ'
            | 'Ң'
            | 'Ө'
            | 'Ұ'
            | 'Ү'
            | 'Һ'
            | 'І'
            | 'Ä'
            | 'Á'
            | 'Ğ'
            | 'Ǵ'
            | 'Ñ'
            | 'Ń'
            | 'Ö'
            | 'Ó'
            | 'Ş'
            | 'Ü'
            | 'Ū'
            | 'Ú'
            | 'Ý' => c.to_lowercase().next().unwrap_or(c),
            c => c,
        })
        .map(|c| FROM.chars().position(|from| from == c).and_then(|i| TO.chars().nth(i)).unwrap_or(c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kazakh_and_russian_spellings_meet() {
        assert_eq!(fold("Қарағанды"), fold("Караганда").replace("нда", "нды"));
        assert_eq!(fold("Нұр-Сұлтан"), fold("нур-султан"));
        assert_eq!(fold("Aqtöbe"), "aqtobe");
        assert_eq!(fold("Семёнов ЁЖ"), "семенов еж");
    }

    #[test]
    fn a_day_starts_at_the_place() {
        let day = NaiveDate::from_ymd_opt(2019, 6, 9).unwrap();
        assert_eq!(start_of_day(day, chrono_tz::Asia::Almaty).to_rfc3339(), "2019-06-08T18:00:00+00:00");
        assert_eq!(start_of_day(day, chrono_tz::Asia::Aqtau).to_rfc3339(), "2019-06-08T19:00:00+00:00");
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_after_the_start_of_a_day_is_of_that_day_or_later(
            seconds in 0_i64..2_000_000_000, days in -2_i64..3, zone in 0..ZONES.len(),
        ) {
            let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            let date = at.with_timezone(&ZONES[zone]).date_naive();
            let day = date + chrono::TimeDelta::days(days);
            proptest::prop_assert_eq!(date >= day, at >= start_of_day(day, ZONES[zone]));
        }
    }

    /// All there have been in Kazakhstan.
    const ZONES: [Tz; 7] = {
        use chrono_tz::Asia::{Almaty, Aqtau, Aqtobe, Atyrau, Oral, Qostanay, Qyzylorda};
        [Almaty, Aqtau, Aqtobe, Atyrau, Oral, Qostanay, Qyzylorda]
    };
}
