//! Violations in PostgreSQL; category and severity lie in the envelope, where they are filtered by.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::Violation;
use crate::{
    db::{DbResult, bulk::insert_many, schema::violations, stored},
    places::ElectionId,
    records::store::{DetailsTable, StoredFacets},
};

struct Row<'a> {
    election_id: ElectionId,
    record_id: Uuid,
    stage: &'static str,
    people_involved: Option<&'a str>,
}

impl DetailsTable for Violation {
    async fn insert(mut conn: &AsyncPgConnection, rows: Vec<(ElectionId, Uuid, &Self)>) -> QueryResult<()> {
        let rows: Vec<Row> = (rows.into_iter())
            .map(|(election_id, record_id, it)| Row {
                election_id,
                record_id,
                stage: it.stage.word(),
                people_involved: it.people_involved.as_deref(),
            })
            .collect();
        insert_many!(violations, &rows, {
            election_id: SmallInt, record_id: Uuid, stage: Text, people_involved: Nullable<Text>,
        })
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    async fn delete(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        id: Uuid,
        _: &Self,
    ) -> QueryResult<()> {
        diesel::delete(violations::table.find((election, id))).execute(conn).await?;
        Ok(())
    }

    async fn load(
        conn: &mut AsyncPgConnection,
        election: ElectionId,
        ids: Vec<Uuid>,
        facets: &HashMap<Uuid, StoredFacets>,
    ) -> DbResult<HashMap<Uuid, Self>> {
        let rows: Vec<(Uuid, String, Option<String>)> = violations::table
            .filter(violations::election_id.eq(election).and(violations::record_id.eq_any(ids)))
            .select((violations::record_id, violations::stage, violations::people_involved))
            .load(conn)
            .await?;
        rows.into_iter()
            .map(|(id, stage, people_involved)| {
                let facets = &facets[&id];
                let severity = stored(facets.severity.as_deref().unwrap_or_default())?;
                let (category, stage) = (stored(&facets.category)?, stored(&stage)?);
                Ok((id, Self { category, stage, severity, people_involved }))
            })
            .collect()
    }
}
