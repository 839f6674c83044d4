//! Detentions in PostgreSQL; the circumstance lies in the envelope's category.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::{Circumstance, Detention};
use crate::{
    db::{
        DbResult, Word,
        bulk::insert_many,
        schema::{detentions, records},
        stored,
    },
    places::ElectionId,
    records::{
        Record,
        lookup::{Page, collect, joined},
        store::DetailsTable,
    },
    sealing,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = detentions, check_for_backend(Pg))]
struct Row {
    election_id: ElectionId,
    record_id: Uuid,
    people: Option<i32>,
    detained_by: String,
    custody: String,
    arrest_days: Option<i32>,
    custody_since: Option<DateTime<Utc>>,
    custody_source: Option<String>,
    held_at: Option<String>,
    stated_ground: Option<String>,
    relatives_told: Option<bool>,
    lawyer_admitted: Option<bool>,
    person_commitment: Option<String>,
}

impl DetailsTable for Detention {
    async fn insert(mut conn: &AsyncPgConnection, rows: Vec<(ElectionId, Uuid, &Self)>) -> QueryResult<()> {
        let seals: Vec<_> =
            rows.iter().filter_map(|(election, id, it)| Some((*election, *id, it.seal.as_ref()?))).collect();
        let rows: Vec<Row> = (rows.into_iter())
            .map(|(election_id, record_id, it)| Row {
                election_id,
                record_id,
                people: it.people,
                detained_by: it.detained_by.to_string(),
                custody: it.custody.to_string(),
                arrest_days: it.arrest_days,
                custody_since: it.custody_since,
                custody_source: it.custody_source.clone(),
                held_at: it.held_at.clone(),
                stated_ground: it.stated_ground.clone(),
                relatives_told: it.relatives_told,
                lawyer_admitted: it.lawyer_admitted,
                person_commitment: it.person_commitment.clone(),
            })
            .collect();
        insert_many!(detentions, &rows, {
            election_id: SmallInt, record_id: Uuid, people: Nullable<Integer>, detained_by: Text,
            custody: Text, arrest_days: Nullable<Integer>, custody_since: Nullable<Timestamptz>,
            custody_source: Nullable<Text>, held_at: Nullable<Text>, stated_ground: Nullable<Text>,
            relatives_told: Nullable<Bool>, lawyer_admitted: Nullable<Bool>, person_commitment: Nullable<Text>,
        })
        .execute(&mut conn)
        .await?;
        for (election, id, seal) in seals {
            sealing::store::put(conn, election, id, seal).await?;
        }
        Ok(())
    }

    async fn delete(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        id: Uuid,
        next: &Self,
    ) -> QueryResult<()> {
        if next.person_commitment.is_none() {
            sealing::store::remove(conn, election, id).await?;
        }
        diesel::delete(detentions::table.find((election, id))).execute(conn).await?;
        Ok(())
    }

    async fn load(mut conn: &AsyncPgConnection, page: Page) -> DbResult<Vec<Record<Self>>> {
        let columns = (records::category, Row::as_select());
        type Columns = (Word<Circumstance>, Row);
        let limit = page.limit;
        let rows = joined!(detentions, columns, page).load_stream(&mut conn).await?;
        let details = |(category, row): Columns| {
            Ok(Self {
                category: category.0,
                people: row.people,
                detained_by: stored(&row.detained_by)?,
                custody: stored(&row.custody)?,
                arrest_days: row.arrest_days,
                custody_since: row.custody_since,
                custody_source: row.custody_source,
                held_at: row.held_at,
                stated_ground: row.stated_ground,
                relatives_told: row.relatives_told,
                lawyer_admitted: row.lawyer_admitted,
                person_commitment: row.person_commitment,
                seal: None,
            })
        };
        collect(rows, limit, details).await
    }
}
