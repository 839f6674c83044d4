//! Records as they are read: an envelope and its details come by one statement.

use std::{collections::HashMap, pin::pin};

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::AsyncPgConnection;
use futures_util::{Stream, TryStreamExt};
use uuid::Uuid;

use super::{
    Envelope, Precision, Record, Status,
    filter::Filter,
    fragment::{Condition, Order},
    store::DetailsTable,
};
use crate::{
    accounts::{Scope, UserId},
    db::{DbResult, Moment, Prose, Word, replicas::Reading, schema::records},
    places::{CityId, ElectionId, Place, RegionId},
};

/// Which records, in which order, and at most how many.
pub struct Page {
    pub condition: Condition,
    pub order: Order,
    pub limit: i64,
}

/// `SELECT` of an envelope, as [`Found`], beside columns of its details.
macro_rules! joined {
    ($details:ident, $columns:expr, $page:expr) => {{
        static SELECTION: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let selection = ($crate::records::lookup::Found::as_select(), $columns);
        let page: $crate::records::lookup::Page = $page;
        $crate::db::schema::records::table
            .inner_join(
                $details::table.on($details::election_id
                    .eq($crate::db::schema::records::election_id)
                    .and($details::record_id.eq($crate::db::schema::records::id))),
            )
            .select($crate::db::rendered::Rendered::new(selection, &SELECTION))
            .filter(page.condition)
            .order(page.order)
            .limit(page.limit)
    }};
}
pub(crate) use joined;

/// The envelope in the database, but for what its kind alone understands.
#[derive(Queryable, Selectable)]
#[diesel(table_name = records, check_for_backend(Pg))]
pub struct Found {
    id: Uuid,
    election_id: ElectionId,
    region_id: Option<RegionId>,
    city_id: Option<CityId>,
    polling_station: Option<String>,
    occurred_at: Moment,
    time_precision: Word<Precision>,
    local_date: NaiveDate,
    description: Prose,
    status: Word<Status>,
    duplicate_of: Option<Uuid>,
    version: i32,
    reporter_id: UserId,
    received_at: Moment,
    updated_at: Moment,
    source_id: Option<i32>,
    passage: Option<i32>,
}

impl Found {
    /// The whole record.
    pub fn with<D>(self, details: D) -> Record<D> {
        let place = Place {
            election: self.election_id,
            region: self.region_id,
            city: self.city_id,
            polling_station: self.polling_station,
            time_zone: chrono_tz::UTC,
        };
        let envelope = Envelope {
            place,
            occurred_at: self.occurred_at.0,
            precision: self.time_precision.0,
            local_date: self.local_date,
            description: self.description.0,
            source: self.source_id,
            passage: self.passage,
        };
        Record {
            id: self.id,
            reporter: self.reporter_id,
            envelope,
            details,
            status: self.status.0,
            duplicate_of: self.duplicate_of,
            version: self.version,
            received_at: self.received_at.0,
            updated_at: self.updated_at.0,
        }
    }
}

/// Makes a page of records of envelopes and what lies beside them, each as it comes.
pub async fn collect<C, D>(
    rows: impl Stream<Item = QueryResult<(Found, C)>>,
    limit: i64,
    details: impl Fn(C) -> DbResult<D>,
) -> DbResult<Vec<Record<D>>> {
    let mut rows = pin!(rows);
    let mut records = Vec::with_capacity(limit.clamp(0, 1000) as usize);
    while let Some((found, columns)) = rows.try_next().await? {
        records.push(found.with(details(columns)?));
    }
    Ok(records)
}

/// One record within the caller's reach.
pub async fn get<D: DetailsTable>(
    conn: &AsyncPgConnection,
    scope: &Scope,
    id: Uuid,
) -> DbResult<Option<Record<D>>> {
    let condition = Filter::default().condition(D::KIND, scope).and(records::id.eq(id));
    let page = Page { condition, order: Order::by(records::id), limit: 1 };
    Ok(D::load(conn, page).await?.pop())
}

/// Those of the records within the caller's reach, in the order of `ids`.
pub async fn some<D: DetailsTable>(
    conn: &AsyncPgConnection,
    scope: &Scope,
    ids: &[Uuid],
) -> DbResult<Vec<Record<D>>> {
    let condition = Filter::default().condition(D::KIND, scope).and(records::id.eq_any(ids.to_vec()));
    let page = Page { condition, order: Order::by(records::id), limit: ids.len() as i64 };
    let found = D::load(conn, page).await?.into_iter();
    let mut found: HashMap<Uuid, Record<D>> = found.map(|record| (record.id, record)).collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// By which moment a list is sorted, and which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sort {
    pub by_arrival: bool,
    pub ascending: bool,
}

/// The last record of the page before.
pub type Mark = (DateTime<Utc>, Uuid);

/// A page of records within the caller's reach, at most `limit` of them.
pub async fn list<D: DetailsTable>(
    from: &Reading,
    filter: &Filter,
    scope: &Scope,
    sort: Sort,
    after: Option<Mark>,
    limit: i64,
) -> DbResult<Vec<Record<D>>> {
    let (occurred, received, id) = (records::occurred_at, records::received_at, records::id);
    let look = async |conn: &AsyncPgConnection| {
        let (order, beyond) = match (sort.by_arrival, sort.ascending) {
            (false, false) => {
                (Order::by((occurred.desc(), id.desc())), "(records.occurred_at, records.id) < (")
            }
            (false, true) => (Order::by((occurred, id)), "(records.occurred_at, records.id) > ("),
            (true, false) => {
                (Order::by((received.desc(), id.desc())), "(records.received_at, records.id) < (")
            }
            (true, true) => (Order::by((received, id)), "(records.received_at, records.id) > ("),
        };
        let mut condition = filter.condition(D::KIND, scope);
        if let Some(mark) = after {
            condition = condition.and(Condition::compared(beyond, mark));
        }
        D::load(conn, Page { condition, order, limit }).await
    };
    match filter.words {
        // Planned by how many rows the words have.
        Some(_) => from.usual.read(async |conn| look(conn).await).await,
        None => from.lists.read(look).await,
    }
}
