//! Enquiries in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*, sql_types::Bool};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{EnquiryStatus, NewEnquiry};
use crate::{
    accounts::{Scope, UserId},
    db::{DbResult, schema::enquiries},
    places::RegionReach,
    records,
    sealing::store::{SealedAction, SealedSubject, note},
};

/// An enquiry as it is kept.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = enquiries, check_for_backend(Pg))]
pub struct Enquiry {
    pub id: Uuid,
    pub election_id: i16,
    pub region_id: Option<i16>,
    pub city_id: Option<i32>,
    pub language: String,
    pub armour: String,
    pub tokens: Vec<Vec<u8>>,
    pub recipient: String,
    pub asked_at: DateTime<Utc>,
    pub status: String,
    pub answered_at: Option<DateTime<Utc>>,
    pub answered_by: Option<Uuid>,
    pub answer: Option<String>,
    pub detention_id: Option<Uuid>,
}

/// Stores an enquiry.
pub async fn add(conn: &mut AsyncPgConnection, new: &NewEnquiry) -> DbResult<()> {
    diesel::insert_into(enquiries::table)
        .values((
            enquiries::id.eq(new.id),
            enquiries::election_id.eq(new.election),
            enquiries::region_id.eq(new.region),
            enquiries::city_id.eq(new.city),
            enquiries::language.eq(new.language),
            enquiries::armour.eq(&new.seal.armour),
            enquiries::tokens.eq(&new.seal.tokens),
            enquiries::recipient.eq(&new.recipient),
            enquiries::asked_at.eq(new.asked_at),
            enquiries::status.eq(EnquiryStatus::Open.word()),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The enquiry of who holds the key.
pub async fn by_recipient(conn: &mut AsyncPgConnection, key: &str) -> DbResult<Option<Enquiry>> {
    let found = enquiries::table.filter(enquiries::recipient.eq(key)).select(Enquiry::as_select());
    Ok(found.first(conn).await.optional()?)
}

/// What the caller reaches: a coordinator the enquiries of their regions, and those that name no place.
#[diesel::dsl::auto_type]
fn within(scope: &Scope) -> _ {
    let all: bool = *scope == Scope::All;
    let reach: RegionReach = match scope {
        Scope::Regions(reach, _) | Scope::Places(reach) => reach.clone(),
        Scope::All | Scope::Own(_) => RegionReach::default(),
    };
    let placeless: bool = !matches!(scope, Scope::Own(_));
    let (regions, cities): (Vec<i16>, Vec<i32>) = (reach.regions, reach.cities);
    let here = enquiries::region_id.assume_not_null().eq_any(regions);
    let in_city = enquiries::city_id.assume_not_null().eq_any(cities);
    let nowhere = placeless.into_sql::<Bool>().and(enquiries::region_id.is_null());
    all.into_sql::<Bool>().or(here).or(in_city).or(nowhere)
}

/// Enquiries within reach, the oldest first, after a mark.
pub async fn list(
    conn: &mut AsyncPgConnection,
    scope: &Scope,
    status: Option<EnquiryStatus>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> DbResult<Vec<Enquiry>> {
    let mut query = enquiries::table
        .filter(within(scope))
        .order((enquiries::asked_at, enquiries::id))
        .limit(limit)
        .select(Enquiry::as_select())
        .into_boxed();
    if let Some(status) = status {
        query = query.filter(enquiries::status.eq(status.word()));
    }
    if let Some((at, id)) = after {
        let later = enquiries::asked_at.gt(at).or(enquiries::asked_at.eq(at).and(enquiries::id.gt(id)));
        query = query.filter(later);
    }
    Ok(query.load(conn).await?)
}

/// One enquiry within reach.
pub async fn get(conn: &mut AsyncPgConnection, scope: &Scope, id: Uuid) -> DbResult<Option<Enquiry>> {
    let found = enquiries::table.find(id).filter(within(scope)).select(Enquiry::as_select());
    Ok(found.first(conn).await.optional()?)
}

/// Notes that the sealed part of an enquiry is read.
pub async fn note_read(
    conn: &mut AsyncPgConnection,
    reader: UserId,
    id: Uuid,
    reason: Option<&str>,
) -> DbResult<()> {
    let (opened, subject) = (SealedAction::Opened, SealedSubject::Enquiry);
    Ok(note(conn, reader, opened, subject, &[Some(id)], reason).await?)
}

/// Notes that the lists were searched for the person of an enquiry.
pub async fn note_search(conn: &mut AsyncPgConnection, reader: UserId, id: Uuid) -> DbResult<()> {
    let (searched, subject) = (SealedAction::Searched, SealedSubject::Enquiry);
    Ok(note(conn, reader, searched, subject, &[Some(id)], None).await?)
}

/// Stores an answer; `false` when the enquiry is closed already.
pub async fn answer(
    conn: &mut AsyncPgConnection,
    by: UserId,
    id: Uuid,
    answer: &str,
    detention: Option<Uuid>,
    status: EnquiryStatus,
) -> DbResult<bool> {
    let done = conn.transaction(async |conn| {
        let open = enquiries::table.find(id).filter(enquiries::status.ne(EnquiryStatus::Closed.word()));
        diesel::update(open)
            .set((
                enquiries::answer.eq(answer),
                enquiries::answered_at.eq(records::now()),
                enquiries::answered_by.eq(by),
                enquiries::detention_id.eq(detention),
                enquiries::status.eq(status.word()),
            ))
            .execute(conn)
            .await
    });
    Ok(done.await? > 0)
}
