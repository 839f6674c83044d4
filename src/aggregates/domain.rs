//! Which counts are asked for, and from what they are answered.

use serde::Serialize;
use utoipa::ToSchema;

use crate::records::{RecordKind, filter::Filter, vocabulary};

vocabulary! {
    /// What counts are grouped by.
    Dimension { Region, City, Day, Category, Status, Severity }
}

/// The kept sums, from coarse to fine: number and dimensions. The coarsest that knows all dimensions of a
/// question answers it.
pub const GRAINS: [(i16, &[Dimension]); 5] = {
    use Dimension::{Category, City, Day, Region, Severity, Status};
    [
        (4, &[Category, Status, Severity]),
        (3, &[Region, Day, Status]),
        (2, &[Region, City, Status]),
        (1, &[Region, Day, Category, Status]),
        (0, &[Region, City, Day, Category, Status, Severity]),
    ]
};

/// A question for counts.
#[derive(Clone, Debug)]
pub struct Question {
    pub kind: RecordKind,
    pub group_by: Vec<Dimension>,
    pub filter: Filter,
}

impl Question {
    /// The grain that answers; `None` where the kept sums do not know what is asked.
    pub fn grain(&self, by_place: bool) -> Option<i16> {
        let filter = &self.filter;
        if filter.polling_station.is_some() || filter.reporter.is_some() || filter.words.is_some() {
            return None;
        }
        let mut needed = self.group_by.clone();
        let reach = filter.reach.as_ref();
        let by_city = !filter.cities.is_empty() || reach.is_some_and(|reach| !reach.cities.is_empty());
        for (asked, dimension) in [
            (by_place || reach.is_some(), Dimension::Region),
            (by_place || by_city, Dimension::City),
            (filter.from.or(filter.to).is_some(), Dimension::Day),
            (!filter.categories.is_empty(), Dimension::Category),
            (!filter.statuses.is_empty(), Dimension::Status),
            (!filter.severities.is_empty(), Dimension::Severity),
        ] {
            if asked {
                needed.push(dimension);
            }
        }
        let knows = |(_, dimensions): &&(i16, &[Dimension])| needed.iter().all(|d| dimensions.contains(d));
        GRAINS.iter().find(knows).map(|(grain, _)| *grain)
    }
}

/// One group of an answer: the dimensions asked for, and its counts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Group {
    /// Region code, city, day, category, status, severity: those asked for; null where unknown.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub keys: serde_json::Map<String, serde_json::Value>,
    /// Null where suppressed.
    pub count: Option<i64>,
    /// People detained, where their number is known; detentions only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suppressed: bool,
}

/// Counts in groups.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Counts {
    pub groups: Vec<Group>,
    /// Null where a group is suppressed: it would give that group away.
    pub total: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<i64>,
}

/// Public counts of detentions below this are not told: few people in a small place are known by name.
pub const SMALLEST_PUBLIC: i64 = 5;

impl Counts {
    /// Withholds small cells. Where one alone would be withheld the next smallest goes with it, since the
    /// sum of a coarser table would give it away.
    pub fn suppress_small(mut self) -> Self {
        let small = |group: &Group| group.count.is_some_and(|count| count < SMALLEST_PUBLIC);
        let mut withheld = 0;
        for group in self.groups.iter_mut().filter(|group| small(group)) {
            (group.count, group.people, group.suppressed) = (None, None, true);
            withheld += 1;
        }
        if withheld == 1
            && let Some(next) = self.groups.iter_mut().filter(|g| !g.suppressed).min_by_key(|g| g.count)
        {
            (next.count, next.people, next.suppressed) = (None, None, true);
        }
        if withheld > 0 {
            (self.total, self.people) = (None, None);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(count: i64) -> Group {
        Group { keys: serde_json::Map::new(), count: Some(count), people: Some(count), suppressed: false }
    }

    #[test]
    fn a_small_cell_takes_another_with_it() {
        let counts =
            Counts { groups: vec![group(40), group(2), group(9)], total: Some(51), people: Some(51) };
        let shown: Vec<_> = counts.suppress_small().groups.iter().map(|group| group.count).collect();
        assert_eq!(shown, [Some(40), None, None]);
    }

    #[test]
    fn large_cells_stay_as_they_are() {
        let counts = Counts { groups: vec![group(5), group(9)], total: Some(14), people: None };
        assert_eq!(counts.clone().suppress_small(), counts);
    }

    #[test]
    fn the_coarsest_sums_answer() {
        let mut question = Question {
            kind: RecordKind::Violation,
            group_by: vec![Dimension::Region],
            filter: Filter::default(),
        };
        assert_eq!(question.grain(false), Some(3));
        question.group_by = vec![Dimension::City];
        assert_eq!(question.grain(false), Some(2));
        question.filter.categories = vec!["other".into()];
        assert_eq!(question.grain(false), Some(0));
        question.filter.words = Some("x".into());
        assert_eq!(question.grain(false), None);
    }
}
