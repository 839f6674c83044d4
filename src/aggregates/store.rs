//! Reads counts: kept sums and the changes not folded in yet, in one snapshot.

use chrono::NaiveDate;
use diesel::{
    prelude::*,
    sql_types::{BigInt, Date, Int2, Int4, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use postgres_protocol::escape::escape_literal;
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
    let sums = grouped(question, &from, &conditions(question, places), "n", "people");
    answer(conn, question, directory, sums).await
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
    let sums = grouped(question, &from, "true", "1", "people");
    answer(conn, question, directory, sums).await
}

fn grouped(question: &Question, from: &str, conditions: &str, n: &str, people: &str) -> String {
    let column = |dimension: Dimension, name: &str, sql_type: &str, value: &str| {
        if question.group_by.contains(&dimension) {
            format!("{value} AS {name}")
        } else {
            format!("NULL::{sql_type} AS {name}")
        }
    };
    let columns = [
        column(Dimension::Region, "region_id", "int2", "nullif(region_id, 0::int2)"),
        column(Dimension::City, "city_id", "int4", "nullif(city_id, 0)"),
        column(Dimension::Day, "day", "date", "day"),
        column(Dimension::Category, "category", "text", "category"),
        column(Dimension::Status, "status", "text", "status"),
        column(Dimension::Severity, "severity", "text", "nullif(severity, '')"),
    ]
    .join(", ");
    format!(
        "SELECT {columns}, coalesce(sum({n}), 0)::int8 AS n, coalesce(sum({people}), 0)::int8 AS people \
         FROM {from} WHERE {conditions} GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum({n}) <> 0 \
         ORDER BY 3 NULLS FIRST, 1, 2, 4, 5, 6"
    )
}

/// The conditions on kept sums. All values are numbers, dates, or quoted here.
fn conditions(question: &Question, places: Option<&RegionReach>) -> String {
    let filter = &question.filter;
    let mut all = vec!["true".to_owned()];
    let numbers = |ids: Vec<i64>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let within = |reach: &RegionReach| {
        let regions = numbers(reach.regions.iter().map(|id| i64::from(*id)).collect());
        let cities = numbers(reach.cities.iter().map(|id| i64::from(*id)).collect());
        match (regions.is_empty(), cities.is_empty()) {
            (true, _) => "false".to_owned(),
            (_, true) => format!("region_id IN ({regions})"),
            _ => format!("(region_id IN ({regions}) OR city_id IN ({cities}))"),
        }
    };
    if let Some(election) = filter.election {
        all.push(format!("election_id = {election}"));
    }
    all.extend(filter.reach.as_ref().map(within));
    all.extend(places.map(within));
    if !filter.cities.is_empty() {
        all.push(format!(
            "city_id IN ({})",
            numbers(filter.cities.iter().map(|id| i64::from(*id)).collect())
        ));
    }
    if let Some(from) = filter.from {
        all.push(format!("day >= '{from}'"));
    }
    if let Some(to) = filter.to {
        all.push(format!("day <= '{to}'"));
    }
    let mut words = |column: &str, words: Vec<String>| {
        if !words.is_empty() {
            let list: Vec<_> = words.iter().map(|word| escape_literal(word)).collect();
            all.push(format!("{column} IN ({})", list.join(", ")));
        }
    };
    words("status", filter.statuses.iter().map(ToString::to_string).collect());
    words("category", filter.categories.clone());
    words("severity", filter.severities.iter().map(ToString::to_string).collect());
    all.join(" AND ")
}

async fn answer(
    conn: &mut AsyncPgConnection,
    question: &Question,
    directory: &Directory,
    sums: String,
) -> DbResult<Counts> {
    let rows: Vec<Row> = diesel::sql_query(sums).load(conn).await?;
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
    Ok(counts)
}
