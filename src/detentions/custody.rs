//! The course of a detention: who is held, since when, and for how long the law lets them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::domain::Custody;

/// One step of the course.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Step {
    pub version: i32,
    pub custody: Custody,
    pub since: DateTime<Utc>,
    pub held_at: Option<String>,
    pub arrest_days: Option<i32>,
    /// Slug of the document that says so.
    pub source: Option<String>,
    pub note: Option<String>,
    pub recorded_by: Uuid,
    pub recorded_at: DateTime<Utc>,
}

/// The longest that the law lets somebody be held in the present custody.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Limit {
    /// In hours, counted from `since`.
    pub hours: i64,
    pub since: DateTime<Utc>,
    /// The rule; the laws know longer terms for single cases, which somebody must look at.
    pub law: &'static str,
    /// Hours beyond the limit; 0 within it.
    pub hours_over: f64,
}

/// Where a detention stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Course {
    pub steps: Vec<Step>,
    /// Hours from the detention until release, or until now.
    pub hours_held: f64,
    /// Whether they are held still, as far as is known.
    pub still_held: bool,
    pub released_at: Option<DateTime<Utc>>,
    /// Absent where the present custody is none.
    pub limit: Option<Limit>,
}

impl Custody {
    fn is_held(self) -> bool {
        !matches!(self, Self::Released | Self::Fined)
    }
}

/// The limit in the custody of a step, in hours, and its rule. `taken` is when the detention began.
fn limit(step: &Step, taken: DateTime<Utc>) -> Option<(i64, DateTime<Utc>, &'static str)> {
    match step.custody {
        Custody::Held | Custody::PlaceUnknown => Some((
            3,
            taken,
            "administrative detention: three hours as a rule (Code on Administrative Offences of Kazakhstan of 2014, article 789 part 1)",
        )),
        Custody::CriminalCase => Some((
            72,
            taken,
            "no more than 72 hours without the sanction of a court (Constitution of Kazakhstan as in force in 2019, article 16 paragraph 2)",
        )),
        Custody::AdministrativeArrest => Some((
            i64::from(step.arrest_days?) * 24,
            step.since,
            "administrative arrest: the days that the court set (Code on Administrative Offences of Kazakhstan of 2014, article 50)",
        )),
        Custody::Released | Custody::Fined => None,
    }
}

fn hours(span: TimeDelta) -> f64 {
    (span.num_minutes().max(0) as f64 / 6.0).round() / 10.0
}

/// Sums up the steps, in the order in which they were recorded; `now` for those who are held still.
pub fn course(mut steps: Vec<Step>, now: DateTime<Utc>) -> Course {
    steps.sort_by_key(|step| (step.since, step.version));
    let taken = steps.first().map_or(now, |step| step.since);
    let last = steps.last();
    let still_held = last.is_some_and(|step| step.custody.is_held());
    let released_at = last.filter(|_| !still_held).map(|step| step.since);
    let until = released_at.unwrap_or(now);
    let limit = last.and_then(|step| {
        let (allowed, since, law) = limit(step, taken)?;
        let over = until - since - TimeDelta::hours(allowed);
        Some(Limit { hours: allowed, since, law, hours_over: hours(over) })
    });
    Course { hours_held: hours(until - taken), still_held, released_at, limit, steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    fn step(version: i32, custody: Custody, since: i64, arrest_days: Option<i32>) -> Step {
        Step {
            version,
            custody,
            since: at(since),
            held_at: None,
            arrest_days,
            source: None,
            note: None,
            recorded_by: Uuid::nil(),
            recorded_at: at(since),
        }
    }

    #[test]
    fn who_is_held_past_three_hours_is_held_past_the_law() {
        let within = course(vec![step(1, Custody::Held, 0, None)], at(2));
        assert_eq!((within.hours_held, within.still_held), (2.0, true));
        assert_eq!(within.limit.unwrap().hours_over, 0.0);
        let past = course(vec![step(1, Custody::PlaceUnknown, 0, None)], at(10));
        assert_eq!(past.limit.unwrap().hours_over, 7.0);
    }

    #[test]
    fn release_ends_the_count() {
        let steps = vec![step(1, Custody::Held, 0, None), step(2, Custody::Released, 5, None)];
        let course = course(steps, at(100));
        assert_eq!((course.hours_held, course.still_held), (5.0, false));
        assert_eq!((course.released_at, course.limit), (Some(at(5)), None));
    }

    #[test]
    fn an_arrest_runs_from_the_court_and_a_criminal_case_from_the_detention() {
        let steps =
            vec![step(1, Custody::Held, 0, None), step(2, Custody::AdministrativeArrest, 10, Some(15))];
        let arrest = course(steps, at(10 + 15 * 24 + 6)).limit.unwrap();
        assert_eq!((arrest.hours, arrest.since, arrest.hours_over), (360, at(10), 6.0));
        let steps = vec![step(1, Custody::Held, 0, None), step(2, Custody::CriminalCase, 20, None)];
        let case = course(steps, at(80)).limit.unwrap();
        assert_eq!((case.hours, case.since, case.hours_over), (72, at(0), 8.0));
        // Days that nobody knows make no limit.
        assert_eq!(course(vec![step(1, Custody::AdministrativeArrest, 0, None)], at(5)).limit, None);
    }

    #[test]
    fn what_is_learnt_late_takes_its_place_in_time() {
        let steps = vec![
            step(1, Custody::PlaceUnknown, 0, None),
            step(2, Custody::Released, 30, None),
            step(3, Custody::Held, 4, None),
        ];
        let course = course(steps, at(100));
        assert_eq!(course.steps.iter().map(|step| step.version).collect::<Vec<_>>(), [1, 3, 2]);
        assert!(!course.still_held);
    }
}
