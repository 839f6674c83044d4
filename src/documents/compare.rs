//! Claims beside counts: what officials state, and what the tracker has recorded itself.

use actix_web::{HttpResponse, get, http::header::CACHE_CONTROL, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use super::{domain::Claim, store};
use crate::{
    accounts::Scope,
    aggregates::{
        self,
        domain::{Question, SMALLEST_PUBLIC},
    },
    db::{DbResult, Pool},
    http::{Answer, query::Query},
    places::{self, Directory, ElectionId, directory::Places},
    records::{RecordKind, Status, filter::Filter},
};

/// The topic of claims about how many were detained.
const TOPIC: &str = "detained";

/// What the tracker has recorded; null where it is too few to tell.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tracked {
    /// Records of detentions; one may be of many people.
    records: Option<i64>,
    /// People in those records, where their number is known.
    people: Option<i64>,
}

/// One claim beside the count.
#[derive(Serialize, ToSchema)]
pub struct Beside {
    claim: Claim,
    /// What the claim states less what is verified; absent where the claim states no number of people, or the
    /// count is too small to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    stated_less_verified: Option<f64>,
}

/// Claims about detentions, and the tracker's own count of the same election.
#[derive(Serialize, ToSchema)]
pub struct Comparison {
    election: String,
    /// Reviewed and verified.
    verified: Tracked,
    /// Verified, and those that still wait for review; rejected ones and duplicates are left out.
    recorded: Tracked,
    claims: Vec<Beside>,
}

async fn tracked(
    pool: &Pool,
    directory: &Directory,
    election: ElectionId,
    statuses: Vec<Status>,
) -> DbResult<Tracked> {
    let filter = Filter { election: Some(election), statuses, ..Filter::default() };
    let question = Question { kind: RecordKind::Detention, group_by: Vec::new(), filter };
    let counts = aggregates::store::count(&mut *pool.get().await?, &question, &Scope::All, directory).await?;
    let shown = |n: Option<i64>| n.filter(|n| *n == 0 || *n >= SMALLEST_PUBLIC);
    let records = shown(counts.total);
    // People in too few records to tell are not told either.
    Ok(Tracked { records, people: records.and(shown(counts.people)) })
}

/// What is claimed about detentions, with the tracker's count beside each. A claim never becomes a count.
#[utoipa::path(tag = "counts", path = "/api/v1/detentions/compare", params(("election" = Option<String>, Query, description = "slug; all elections with such claims unless told")),
    responses((status = 200, body = Vec<Comparison>)))]
#[get("/detentions/compare")]
pub async fn compare(pool: Data<Pool>, places: Data<Places>, mut query: Query) -> Answer {
    let directory = places.get().await;
    let asked = places::query::election(&mut query, &directory);
    query.finish()?;
    let mut comparisons = Vec::new();
    for election in directory.elections.iter().filter(|election| asked.is_none_or(|id| id == election.id)) {
        let claims = store::list_claims(&mut *pool.get().await?, Some(election.id), &directory).await?;
        let claims: Vec<Claim> = claims.into_iter().filter(|claim| claim.topic == TOPIC).collect();
        if claims.is_empty() && asked.is_none() {
            continue;
        }
        let open = vec![Status::Submitted, Status::InReview, Status::Verified];
        let verified = tracked(&pool, &directory, election.id, vec![Status::Verified]).await?;
        let recorded = tracked(&pool, &directory, election.id, open).await?;
        let beside = |claim: Claim| {
            let stated = claim.value.filter(|_| claim.unit.as_deref() == Some("people"));
            let less = stated.zip(verified.people).map(|(stated, people)| stated - people as f64);
            Beside { claim, stated_less_verified: less }
        };
        comparisons.push(Comparison {
            election: election.slug.clone(),
            claims: claims.into_iter().map(beside).collect(),
            verified: verified.clone(),
            recorded,
        });
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(comparisons))
}
