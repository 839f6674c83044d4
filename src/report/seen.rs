//! What was seen and verified: counts by kind and status, and violations by category.

use crate::{
    accounts::Scope,
    aggregates::{
        self,
        domain::{Counts, Dimension, Group, Question},
    },
    db::{DbResult, Pool},
    places::Directory,
    protocols::sheets::SheetFilter,
    records::{RecordKind, Status, filter::Filter},
};

/// Counts of one kind of record; null where withheld.
pub struct KindRow {
    pub kind: RecordKind,
    pub total: Option<i64>,
    pub verified: Option<i64>,
    pub waiting: Option<i64>,
    pub set_aside: Option<i64>,
}

pub struct Seen {
    pub kinds: Vec<KindRow>,
    /// People in verified detentions; null where withheld.
    pub people: Option<i64>,
    /// Verified violations, the most frequent first.
    pub categories: Vec<(String, i64)>,
    pub withheld: bool,
}

pub const KINDS: [RecordKind; 3] = [RecordKind::Violation, RecordKind::Protocol, RecordKind::Detention];

/// Counts within the report's region and days.
pub async fn count(
    pool: &Pool,
    filter: &SheetFilter,
    scope: &Scope,
    directory: &Directory,
    (kind, group_by, statuses): (RecordKind, Dimension, Vec<Status>),
) -> DbResult<Counts> {
    let filter = Filter {
        election: Some(filter.election),
        reach: filter.reach.clone(),
        from: filter.from,
        to: filter.to,
        statuses,
        ..Filter::default()
    };
    let question = Question { kind, group_by: vec![group_by], filter };
    aggregates::store::count(&mut *pool.get().await?, &question, scope, directory).await
}

fn key(group: &Group, dimension: Dimension) -> String {
    group.keys.get(dimension.word()).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

fn row(kind: RecordKind, counts: Counts) -> (KindRow, Option<i64>) {
    let of = |statuses: &[Status]| {
        let its = counts
            .groups
            .iter()
            .filter(|group| statuses.iter().any(|it| it.word() == key(group, Dimension::Status)));
        its.fold((0, 0), |(count, people), group| {
            (count + group.count.unwrap_or(0), people + group.people.unwrap_or(0))
        })
    };
    let parts = [
        of(&[Status::Verified]),
        of(&[Status::Submitted, Status::InReview]),
        of(&[Status::Rejected, Status::Duplicate, Status::Withdrawn]),
    ];
    let group = |(count, people): &(i64, i64)| Group {
        keys: Default::default(),
        count: Some(*count),
        people: Some(*people),
        suppressed: false,
    };
    let total = Some(parts.iter().map(|part| part.0).sum());
    // Nothing was seen: there is nobody to be known by name.
    let shown: Vec<&(i64, i64)> = parts.iter().filter(|part| part.0 > 0).collect();
    let told = Counts { groups: shown.iter().map(|part| group(part)).collect(), total, people: None };
    let told = if kind == RecordKind::Detention { told.suppress_small() } else { told };
    let mut groups = told.groups.iter();
    let [verified, waiting, set_aside] = parts.map(|part| {
        if part.0 > 0 {
            groups.next().map_or((None, None), |it| (it.count, it.people))
        } else {
            (Some(0), Some(0))
        }
    });
    let row =
        KindRow { kind, total: told.total, verified: verified.0, waiting: waiting.0, set_aside: set_aside.0 };
    (row, verified.1)
}

pub async fn gather(
    pool: &Pool,
    filter: &SheetFilter,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Seen> {
    let mut kinds = Vec::new();
    let mut people = None;
    for kind in KINDS {
        let counts = count(pool, filter, scope, directory, (kind, Dimension::Status, Vec::new())).await?;
        let (row, its) = row(kind, counts);
        if kind == RecordKind::Detention {
            people = its;
        }
        kinds.push(row);
    }
    let asked = (RecordKind::Violation, Dimension::Category, vec![Status::Verified]);
    let counts = count(pool, filter, scope, directory, asked).await?;
    let mut categories: Vec<(String, i64)> = counts
        .groups
        .iter()
        .map(|group| (key(group, Dimension::Category), group.count.unwrap_or(0)))
        .collect();
    categories.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let withheld = kinds.iter().any(|row| row.total.is_none());
    Ok(Seen { kinds, people, categories, withheld })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counts(of: &[(&str, i64, i64)]) -> Counts {
        let group = |(status, count, people): &(&str, i64, i64)| Group {
            keys: [("status".to_owned(), json!(status))].into_iter().collect(),
            count: Some(*count),
            people: Some(*people),
            suppressed: false,
        };
        Counts { groups: of.iter().map(group).collect(), total: None, people: None }
    }

    #[test]
    fn few_detentions_are_withheld_and_few_violations_told() {
        let of = [("verified", 12, 40), ("submitted", 2, 2), ("rejected", 7, 7)];
        let (row_told, people) = row(RecordKind::Detention, counts(&of));
        assert_eq!((row_told.total, row_told.verified), (None, Some(12)));
        assert_eq!((row_told.waiting, row_told.set_aside, people), (None, None, Some(40)));
        let (row_told, _) = row(RecordKind::Violation, counts(&of));
        assert_eq!((row_told.total, row_told.waiting), (Some(21), Some(2)));
        let (row_told, people) = row(RecordKind::Detention, counts(&[]));
        assert_eq!((row_told.total, row_told.verified, people), (Some(0), Some(0), Some(0)));
        let (row_told, people) = row(RecordKind::Detention, counts(&[("verified", 1, 3)]));
        assert_eq!((row_told.total, row_told.verified, people), (None, None, None));
    }
}
