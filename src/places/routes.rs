//! `/elections`, `/regions`, `/cities`, `/polling-stations`.

use actix_web::{
    HttpResponse, get,
    middleware::Compress,
    post,
    web::{Data, Path},
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::{City, Directory, Election, Names, Region, directory::Places, store};
use crate::{
    accounts::Caller,
    db::Pool,
    http::{Answer, Kind, Problem, body::Json, query, query::Query, reads::Reads},
};

#[derive(Serialize, ToSchema)]
pub struct ElectionView {
    /// Slug, as in submissions and filters.
    id: String,
    kind: String,
    date: NaiveDate,
    names: Names,
    candidates: Vec<CandidateView>,
}

/// Who stands in an election.
#[derive(Default, Serialize, Deserialize, Validate, ToSchema)]
pub struct CandidateView {
    /// The place in the list.
    #[validate(required, range(min = 1, max = 1000))]
    number: Option<i16>,
    #[validate(required)]
    names: Option<Names>,
}

#[derive(Serialize, ToSchema)]
pub struct RegionView {
    /// ISO 3166-2:KZ, the code in force now.
    code: String,
    /// `oblast` or `city` (of republican rank).
    kind: String,
    names: Names,
    time_zone: String,
    valid_from: Option<NaiveDate>,
    /// The first day on which the region was no more.
    valid_to: Option<NaiveDate>,
    /// Former codes and other names.
    aliases: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct CityView {
    id: String,
    names: Names,
    aliases: Vec<String>,
    /// The region that the city belongs to now.
    region: Option<String>,
    /// All regions that it has belonged to, first to last.
    regions: Vec<String>,
    time_zone: String,
    latitude: f64,
    longitude: f64,
}

#[derive(Serialize, ToSchema)]
pub struct StationView {
    election: String,
    region: String,
    city: Option<String>,
    number: String,
    address: Option<String>,
    /// `registry` (an official list) or `reported` (first named by a record).
    origin: String,
}

#[derive(Serialize, ToSchema)]
pub struct StationPage {
    items: Vec<StationView>,
    next: Option<String>,
}

/// The elections that are observed.
#[utoipa::path(tag = "places", path = "/api/v1/elections", responses((status = 200, body = Vec<ElectionView>)))]
#[get("/elections", wrap = "Compress::default()")]
pub async fn elections(places: Data<Places>) -> HttpResponse {
    let view = |election: &Election| ElectionView {
        id: election.slug.clone(),
        kind: election.kind.clone(),
        date: election.held_on,
        names: election.names.clone(),
        candidates: (election.candidates.iter())
            .map(|it| CandidateView { number: Some(it.number), names: Some(it.names.clone()) })
            .collect(),
    };
    HttpResponse::Ok().json(places.get().await.elections.iter().map(view).collect::<Vec<_>>())
}

/// Adds a candidate. Votes in sheets are then kept under the candidate's Kazakh name, by whichever of the
/// three they are stated.
#[utoipa::path(tag = "places", path = "/api/v1/elections/{id}/candidates", security(("token" = [])), params(("id" = String, Path)),
    request_body = CandidateView, responses((status = 201, body = CandidateView), (status = 409, description = "The number is taken")))]
#[post("/elections/{id}/candidates")]
pub async fn add_candidate(
    caller: Caller,
    id: Path<String>,
    body: Json<CandidateView>,
    pool: Data<Pool>,
    places: Data<Places>,
) -> Answer {
    caller.require_admin()?;
    let directory = places.get().await;
    let election = directory.election(&id).ok_or_else(|| Problem::new(Kind::NotFound))?.id;
    let (Some(number), Some(names)) = (body.0.number, &body.0.names) else {
        return Err(Problem::fault("/number", "required"));
    };
    for (pointer, name) in [("/names/kk", &names.kk), ("/names/ru", &names.ru), ("/names/en", &names.en)] {
        if name.trim().is_empty() || name.chars().count() > 200 {
            return Err(Problem::fault(pointer, "required"));
        }
    }
    if !store::add_candidate(&mut *pool.get().await?, election, number, names).await? {
        return Err(Problem::new(Kind::Taken));
    }
    places.refresh().await?;
    Ok(HttpResponse::Created().json(body.0))
}

/// All regions, those of the past too; `on` keeps those of one day.
#[utoipa::path(tag = "places", path = "/api/v1/regions",
    params(("on" = Option<NaiveDate>, Query, description = "regions as they stood on this day")),
    responses((status = 200, body = Vec<RegionView>)))]
#[get("/regions", wrap = "Compress::default()")]
pub async fn regions(places: Data<Places>, mut query: Query) -> Answer {
    let on = query.date("on");
    query.finish()?;
    let view = |region: &Region| RegionView {
        code: region.code.clone(),
        kind: region.kind.clone(),
        names: region.names.clone(),
        time_zone: region.time_zone.name().to_owned(),
        valid_from: region.valid_from,
        valid_to: region.valid_to,
        aliases: region.aliases.clone(),
    };
    let directory = places.get().await;
    let regions = directory.regions.iter().filter(|region| on.is_none_or(|day| region.existed_on(day)));
    Ok(HttpResponse::Ok().json(regions.map(view).collect::<Vec<_>>()))
}

fn code(directory: &Directory, region: i16) -> String {
    directory.region_by_id(region).map(|region| region.code.clone()).unwrap_or_default()
}

/// Cities; `region` keeps those that belong to a region or once did.
#[utoipa::path(tag = "places", path = "/api/v1/cities",
    params(("region" = Option<String>, Query, description = "code of a region, former ones too")),
    responses((status = 200, body = Vec<CityView>)))]
#[get("/cities", wrap = "Compress::default()")]
pub async fn cities(places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let region = read_region(&mut query, &directory);
    query.finish()?;
    let today = chrono::Utc::now().date_naive();
    let view = |city: &City| CityView {
        id: city.slug.clone(),
        names: city.names.clone(),
        aliases: city.aliases.clone(),
        region: city.region_on(today).map(|id| code(&directory, id)),
        regions: city.regions.iter().map(|(id, ..)| code(&directory, *id)).collect(),
        time_zone: city.time_zone.name().to_owned(),
        latitude: city.latitude,
        longitude: city.longitude,
    };
    let belongs =
        |city: &&City| region.is_none_or(|region| city.regions.iter().any(|(id, ..)| *id == region));
    Ok(HttpResponse::Ok().json(directory.cities.iter().filter(belongs).map(view).collect::<Vec<_>>()))
}

fn read_region(query: &mut Query, directory: &Directory) -> Option<i16> {
    let text = query.text("region")?;
    let region = directory.region(&text).map(|region| region.id);
    if region.is_none() {
        query.faults.add("?region", "unknown_region");
    }
    region
}

/// Polling stations, from official lists and as records name them.
#[utoipa::path(tag = "places", path = "/api/v1/polling-stations", security(("token" = [])),
    params(
        ("election" = Option<String>, Query), ("region" = Option<String>, Query),
        ("city" = Option<String>, Query), ("number" = Option<String>, Query),
        ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = StationPage)))]
#[get("/polling-stations")]
pub async fn polling_stations(
    _caller: Caller,
    pool: Reads,
    places: Data<Places>,
    mut query: Query,
) -> Answer {
    let directory = places.get().await;
    let limit = query.limit();
    let mut filter = store::StationFilter {
        region: read_region(&mut query, &directory),
        number: query.text("number"),
        after: query.cursor(),
        limit: limit + 1,
        ..Default::default()
    };
    if let Some(slug) = query.text("election") {
        filter.election = directory.election(&slug).map(|election| election.id);
        if filter.election.is_none() {
            query.faults.add("?election", "unknown_election");
        }
    }
    if let Some(name) = query.text("city") {
        let today = chrono::Utc::now().date_naive();
        filter.city = directory.city(&name, filter.region, today).map(|city| city.id);
        if filter.city.is_none() {
            query.faults.add("?city", "unknown_city");
        }
    }
    query.finish()?;
    let mut rows = store::stations(&mut *pool.get().await?, filter).await?;
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| query::cursor(&(row.election_id, row.region_id, &row.number)));
    let items = (rows.into_iter())
        .map(|row| StationView {
            election: directory.election_by_id(row.election_id).map(|e| e.slug.clone()).unwrap_or_default(),
            region: code(&directory, row.region_id),
            city: row.city_id.and_then(|id| directory.city_by_id(id)).map(|city| city.slug.clone()),
            number: row.number,
            address: row.address,
            origin: row.origin,
        })
        .collect();
    Ok(HttpResponse::Ok().json(StationPage { items, next }))
}
