//! Figures of stations out of PostgreSQL: as published, or as the best sheets have them.

use std::collections::BTreeSet;

use diesel::{QueryableByName, sql_types::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::domain::Station;
use crate::{
    accounts::Scope,
    db::{DbError, DbResult},
    places::RegionId,
    protocols::{
        figures::Votes,
        sheets::{self, SheetFilter},
    },
    results::store::ResultSet,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Int2)]
    region_id: RegionId,
    #[diesel(sql_type = Nullable<Int4>)]
    voters: Option<i32>,
    #[diesel(sql_type = Nullable<Int4>)]
    issued: Option<i32>,
    #[diesel(sql_type = Nullable<Int4>)]
    found: Option<i32>,
    #[diesel(sql_type = Nullable<Int4>)]
    invalid: Option<i32>,
    #[diesel(sql_type = Int4)]
    against_all: i32,
}

#[derive(QueryableByName)]
struct PublishedRow {
    #[diesel(embed)]
    numbers: Row,
    #[diesel(sql_type = Array<Int4>)]
    votes: Vec<i32>,
}

#[derive(QueryableByName)]
struct SheetRow {
    #[diesel(embed)]
    numbers: Row,
    #[diesel(sql_type = Jsonb)]
    votes: Value,
}

const COLUMNS: &str = "region_id, voters_on_list AS voters, issued_in_station + coalesce(issued_mobile, 0) AS issued, \
     found_in_boxes AS found, invalid, coalesce(against_all, 0) AS against_all, votes";

impl Row {
    /// What was counted are the votes with the invalid ballots; those found in the boxes where no invalid ones are
    /// stated. Who turned out was given a ballot; where that is not stated, what was counted stands for it.
    fn station(self, votes: Vec<u32>) -> Station {
        let n = |value: i32| value.max(0) as u32;
        let sum = votes.iter().sum::<u32>() + n(self.against_all);
        let ballots = match (self.invalid, self.found) {
            (Some(invalid), _) => sum + n(invalid),
            (None, Some(found)) => n(found),
            (None, None) => sum,
        };
        let turned_out = self.issued.or(self.found).map_or(ballots, n);
        Station { region: self.region_id, voters: self.voters.map_or(0, n), turned_out, ballots, votes }
    }
}

/// The stations of a published table.
pub async fn published(conn: &mut AsyncPgConnection, set: &ResultSet) -> DbResult<Vec<Station>> {
    let rows: Vec<PublishedRow> = diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM official_results WHERE (election_id, set_id) = ($1, $2) ORDER BY region_id, station"
    ))
    .bind::<Int2, _>(set.election_id)
    .bind::<Int2, _>(set.id)
    .load(conn)
    .await?;
    let votes = |votes: Vec<i32>| votes.into_iter().map(|n| n.max(0) as u32).collect();
    Ok(rows.into_iter().map(|row| row.numbers.station(votes(row.votes))).collect())
}

/// Candidates, and the best sheet of each station within reach.
pub async fn sheets(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    filter: &SheetFilter,
) -> DbResult<(Vec<String>, Vec<Station>)> {
    let rows: Vec<SheetRow> = sheets::best(scope, filter)
        .sql(format!("SELECT {COLUMNS} FROM best ORDER BY region_id, station"))
        .load(conn)
        .await?;
    let mut names = BTreeSet::new();
    let mut read = Vec::new();
    for row in rows {
        let votes: Vec<Votes> = serde_json::from_value(row.votes)
            .map_err(|error| DbError::Corrupt(format!("votes of a sheet: {error}")))?;
        names.extend(votes.iter().map(|row| row.candidate.clone()));
        read.push((row.numbers, votes));
    }
    let names: Vec<String> = names.into_iter().collect();
    let of = |votes: &[Votes], name: &String| {
        votes.iter().filter(|row| row.candidate == *name).map(|row| row.votes.max(0) as u32).sum()
    };
    let stations =
        read.into_iter().map(|(row, votes)| row.station(names.iter().map(|name| of(&votes, name)).collect()));
    let stations = stations.collect();
    Ok((names, stations))
}
