//! Readings in PostgreSQL.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::figures::Figures;
use crate::{
    accounts::UserId,
    db::{
        DbError, DbResult,
        schema::{evidence, sheet_readings},
    },
};

/// Readings of one photo after which nobody is asked any more.
pub const MOST: usize = 3;

/// Why a reading was not stored.
pub enum Refused {
    /// This person has read it already.
    Twice,
    /// It needs no further reading.
    Done,
}

/// The readings of a photo with their readers, first to last.
pub async fn of_photo(conn: &mut AsyncPgConnection, photo: Uuid) -> DbResult<Vec<(UserId, Figures)>> {
    let rows: Vec<(UserId, serde_json::Value)> = sheet_readings::table
        .filter(sheet_readings::evidence_id.eq(photo))
        .order((sheet_readings::at, sheet_readings::id))
        .select((sheet_readings::reader_id, sheet_readings::figures))
        .load(conn)
        .await?;
    rows.into_iter()
        .map(|(reader, figures)| {
            let figures = serde_json::from_value(figures);
            Ok((reader, figures.map_err(|error| DbError::Corrupt(format!("reading of {photo}: {error}")))?))
        })
        .collect()
}

/// Stores a reading where one is wanted; `wanted` says so of the readings before.
pub async fn add(
    conn: &mut AsyncPgConnection,
    photo: Uuid,
    reader: UserId,
    figures: &Figures,
    wanted: impl Fn(&[Figures]) -> bool + Send + Sync,
) -> DbResult<Result<Vec<Figures>, Refused>> {
    conn.transaction(async |conn| {
        // Two who key one photo at one time come one after the other.
        evidence::table.find(photo).select(evidence::id).for_update().first::<Uuid>(conn).await?;
        let before = of_photo(conn, photo).await?;
        if before.iter().any(|(of, _)| *of == reader) {
            return Ok(Err(Refused::Twice));
        }
        let mut readings: Vec<Figures> = before.into_iter().map(|(_, figures)| figures).collect();
        if !wanted(&readings) {
            return Ok(Err(Refused::Done));
        }
        diesel::insert_into(sheet_readings::table)
            .values((
                sheet_readings::id.eq(Uuid::now_v7()),
                sheet_readings::evidence_id.eq(photo),
                sheet_readings::reader_id.eq(reader),
                sheet_readings::figures.eq(serde_json::to_value(figures).expect("figures are JSON")),
            ))
            .execute(conn)
            .await?;
        readings.push(figures.clone());
        DbResult::Ok(Ok(readings))
    })
    .await
}
