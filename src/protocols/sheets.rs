//! The best sheet of each station, for whoever compares or counts.

use chrono::NaiveDate;
use diesel::{
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::{Array, Bool, Date, Int2, Int4, Nullable, Uuid},
};

use crate::{
    accounts::Scope,
    http::query::Query,
    places::{self, Directory, ElectionId, RegionId, RegionReach},
};

/// Of which stations, and of which days (local dates, both included).
#[derive(Clone, Debug, Default)]
pub struct SheetFilter {
    pub election: ElectionId,
    pub region: Option<RegionId>,
    /// The region with the places that were its before.
    pub reach: Option<RegionReach>,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
}

impl SheetFilter {
    pub fn new(
        election: ElectionId,
        region: Option<RegionId>,
        (from, to): (Option<NaiveDate>, Option<NaiveDate>),
        directory: &Directory,
    ) -> Self {
        Self { election, region, reach: region.map(|id| directory.reach(id)), from, to }
    }

    /// Takes `election` (required), `region`, `from` and `to`.
    pub fn read(query: &mut Query, directory: &Directory) -> Self {
        let election = places::query::required_election(query, directory).unwrap_or_default();
        let region = places::query::region(query, directory);
        let (from, to) = (query.date("from"), query.date("to"));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            query.faults.add("?from", "from_after_to");
        }
        Self::new(election, region, (from, to), directory)
    }
}

/// Parameters that [`best`] binds; what follows it goes on with the next.
pub const BOUND: usize = 9;

/// Begins a query with `best`: one sheet a station among those within reach. Verified before unverified, the
/// observer's own before the posted one, the latest of several.
pub fn best(scope: &Scope, filter: &SheetFilter) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    let (all, places, own) = match scope {
        Scope::All => (true, RegionReach::default(), None),
        Scope::Regions(reach, own) => (false, reach.clone(), Some(*own)),
        Scope::Own(own) => (false, RegionReach::default(), Some(*own)),
        Scope::Places(reach) => (false, reach.clone(), None),
    };
    let asked = filter.reach.clone();
    let (regions, cities) = asked.map_or((None, Vec::new()), |reach| (Some(reach.regions), reach.cities));
    diesel::sql_query(
        "WITH best AS (SELECT DISTINCT ON (region_id, station) * FROM sheets \
         WHERE ($1 OR region_id = ANY($2) OR city_id = ANY($3) OR reporter_id = $4) AND election_id = $5 \
           AND ($6 IS NULL OR region_id = ANY($6) OR city_id = ANY($7)) \
           AND ($8 IS NULL OR local_date >= $8) AND ($9 IS NULL OR local_date <= $9) \
         ORDER BY region_id, station, status <> 'verified', held_by, received_at DESC) ",
    )
    .into_boxed()
    .bind::<Bool, _>(all)
    .bind::<Array<Int2>, _>(places.regions)
    .bind::<Array<Int4>, _>(places.cities)
    .bind::<Nullable<Uuid>, _>(own)
    .bind::<Int2, _>(filter.election)
    .bind::<Nullable<Array<Int2>>, _>(regions)
    .bind::<Array<Int4>, _>(cities)
    .bind::<Nullable<Date>, _>(filter.from)
    .bind::<Nullable<Date>, _>(filter.to)
}
