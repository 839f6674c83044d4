//! All elections and places in memory: a few hundred rows that every submission asks for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;

use super::{City, CityId, Election, ElectionId, Names, Place, Region, RegionId, RegionReach, fold, store};
use crate::{
    db::{DbResult, Pool},
    faults::Faults,
};

/// A snapshot of the places.
#[derive(Debug, Default)]
pub struct Directory {
    pub elections: Vec<Election>,
    pub regions: Vec<Region>,
    pub cities: Vec<City>,
    /// The ids of source documents by slug.
    pub sources: HashMap<String, i32>,
    names: HashMap<String, Vec<CityId>>,
    candidates: HashMap<String, String>,
    codes: HashMap<String, RegionId>,
    /// Of each region and the cities that have ever been in it.
    time_zones: HashMap<RegionId, HashSet<Tz>>,
    /// Where in `cities` a city stands.
    city_places: HashMap<CityId, usize>,
}

impl Directory {
    /// Indexes the places by their names.
    pub fn new(
        elections: Vec<Election>,
        regions: Vec<Region>,
        cities: Vec<City>,
        sources: HashMap<String, i32>,
    ) -> Self {
        let mut names: HashMap<String, Vec<CityId>> = HashMap::new();
        for city in &cities {
            let main = [&city.slug, &city.names.kk, &city.names.ru, &city.names.en];
            for name in main.into_iter().chain(&city.aliases) {
                let ids = names.entry(fold(name)).or_default();
                if !ids.contains(&city.id) {
                    ids.push(city.id);
                }
            }
        }
        let mut codes = HashMap::new();
        for region in &regions {
            for name in std::iter::once(&region.code).chain(&region.aliases) {
                codes.insert(fold(name), region.id);
            }
        }
        let mut candidates = HashMap::new();
        for candidate in elections.iter().flat_map(|election| &election.candidates) {
            let Names { kk, ru, en } = &candidate.names;
            for name in [kk, ru, en] {
                candidates.insert(fold(name), kk.clone());
            }
        }
        // What is told of a region and no city has the time of the region.
        let mut time_zones: HashMap<RegionId, HashSet<Tz>> =
            regions.iter().map(|region| (region.id, HashSet::from([region.time_zone]))).collect();
        for (city, (region, ..)) in
            cities.iter().flat_map(|city| city.regions.iter().map(move |it| (city, it)))
        {
            time_zones.entry(*region).or_default().insert(city.time_zone);
        }
        let city_places = cities.iter().enumerate().map(|(i, city)| (city.id, i)).collect();
        Self { elections, regions, cities, sources, names, candidates, codes, time_zones, city_places }
    }

    /// The time zones of places: of `cities` if any are named, else of what lies within `reach`, else of all there are.
    pub fn time_zones(&self, reach: Option<&RegionReach>, cities: &[CityId]) -> HashSet<Tz> {
        let of_city = |id: &CityId| self.city_by_id(*id).map(|city| city.time_zone);
        match (cities, reach) {
            ([], None) => {
                let cities = self.cities.iter().map(|city| city.time_zone);
                cities.chain(self.regions.iter().map(|region| region.time_zone)).collect()
            }
            ([], Some(reach)) => {
                let regions =
                    reach.regions.iter().filter_map(|id| self.time_zones.get(id)).flatten().copied();
                regions.chain(reach.cities.iter().filter_map(of_city)).collect()
            }
            (cities, _) => cities.iter().filter_map(of_city).collect(),
        }
    }

    /// The one name under which a candidate is kept, asked for by any of theirs.
    pub fn candidate_name(&self, name: &str) -> Option<String> {
        self.candidates.get(&fold(name.trim())).cloned()
    }

    pub fn election(&self, slug: &str) -> Option<&Election> {
        self.elections.iter().find(|election| election.slug == slug)
    }

    pub fn election_by_id(&self, id: ElectionId) -> Option<&Election> {
        self.elections.iter().find(|election| election.id == id)
    }

    pub fn region_by_id(&self, id: RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == id)
    }

    /// A region by its code in force or a former one.
    pub fn region(&self, code: &str) -> Option<&Region> {
        self.region_by_id(*self.codes.get(&fold(code))?)
    }

    pub fn city_by_id(&self, id: CityId) -> Option<&City> {
        self.cities.get(*self.city_places.get(&id)?)
    }

    /// A city by its id or any of its names; of namesakes, the one in `region` on `day`.
    pub fn city(&self, name: &str, region: Option<RegionId>, day: NaiveDate) -> Option<&City> {
        let ids = self.names.get(&fold(name.trim()))?;
        let inside = ids.iter().find(|id| {
            region.is_some() && self.city_by_id(**id).and_then(|city| city.region_on(day)) == region
        });
        self.city_by_id(*inside.or_else(|| ids.first())?)
    }

    /// What a query by the region means across elections.
    pub fn reach(&self, region: RegionId) -> RegionReach {
        let moved = |city: &&City| {
            city.regions.len() > 1 && city.regions.iter().any(|(id, ..)| *id == region) && {
                // Only today's region reaches back to records from before it was made.
                city.region_on(Utc::now().date_naive()) == Some(region)
            }
        };
        RegionReach {
            regions: vec![region],
            cities: self.cities.iter().filter(moved).map(|c| c.id).collect(),
        }
    }

    /// Finds the place that a submission names, adding what is wrong with it to `faults`.
    pub fn place(
        &self,
        election: Option<&str>,
        region: Option<&str>,
        city: Option<&str>,
        polling_station: Option<&str>,
        faults: &mut Faults,
    ) -> Option<Place> {
        let Some(slug) = election else {
            faults.add("/election", "required");
            return None;
        };
        let Some(election) = self.election(slug) else {
            faults.add("/election", "unknown_election");
            return None;
        };
        let day = election.held_on;
        let named = match region.map(|code| self.region(code)) {
            Some(None) => {
                faults.add("/region", "unknown_region");
                return None;
            }
            other => other.flatten(),
        };
        let city = match city.map(|name| self.city(name, named.map(|region| region.id), day)) {
            Some(None) => {
                faults.add("/city", "unknown_city");
                return None;
            }
            other => other.flatten(),
        };
        let region = match (city, named) {
            (Some(city), named) => {
                let home = city.region_on(day);
                if named.is_some_and(|named| !city.regions.iter().any(|(id, ..)| *id == named.id)) {
                    faults.add("/city", "city_outside_region");
                    return None;
                }
                home
            }
            (None, Some(named)) if !named.existed_on(day) => {
                faults.add("/region", "unknown_region");
                return None;
            }
            (None, named) => named.map(|region| region.id),
        };
        if polling_station.is_some() && region.is_none() {
            faults.add("/polling_station", "station_needs_place");
        }
        let time_zone = city
            .map(|city| city.time_zone)
            .or_else(|| Some(self.region_by_id(region?)?.time_zone))
            .unwrap_or(chrono_tz::Asia::Almaty);
        Some(Place {
            election: election.id,
            region,
            city: city.map(|city| city.id),
            polling_station: polling_station.map(|number| number.trim().to_owned()),
            time_zone,
        })
    }
}

/// The snapshot that requests share; read anew now and then, and after a change.
pub struct Places {
    current: RwLock<(Arc<Directory>, Instant)>,
    pool: Pool,
}

/// Another instance, or the command line, may have added a place.
const MAX_AGE: Duration = Duration::from_secs(15);

impl Places {
    /// Reads the places for the first time.
    pub async fn load(pool: Pool) -> DbResult<Self> {
        let directory = store::load(&mut *pool.get().await?).await?;
        Ok(Self { current: RwLock::new((Arc::new(directory), Instant::now())), pool })
    }

    /// The places; a stale snapshot still serves while the database is away.
    pub async fn get(&self) -> Arc<Directory> {
        let (directory, read_at) = self.current.read().expect("not poisoned").clone();
        if read_at.elapsed() < MAX_AGE {
            return directory;
        }
        self.current.write().expect("not poisoned").1 = Instant::now();
        match self.refresh().await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(%error, "the places could not be read anew");
                directory
            }
        }
    }

    /// Reads the places now.
    pub async fn refresh(&self) -> DbResult<Arc<Directory>> {
        let fresh = Arc::new(store::load(&mut *self.pool.get().await?).await?);
        *self.current.write().expect("not poisoned") = (fresh.clone(), Instant::now());
        Ok(fresh)
    }
}
