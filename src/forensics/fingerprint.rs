//! Turnout against the winner's share: where ballots were added the cloud of stations is smeared to the upper right
//! corner, and the logarithmic vote rate is no bell any more.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};
use utoipa::ToSchema;

use super::domain::Station;

/// Fewer values give no test of their kurtosis worth the name (Anscombe and Glynn 1983).
const LEAST_VALUES: usize = 20;

/// A test of one moment against that of a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Moment {
    /// Biased sample moment: the skewness, or the excess kurtosis.
    pub value: f64,
    pub z: f64,
    /// Two-sided.
    pub p: f64,
}

/// The cloud and the moments of the logarithmic vote rate `ln((N - W) / W)`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fingerprint {
    /// Stations by turnout and the leader's share, in whole per cent (100 counts as 99): `[turnout, share, stations]`.
    pub cells: Vec<[u32; 3]>,
    /// Stations with both from 95 per cent on.
    pub extreme: u64,
    /// Stations whose rate is defined: 0 < W < N.
    pub n: u64,
    pub mean: f64,
    pub standard_deviation: f64,
    pub skewness: Option<Moment>,
    pub kurtosis: Option<Moment>,
}

fn per_cent(part: u32, whole: u32) -> u32 {
    (u64::from(part) * 100 / u64::from(whole)).min(99) as u32
}

/// The fingerprint of stations; `leader` is the place of the winner's votes.
pub fn fingerprint<'a>(stations: impl Iterator<Item = &'a Station>, leader: usize) -> Fingerprint {
    let mut cells: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut rates = Vec::new();
    let mut extreme = 0;
    for station in stations {
        let votes = station.votes[leader];
        let cell = (per_cent(station.turned_out, station.voters), per_cent(votes, station.ballots));
        *cells.entry(cell).or_default() += 1;
        extreme += u64::from(cell.0 >= 95 && cell.1 >= 95);
        if votes > 0 && votes < station.voters {
            rates.push((f64::from(station.voters - votes) / f64::from(votes)).ln());
        }
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n.max(1.0);
    let power = |k: i32| rates.iter().map(|rate| (rate - mean).powi(k)).sum::<f64>() / n.max(1.0);
    let (second, third, fourth) = (power(2), power(3), power(4));
    let enough = rates.len() >= LEAST_VALUES && second > 0.0;
    Fingerprint {
        cells: cells.into_iter().map(|((x, y), stations)| [x, y, stations]).collect(),
        extreme,
        n: rates.len() as u64,
        mean,
        standard_deviation: (second * n / (n - 1.0).max(1.0)).sqrt(),
        skewness: enough.then(|| skewness(third / second.powf(1.5), n)),
        kurtosis: enough.then(|| kurtosis(fourth / second.powi(2) - 3.0, n)),
    }
}

fn two_sided(value: f64, z: f64) -> Moment {
    let normal = Normal::standard();
    Moment { value, z, p: 2.0 * normal.sf(z.abs()) }
}

/// D'Agostino 1970.
fn skewness(value: f64, n: f64) -> Moment {
    let y = value * ((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0))).sqrt();
    let beta = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
        / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0));
    let w = ((2.0 * (beta - 1.0)).sqrt() - 1.0).sqrt();
    let alpha = (2.0 / (w * w - 1.0)).sqrt();
    two_sided(value, (y / alpha).asinh() / w.ln().sqrt())
}

/// Anscombe and Glynn 1983.
fn kurtosis(excess: f64, n: f64) -> Moment {
    let expected = 3.0 * (n - 1.0) / (n + 1.0);
    let variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) * (n + 1.0) * (n + 3.0) * (n + 5.0));
    let x = (excess + 3.0 - expected) / variance.sqrt();
    let beta = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
        * (6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0))).sqrt();
    let a = 6.0 + 8.0 / beta * (2.0 / beta + (1.0 + 4.0 / (beta * beta)).sqrt());
    let base = (1.0 - 2.0 / a) / (1.0 + x * (2.0 / (a - 4.0)).sqrt());
    let z = (1.0 - 2.0 / (9.0 * a) - base.signum() * base.abs().cbrt()) / (2.0 / (9.0 * a)).sqrt();
    two_sided(excess, z)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(voters: u32, turned_out: u32, votes: u32) -> Station {
        Station { region: 1, voters, turned_out, ballots: turned_out, votes: vec![votes] }
    }

    /// By SciPy 1.17 (`skewtest`, `kurtosistest`) over the same made stations.
    #[test]
    fn as_scipy_has_it() {
        let made = (0..300u32).map(|i| station(900 + (i * 7) % 400, 900, 50 + (i * i * 31) % 701));
        let made: Vec<Station> = made.collect();
        let found = fingerprint(made.iter(), 0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(found.mean, 0.6628894200180249);
        near(found.standard_deviation, 1.0049932835873554);
        let skewness = found.skewness.unwrap();
        near(skewness.value, 0.33064804842445866);
        near(skewness.z, 2.336293610830648);
        near(skewness.p, 0.019475944287870223);
        let kurtosis = found.kurtosis.unwrap();
        near(kurtosis.value, -0.5590982135179696);
        near(kurtosis.z, -2.604974390659696);
        near(kurtosis.p, 0.009188112725593759);
    }

    #[test]
    fn stations_fall_into_whole_per_cents() {
        let made = [station(1000, 559, 279), station(1000, 551, 270), station(100, 100, 100)];
        let found = fingerprint(made.iter(), 0);
        assert_eq!(found.cells, [[55, 49, 2], [99, 99, 1]]);
        assert_eq!((found.extreme, found.n), (1, 2));
        assert_eq!(found.skewness, None);
    }
}
