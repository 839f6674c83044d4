//! Places as they are asked for in query strings.

use super::{Directory, ElectionId, RegionId};
use crate::http::query::Query;

/// Takes `election`, a slug that may be left out.
pub fn election(query: &mut Query, directory: &Directory) -> Option<ElectionId> {
    let slug = query.text("election")?;
    let found = directory.election(&slug).map(|election| election.id);
    if found.is_none() {
        query.faults.add("?election", "unknown_election");
    }
    found
}

/// Takes `election`, which must be there.
pub fn required_election(query: &mut Query, directory: &Directory) -> Option<ElectionId> {
    let found = election(query, directory);
    if found.is_none() {
        // A fault that is known of it already stays the one that is told.
        query.faults.add("?election", "required");
    }
    found
}

/// Takes `region`, a code that may be left out.
pub fn region(query: &mut Query, directory: &Directory) -> Option<RegionId> {
    let code = query.text("region")?;
    let found = directory.region(&code).map(|region| region.id);
    if found.is_none() {
        query.faults.add("?region", "unknown_region");
    }
    found
}
