//! Documents in PostgreSQL.

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::domain::{Claim, Event, Source};
use crate::{
    db::{
        DbResult,
        schema::{claims, event_cities, events, sources},
    },
    places::{Directory, ElectionId, Names},
};

/// Stores a source; `false` when the slug is taken.
pub async fn add_source(conn: &mut AsyncPgConnection, source: &Source) -> DbResult<bool> {
    let added = diesel::insert_into(sources::table)
        .values((
            sources::slug.eq(&source.id),
            sources::title.eq(&source.title),
            sources::publisher.eq(&source.publisher),
            sources::language.eq(&source.language),
            sources::published_on.eq(source.published_on),
            sources::url.eq(&source.url),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(added > 0)
}

/// All sources, oldest first.
pub async fn list_sources(conn: &mut AsyncPgConnection) -> DbResult<Vec<Source>> {
    type Row = (String, String, Option<String>, String, Option<NaiveDate>, Option<String>);
    let rows: Vec<Row> = sources::table
        .select((
            sources::slug,
            sources::title,
            sources::publisher,
            sources::language,
            sources::published_on,
            sources::url,
        ))
        .order((sources::published_on, sources::slug))
        .load(conn)
        .await?;
    let source = |(id, title, publisher, language, published_on, url): Row| Source {
        id,
        title,
        publisher,
        language,
        published_on,
        url,
    };
    Ok(rows.into_iter().map(source).collect())
}

/// Stores a claim whose election and source are known; `false` when its id is taken.
pub async fn add_claim(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    claim: &Claim,
    election: ElectionId,
    source: i32,
) -> DbResult<bool> {
    let added = diesel::insert_into(claims::table)
        .values((
            claims::id.eq(id),
            claims::election_id.eq(election),
            claims::topic.eq(&claim.topic),
            claims::claimant.eq(&claim.claimant),
            claims::value.eq(claim.value),
            claims::value_is.eq(&claim.value_is),
            claims::unit.eq(&claim.unit),
            claims::stated_on.eq(claim.stated_on),
            claims::text_kk.eq(&claim.text.kk),
            claims::text_ru.eq(&claim.text.ru),
            claims::text_en.eq(&claim.text.en),
            claims::disputes.eq(claim.disputes),
            claims::source_id.eq(source),
            claims::passage.eq(claim.passage),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(added > 0)
}

/// Whether there is a claim of this id.
pub async fn has_claim(conn: &mut AsyncPgConnection, id: Uuid) -> DbResult<bool> {
    Ok(diesel::select(diesel::dsl::exists(claims::table.find(id))).get_result(conn).await?)
}

/// The claims about an election, or all.
pub async fn list_claims(
    conn: &mut AsyncPgConnection,
    election: Option<ElectionId>,
    directory: &Directory,
) -> DbResult<Vec<Claim>> {
    type Row = (
        (Uuid, ElectionId, String, String, Option<f64>, String, Option<String>, Option<NaiveDate>),
        (String, String, String),
        (Option<Uuid>, String, Option<i32>),
    );
    let mut query = claims::table
        .inner_join(sources::table.on(sources::id.eq(claims::source_id)))
        .select((
            (
                claims::id,
                claims::election_id,
                claims::topic,
                claims::claimant,
                claims::value,
                claims::value_is,
                claims::unit,
                claims::stated_on,
            ),
            (claims::text_kk, claims::text_ru, claims::text_en),
            (claims::disputes, sources::slug, claims::passage),
        ))
        .order((claims::stated_on, claims::passage, claims::id))
        .into_boxed();
    if let Some(election) = election {
        query = query.filter(claims::election_id.eq(election));
    }
    let rows: Vec<Row> = query.load(conn).await?;
    let claim = |(main, (kk, ru, en), (disputes, source, passage)): Row| Claim {
        id: Some(main.0),
        election: directory.election_by_id(main.1).map(|election| election.slug.clone()).unwrap_or_default(),
        topic: main.2,
        claimant: main.3,
        value: main.4,
        value_is: main.5,
        unit: main.6,
        stated_on: main.7,
        text: Names { kk, ru, en },
        disputes,
        source,
        passage,
    };
    Ok(rows.into_iter().map(claim).collect())
}

/// Stores an event whose election, source and cities are known; `false` when its id is taken.
pub async fn add_event(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    event: &Event,
    election: ElectionId,
    source: i32,
    cities: &[i32],
) -> DbResult<bool> {
    let added = conn.transaction(async |conn| {
        let added = diesel::insert_into(events::table)
            .values((
                events::id.eq(id),
                events::election_id.eq(election),
                events::starts_on.eq(event.starts_on),
                events::ends_on.eq(event.ends_on),
                events::precision.eq(&event.precision),
                events::text_kk.eq(&event.text.kk),
                events::text_ru.eq(&event.text.ru),
                events::text_en.eq(&event.text.en),
                events::source_id.eq(source),
                events::passage.eq(event.passage),
            ))
            .on_conflict_do_nothing()
            .execute(conn)
            .await?;
        if added > 0 {
            let rows: Vec<_> = (cities.iter())
                .map(|city| (event_cities::event_id.eq(id), event_cities::city_id.eq(*city)))
                .collect();
            diesel::insert_into(event_cities::table)
                .values(rows)
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
        }
        DbResult::Ok(added > 0)
    });
    added.await
}

/// The events around an election, or all, first to last.
pub async fn list_events(
    conn: &mut AsyncPgConnection,
    election: Option<ElectionId>,
    directory: &Directory,
) -> DbResult<Vec<Event>> {
    type Row = (
        (Uuid, ElectionId, NaiveDate, Option<NaiveDate>, String),
        (String, String, String),
        (String, Option<i32>),
    );
    let mut query = events::table
        .inner_join(sources::table.on(sources::id.eq(events::source_id)))
        .select((
            (events::id, events::election_id, events::starts_on, events::ends_on, events::precision),
            (events::text_kk, events::text_ru, events::text_en),
            (sources::slug, events::passage),
        ))
        .order((events::starts_on, events::passage, events::id))
        .into_boxed();
    if let Some(election) = election {
        query = query.filter(events::election_id.eq(election));
    }
    let rows: Vec<Row> = query.load(conn).await?;
    let cities: Vec<(Uuid, i32)> =
        event_cities::table.order((event_cities::event_id, event_cities::city_id)).load(conn).await?;
    let cities_of = |event: Uuid| {
        let of = cities.iter().filter(|(id, _)| *id == event);
        let slugs = of.filter_map(|(_, city)| directory.city_by_id(*city).map(|city| city.slug.clone()));
        slugs.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    };
    let event = |(main, (kk, ru, en), (source, passage)): Row| Event {
        id: Some(main.0),
        election: directory.election_by_id(main.1).map(|election| election.slug.clone()).unwrap_or_default(),
        starts_on: main.2,
        ends_on: main.3,
        precision: main.4,
        cities: cities_of(main.0),
        text: Names { kk, ru, en },
        source,
        passage,
    };
    Ok(rows.into_iter().map(event).collect())
}
