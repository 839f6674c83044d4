//! Reads counts: kept sums and the changes not folded in yet, in one snapshot.

use chrono::NaiveDate;
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Date, Int2, Int4, Nullable, Text, Untyped},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Map, Value, json};

use super::domain::{Counts, Dimension, Group, Question};
use crate::{
    accounts::Scope,
    db::{DbResult, copy::literal_sql},
    places::{Directory, RegionReach},
    records::RecordKind,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Int2>)]
    region_id: Option<i16>,
    #[diesel(sql_type = Nullable<Int4>)]
    city_id: Option<i32>,
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    category: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    severity: Option<String>,
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = BigInt)]
    people: i64,
}

/// Answers a question within the scope. Observers, and filters that the kept sums do not know, are
/// answered by counting the records themselves.
pub async fn count(
    conn: &mut AsyncPgConnection,
    question: &Question,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Counts> {
    let places = match scope {
        Scope::All => None,
        Scope::Places(reach) | Scope::Regions(reach, _) => Some(reach),
        Scope::Own(_) => return recount(conn, question, scope, directory).await,
    };
    let Some(grain) = question.grain(places.is_some()) else {
        let scope = places.map_or(Scope::All, |reach| Scope::Places(reach.clone()));
        return recount(conn, question, &scope, directory).await;
    };
    let columns = "election_id, region_id, city_id, day, category, status, severity, n, people";
    let kind = question.kind.word();
    let from = format!(
        "(SELECT {columns} FROM counts WHERE kind = '{kind}' AND grain = {grain} \
          UNION ALL SELECT {columns} FROM count_deltas WHERE kind = '{kind}') t"
    );
    let (head, tail) = grouped(question, &from, "n");
    let filter = &question.filter;
    let kept = KeptSums {
        head,
        tail,
        election: filter.election,
        within: filter.reach.iter().chain(places).cloned().collect(),
        cities: filter.cities.clone(),
        from: filter.from,
        to: filter.to,
        words: [
            ("status", filter.statuses.iter().map(|word| word.word().to_owned()).collect()),
            ("category", filter.categories.clone()),
            ("severity", filter.severities.iter().map(|word| word.word().to_owned()).collect()),
        ],
    };
    Ok(answer(question, directory, kept.load(conn).await?))
}

/// A question to the kept sums. Values are bound, so there are few texts, and each is prepared once.
struct KeptSums {
    head: String,
    tail: String,
    election: Option<i16>,
    within: Vec<RegionReach>,
    cities: Vec<i32>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    words: [(&'static str, Vec<String>); 3],
}

impl Query for KeptSums {
    type SqlType = Untyped;
}

impl<C> diesel::RunQueryDsl<C> for KeptSums {}

impl QueryId for KeptSums {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for KeptSums {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&self.head);
        out.push_sql("true");
        if let Some(election) = &self.election {
            out.push_sql(" AND election_id = ");
            out.push_bind_param::<Int2, _>(election)?;
        }
        for reach in &self.within {
            out.push_sql(" AND (region_id = ANY(");
            out.push_bind_param::<Array<Int2>, _>(&reach.regions)?;
            out.push_sql(") OR city_id = ANY(");
            out.push_bind_param::<Array<Int4>, _>(&reach.cities)?;
            out.push_sql("))");
        }
        if !self.cities.is_empty() {
            out.push_sql(" AND city_id = ANY(");
            out.push_bind_param::<Array<Int4>, _>(&self.cities)?;
            out.push_sql(")");
        }
        for (comparison, day) in [(" AND day >= ", &self.from), (" AND day <= ", &self.to)] {
            if let Some(day) = day {
                out.push_sql(comparison);
                out.push_bind_param::<Date, _>(day)?;
            }
        }
        for (column, words) in self.words.iter().filter(|(_, words)| !words.is_empty()) {
            out.push_sql(" AND ");
            out.push_sql(column);
            out.push_sql(" = ANY(");
            out.push_bind_param::<Array<Text>, _>(words)?;
            out.push_sql(")");
        }
        out.push_sql(&self.tail);
        Ok(())
    }
}

/// Answers a question by counting the records themselves: what the kept sums are proved against.
pub async fn recount(
    conn: &mut AsyncPgConnection,
    question: &Question,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Counts> {
    let condition = literal_sql(&question.filter.condition(question.kind, scope))?;
    let from =
        "(SELECT election_id, coalesce(region_id, 0)::int2 AS region_id, coalesce(city_id, 0) AS city_id, \
                local_date AS day, category, status, coalesce(severity, '') AS severity, people \
                FROM records WHERE "
            .to_owned()
            + &condition
            + ") t";
    let (head, tail) = grouped(question, &from, "1");
    Ok(answer(question, directory, diesel::sql_query(format!("{head}true{tail}")).load(conn).await?))
}

/// The statement before and after its conditions. What is not asked for is neither grouped by nor summed.
fn grouped(question: &Question, from: &str, n: &str) -> (String, String) {
    let columns = [
        (Dimension::Region, "region_id", "int2", "nullif(region_id, 0::int2)"),
        (Dimension::City, "city_id", "int4", "nullif(city_id, 0)"),
        (Dimension::Day, "day", "date", "day"),
        (Dimension::Category, "category", "text", "category"),
        (Dimension::Status, "status", "text", "status"),
        (Dimension::Severity, "severity", "text", "nullif(severity, '')"),
    ];
    let asked = |dimension: &Dimension| question.group_by.contains(dimension);
    let selected = columns.each_ref().map(|(dimension, name, sql_type, value)| {
        if asked(dimension) { format!("{value} AS {name}") } else { format!("NULL::{sql_type} AS {name}") }
    });
    let at: Vec<usize> =
        (1..).zip(&columns).filter(|(_, column)| asked(&column.0)).map(|(at, _)| at).collect();
    let listed = |at: &[usize]| at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let group = if at.is_empty() { String::new() } else { format!(" GROUP BY {}", listed(&at)) };
    // Days come first in the order of groups: that is how a timeline is read.
    let (day, rest): (Vec<usize>, Vec<usize>) = at.into_iter().partition(|at| *at == 3);
    let order = [day, rest].concat();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", listed(&order)) };
    let people = match question.kind {
        RecordKind::Detention => "coalesce(sum(people), 0)::int8",
        _ => "0::int8",
    };
    let head = format!(
        "SELECT {}, coalesce(sum({n}), 0)::int8 AS n, {people} AS people FROM {from} WHERE ",
        selected.join(", ")
    );
    (head, format!("{group} HAVING sum({n}) <> 0{order}"))
}

fn answer(question: &Question, directory: &Directory, rows: Vec<Row>) -> Counts {
    let with_people = question.kind == RecordKind::Detention;
    let mut counts = Counts { groups: Vec::new(), total: Some(0), people: with_people.then_some(0) };
    for row in rows {
        counts.total = counts.total.map(|total| total + row.n);
        counts.people = counts.people.map(|people| people + row.people);
        let mut keys = Map::new();
        for dimension in &question.group_by {
            let value = match dimension {
                Dimension::Region => {
                    json!(row.region_id.and_then(|id| directory.region_by_id(id)).map(|region| &region.code))
                }
                Dimension::City => {
                    json!(row.city_id.and_then(|id| directory.city_by_id(id)).map(|city| &city.slug))
                }
                Dimension::Day => json!(row.day),
                Dimension::Category => json!(row.category),
                Dimension::Status => json!(row.status),
                Dimension::Severity => Value::from(row.severity.clone()),
            };
            keys.insert(dimension.to_string(), value);
        }
        let people = with_people.then_some(row.people);
        counts.groups.push(Group { keys, count: Some(row.n), people, suppressed: false });
    }
    counts
}
