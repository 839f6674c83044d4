//! What the sheets of a sample let one say: shares and turnout with intervals that fit the design.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use utoipa::ToSchema;

/// Sheets that may be missing of a sample, as a share, before nothing can be inferred.
const MOST_MISSING: f64 = 0.10;

/// A stratum and the pairs (numerator, denominator) of its stations that have a sheet.
#[derive(Clone, Debug)]
pub struct Stratum {
    /// Stations in all.
    pub population: u64,
    /// Stations in the sample.
    pub size: u64,
    pub pairs: Vec<(f64, f64)>,
}

/// Why no inference is allowed; stable codes, whose texts are in `i18n/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Obstacle {
    /// The stations were not drawn at random: they say nothing of others.
    NotRandom,
    /// So many sheets of the sample are missing that those that came may differ from them.
    TooManyMissing,
    /// A stratum has fewer than two sheets.
    StratumTooSmall,
}

/// An estimated share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// 0 to 1.
    pub share: f64,
    /// Absent where no inference is allowed.
    pub interval: Option<(f64, f64)>,
    pub standard_error: Option<f64>,
}

/// What keeps one from inferring anything from these sheets.
pub fn obstacles(strata: &[Stratum]) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let (size, sheets) = strata
        .iter()
        .fold((0, 0), |(size, sheets), stratum| (size + stratum.size, sheets + stratum.pairs.len() as u64));
    if size == 0 || (size - sheets.min(size)) as f64 > MOST_MISSING * size as f64 {
        found.push(Obstacle::TooManyMissing);
    }
    let small = |it: &&Stratum| it.pairs.len() < 2 && it.population > it.pairs.len() as u64;
    if strata.iter().any(|stratum| small(&stratum)) {
        found.push(Obstacle::StratumTooSmall);
    }
    found
}

/// The combined ratio estimate over strata, with Student's t at the design's degrees of freedom (Cochran,
/// Sampling Techniques, 1977, §6.11 and §5.4). Sheets that are missing are taken as missing at random within
/// their stratum. `None` where there is nothing to divide by.
pub fn ratio(strata: &[Stratum], confidence: f64, infer: bool) -> Option<Estimate> {
    let weight = |it: &Stratum| it.population as f64 / it.pairs.len() as f64;
    let (mut top, mut bottom) = (0.0, 0.0);
    for stratum in strata.iter().filter(|stratum| !stratum.pairs.is_empty()) {
        let (y, x) = stratum.pairs.iter().fold((0.0, 0.0), |(y, x), pair| (y + pair.0, x + pair.1));
        top += weight(stratum) * y;
        bottom += weight(stratum) * x;
    }
    if bottom <= 0.0 {
        return None;
    }
    let share = top / bottom;
    if !infer {
        return Some(Estimate { share, interval: None, standard_error: None });
    }
    let (mut variance, mut freedom) = (0.0, 0.0);
    for stratum in strata.iter().filter(|stratum| stratum.pairs.len() > 1) {
        let n = stratum.pairs.len() as f64;
        let residuals: Vec<f64> = stratum.pairs.iter().map(|(y, x)| y - share * x).collect();
        let mean = residuals.iter().sum::<f64>() / n;
        let spread = residuals.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let population = stratum.population as f64;
        variance += population * population * (1.0 - n / population).max(0.0) / n * spread;
        freedom += n - 1.0;
    }
    let error = variance.sqrt() / bottom;
    let t = StudentsT::new(0.0, 1.0, f64::max(freedom, 1.0)).ok()?.inverse_cdf(0.5 + confidence / 2.0);
    let interval = ((share - t * error).max(0.0), (share + t * error).min(1.0));
    Some(Estimate { share, interval: Some(interval), standard_error: Some(error) })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn stratum(population: u64, pairs: &[(f64, f64)]) -> Stratum {
        Stratum { population, size: pairs.len() as u64, pairs: pairs.to_vec() }
    }

    /// Worked by hand: two strata of 10 and 20 stations, two sheets each.
    #[test]
    fn the_formula_is_the_textbooks() {
        let strata =
            [stratum(10, &[(50.0, 100.0), (70.0, 100.0)]), stratum(20, &[(20.0, 50.0), (30.0, 50.0)])];
        let estimate = ratio(&strata, 0.95, true).unwrap();
        // (10/2 * 120 + 20/2 * 50) / (10/2 * 200 + 20/2 * 100) = 1100 / 2000
        assert!((estimate.share - 0.55).abs() < 1e-12);
        // Residuals -5, 15 and -7.5, 2.5: variances 200 and 50.
        // 100 * 0.8 / 2 * 200 + 400 * 0.9 / 2 * 50 = 8000 + 9000
        let error = 17000f64.sqrt() / 2000.0;
        assert!((estimate.standard_error.unwrap() - error).abs() < 1e-12);
        // t(0.975; 2) = 4.302653
        let (low, high) = estimate.interval.unwrap();
        assert!(
            (high - (0.55 + 4.302_652_73 * error)).abs() < 1e-6
                && (low - (0.55 - 4.302_652_73 * error)).abs() < 1e-6
        );
    }

    #[test]
    fn a_whole_count_has_no_error_and_an_empty_one_no_share() {
        let all = [stratum(2, &[(1.0, 4.0), (3.0, 4.0)])];
        assert_eq!(ratio(&all, 0.95, true).unwrap().interval, Some((0.5, 0.5)));
        assert_eq!(ratio(&[stratum(5, &[])], 0.95, true), None);
        assert_eq!(ratio(&all, 0.95, false).unwrap().interval, None);
    }

    #[test]
    fn what_forbids_inference_is_told() {
        let pair = (1.0, 2.0);
        assert_eq!(obstacles(&[stratum(100, &[pair; 20])]), []);
        let mut missing = stratum(100, &[pair; 17]);
        missing.size = 20;
        assert_eq!(obstacles(&[missing]), [Obstacle::TooManyMissing]);
        assert_eq!(obstacles(&[stratum(100, &[pair; 50]), stratum(9, &[pair])]), [Obstacle::StratumTooSmall]);
        assert_eq!(obstacles(&[stratum(100, &[pair; 50]), stratum(1, &[pair])]), []);
        assert_eq!(obstacles(&[]), [Obstacle::TooManyMissing]);
    }

    /// Of many samples from one made country, the interval at 95 per cent holds the truth in about 95 per cent.
    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let mut random = StdRng::seed_from_u64(20190609);
        let country: Vec<Vec<(f64, f64)>> = (0..6)
            .map(|region| {
                let lean = 0.35 + 0.05 * f64::from(region);
                (0..400)
                    .map(|_| {
                        let valid = f64::from(random.random_range(100..2000));
                        let share: f64 = lean + random.random_range(-0.2..0.2);
                        ((valid * share).round(), valid)
                    })
                    .collect()
            })
            .collect();
        let (y, x) = country.iter().flatten().fold((0.0, 0.0), |(y, x), pair| (y + pair.0, x + pair.1));
        let truth = y / x;
        const TURNS: usize = 1000;
        let mut held = 0;
        for _ in 0..TURNS {
            let strata: Vec<Stratum> = country
                .iter()
                .map(|stations| {
                    let mut left: Vec<usize> = (0..stations.len()).collect();
                    let pairs: Vec<_> = (0..30)
                        .map(|_| stations[left.swap_remove(random.random_range(0..left.len()))])
                        .collect();
                    stratum(400, &pairs)
                })
                .collect();
            let (low, high) = ratio(&strata, 0.95, true).unwrap().interval.unwrap();
            held += usize::from(low <= truth && truth <= high);
        }
        // Four standard deviations of a binomial with p = 0.95 are 28 of 1000.
        assert!((922..=978).contains(&held), "{held} of {TURNS}");
    }
}
