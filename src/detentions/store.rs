//! Detentions in PostgreSQL; the circumstance lies in the envelope's category.

use std::collections::HashMap;

use diesel::{pg::Pg, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::Detention;
use crate::{
    db::{
        DbResult,
        schema::{detentions, records},
        stored,
    },
    places::ElectionId,
    records::store::DetailsTable,
};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = detentions, check_for_backend(Pg))]
struct Row {
    election_id: ElectionId,
    record_id: Uuid,
    people: Option<i32>,
    detained_by: String,
    custody: String,
    arrest_days: Option<i32>,
    held_at: Option<String>,
    stated_ground: Option<String>,
    relatives_told: Option<bool>,
    lawyer_admitted: Option<bool>,
    sealed_person: Option<String>,
}

impl DetailsTable for Detention {
    async fn insert(conn: &mut AsyncPgConnection, rows: Vec<(ElectionId, Uuid, &Self)>) -> QueryResult<()> {
        let rows: Vec<Row> = (rows.into_iter())
            .map(|(election_id, record_id, it)| Row {
                election_id,
                record_id,
                people: it.people,
                detained_by: it.detained_by.to_string(),
                custody: it.custody.to_string(),
                arrest_days: it.arrest_days,
                held_at: it.held_at.clone(),
                stated_ground: it.stated_ground.clone(),
                relatives_told: it.relatives_told,
                lawyer_admitted: it.lawyer_admitted,
                sealed_person: it.sealed_person.clone(),
            })
            .collect();
        diesel::insert_into(detentions::table).values(&rows).execute(conn).await?;
        Ok(())
    }

    async fn delete(conn: &mut AsyncPgConnection, election: ElectionId, id: Uuid) -> QueryResult<()> {
        diesel::delete(detentions::table.find((election, id))).execute(conn).await?;
        Ok(())
    }

    async fn load(
        conn: &mut AsyncPgConnection,
        elections: Vec<ElectionId>,
        ids: Vec<Uuid>,
    ) -> DbResult<HashMap<Uuid, Self>> {
        let same =
            records::election_id.eq(detentions::election_id).and(records::id.eq(detentions::record_id));
        let rows: Vec<(Row, String)> = detentions::table
            .inner_join(records::table.on(same))
            .filter(detentions::election_id.eq_any(elections).and(detentions::record_id.eq_any(ids)))
            .select((Row::as_select(), records::category))
            .load(conn)
            .await?;
        rows.into_iter()
            .map(|(row, category)| {
                let detention = Self {
                    category: stored(&category)?,
                    people: row.people,
                    detained_by: stored(&row.detained_by)?,
                    custody: stored(&row.custody)?,
                    arrest_days: row.arrest_days,
                    held_at: row.held_at,
                    stated_ground: row.stated_ground,
                    relatives_told: row.relatives_told,
                    lawyer_admitted: row.lawyer_admitted,
                    sealed_person: row.sealed_person,
                };
                Ok((row.record_id, detention))
            })
            .collect()
    }
}
