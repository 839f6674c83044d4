//! Protocols in PostgreSQL; whose copy it is lies in the envelope's category.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    domain::{CopyHolder, Protocol},
    figures::Figures,
};
use crate::{
    db::{
        DbError, DbResult, Word,
        schema::{protocols, records},
    },
    places::ElectionId,
    records::{
        Record,
        lookup::{Page, collect, joined},
        store::DetailsTable,
    },
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
    against_all: Option<i32>,
    copy_number: Option<i32>,
    signatures: Option<i32>,
    commission_size: Option<i32>,
    handed_out_at: Option<DateTime<Utc>>,
    failed_checks: Vec<String>,
}

impl DetailsTable for Protocol {
    async fn insert(mut conn: &AsyncPgConnection, rows: Vec<(ElectionId, Uuid, &Self)>) -> QueryResult<()> {
        let rows: Vec<Row> = (rows.into_iter())
            .map(|(election_id, record_id, it)| Row {
                election_id,
                record_id,
                voters_on_list: it.figures.voters_on_list,
                ballots_received: it.figures.ballots_received,
                issued_in_station: it.figures.issued_in_station,
                issued_mobile: it.figures.issued_mobile,
                spoiled: it.figures.spoiled,
                unused: it.figures.unused,
                found_in_boxes: it.figures.found_in_boxes,
                invalid: it.figures.invalid,
                signed: it.signed,
                stamped: it.stamped,
                votes: serde_json::to_value(&it.figures.votes).expect("votes are JSON"),
                against_all: it.figures.against_all,
                copy_number: it.copy_number,
                signatures: it.signatures,
                commission_size: it.commission_size,
                handed_out_at: it.handed_out_at,
                failed_checks: it.figures.failed().into_iter().map(str::to_owned).collect(),
            })
            .collect();
        diesel::insert_into(protocols::table).values(&rows).execute(&mut conn).await?;
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

    async fn load(mut conn: &AsyncPgConnection, page: Page) -> DbResult<Vec<Record<Self>>> {
        let columns = (records::category, Row::as_select());
        type Columns = (Word<CopyHolder>, Row);
        let limit = page.limit;
        let rows = joined!(protocols, columns, page).load_stream(&mut conn).await?;
        let details = |(category, row): Columns| {
            Ok(Self {
                copy_held_by: category.0,
                copy_number: row.copy_number,
                figures: Figures {
                    voters_on_list: row.voters_on_list,
                    ballots_received: row.ballots_received,
                    issued_in_station: row.issued_in_station,
                    issued_mobile: row.issued_mobile,
                    spoiled: row.spoiled,
                    unused: row.unused,
                    found_in_boxes: row.found_in_boxes,
                    invalid: row.invalid,
                    against_all: row.against_all,
                    votes: serde_json::from_value(row.votes)
                        .map_err(|error| DbError::Corrupt(format!("votes of {}: {error}", row.record_id)))?,
                },
                signed: row.signed,
                signatures: row.signatures,
                commission_size: row.commission_size,
                stamped: row.stamped,
                handed_out_at: row.handed_out_at,
            })
        };
        collect(rows, limit, details).await
    }
}
