//! Protocols in PostgreSQL; whose copy it is lies in the envelope's category.

use std::collections::HashMap;

use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::Protocol;
use crate::{
    db::{DbError, DbResult, schema::protocols, stored},
    places::ElectionId,
    records::store::{DetailsTable, StoredFacets},
};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = protocols, check_for_backend(Pg))]
struct Row {
    election_id: ElectionId,
    record_id: Uuid,
    voters_on_list: Option<i32>,
    ballots_received: Option<i32>,
    issued_in_station: Option<i32>,
    issued_mobile: Option<i32>,
    spoiled: Option<i32>,
    unused: Option<i32>,
    found_in_boxes: Option<i32>,
    invalid: Option<i32>,
    signed: Option<bool>,
    stamped: Option<bool>,
    votes: serde_json::Value,
}

impl DetailsTable for Protocol {
    async fn insert(conn: &mut AsyncPgConnection, rows: Vec<(ElectionId, Uuid, &Self)>) -> QueryResult<()> {
        let rows: Vec<Row> = (rows.into_iter())
            .map(|(election_id, record_id, it)| Row {
                election_id,
                record_id,
                voters_on_list: it.voters_on_list,
                ballots_received: it.ballots_received,
                issued_in_station: it.issued_in_station,
                issued_mobile: it.issued_mobile,
                spoiled: it.spoiled,
                unused: it.unused,
                found_in_boxes: it.found_in_boxes,
                invalid: it.invalid,
                signed: it.signed,
                stamped: it.stamped,
                votes: serde_json::to_value(&it.votes).expect("votes are JSON"),
            })
            .collect();
        diesel::insert_into(protocols::table).values(&rows).execute(conn).await?;
        Ok(())
    }

    async fn delete(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        id: Uuid,
        _: &Self,
    ) -> QueryResult<()> {
        diesel::delete(protocols::table.find((election, id))).execute(conn).await?;
        Ok(())
    }

    async fn load(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        ids: Vec<Uuid>,
        facets: &HashMap<Uuid, StoredFacets>,
    ) -> DbResult<HashMap<Uuid, Self>> {
        let rows: Vec<Row> = protocols::table
            .filter(protocols::election_id.eq(election).and(protocols::record_id.eq_any(ids)))
            .select(Row::as_select())
            .load(conn)
            .await?;
        rows.into_iter()
            .map(|row| {
                let sheet = Self {
                    copy_held_by: stored(&facets[&row.record_id].category)?,
                    voters_on_list: row.voters_on_list,
                    ballots_received: row.ballots_received,
                    issued_in_station: row.issued_in_station,
                    issued_mobile: row.issued_mobile,
                    spoiled: row.spoiled,
                    unused: row.unused,
                    found_in_boxes: row.found_in_boxes,
                    invalid: row.invalid,
                    signed: row.signed,
                    stamped: row.stamped,
                    votes: serde_json::from_value(row.votes)
                        .map_err(|error| DbError::Corrupt(format!("votes of {}: {error}", row.record_id)))?,
                };
                Ok((row.record_id, sheet))
            })
            .collect()
    }
}
