//! Violations in PostgreSQL; category and severity lie in the envelope, where they are filtered by.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::{Category, Stage, Violation};
use crate::{
    db::{
        DbResult, Word,
        bulk::insert_many,
        schema::{records, violations},
    },
    places::ElectionId,
    records::{
        Record, Severity,
        lookup::{Page, collect, joined},
        store::DetailsTable,
    },
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

    async fn load(mut conn: &AsyncPgConnection, page: Page) -> DbResult<Vec<Record<Self>>> {
        let columns = (
            records::category,
            records::severity.assume_not_null(),
            violations::stage,
            violations::people_involved,
        );
        type Columns = (Word<Category>, Word<Severity>, Word<Stage>, Option<String>);
        let limit = page.limit;
        let rows = joined!(violations, columns, page).load_stream(&mut conn).await?;
        let details = |(category, severity, stage, people_involved): Columns| {
            Ok(Self { category: category.0, severity: severity.0, stage: stage.0, people_involved })
        };
        collect(rows, limit, details).await
    }
}
