//! How large a sample is, how it is shared out, and which stations are in it.

use sha2::{Digest, Sha256};
use statrs::distribution::{ContinuousCDF, Normal};

/// Stations of a stratum in a sample at least: with one there is no variance to estimate.
const LEAST: u64 = 2;

/// How many of `population` stations are drawn, so that a share is known within `margin` (0.02: two points)
/// with `confidence` (0.95). Stations are the unit, and their shares may vary as much as shares can
/// (variance 1/4): the real interval, computed from the sheets, is narrower. Cochran, Sampling Techniques
/// (1977), §4.4, with the finite population correction.
pub fn size(population: u64, margin: f64, confidence: f64) -> u64 {
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let infinite = z * z * 0.25 / (margin * margin);
    let finite = infinite / (1.0 + (infinite - 1.0) / population.max(1) as f64);
    (finite.ceil() as u64).min(population)
}

/// Shares `size` out over strata in proportion to their populations, by largest remainders; each gets two at
/// least, or all it has.
pub fn allocate(populations: &[u64], size: u64) -> Vec<u64> {
    let total: u64 = populations.iter().sum();
    let least = |n: u64| n.min(LEAST);
    let exact = |n: u64| size as f64 * n as f64 / total.max(1) as f64;
    let mut sizes: Vec<u64> = populations.iter().map(|n| (exact(*n).floor() as u64).max(least(*n))).collect();
    let mut order: Vec<usize> = (0..populations.len()).collect();
    order.sort_by(|a, b| {
        exact(populations[*b]).fract().total_cmp(&exact(populations[*a]).fract()).then(a.cmp(b))
    });
    let mut left = size.saturating_sub(sizes.iter().sum());
    while left > 0 && sizes.iter().zip(populations).any(|(size, n)| size < n) {
        for i in &order {
            if left > 0 && sizes[*i] < populations[*i] {
                sizes[*i] += 1;
                left -= 1;
            }
        }
    }
    sizes
}

/// The place of a station in the order of the draw. The first ones of a stratum are its sample. Whoever knows
/// the seed can draw it again with nothing but SHA-256: `seed/region/station`.
pub fn ticket(seed: &str, region: &str, station: &str) -> [u8; 32] {
    Sha256::digest(format!("{seed}/{region}/{station}")).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_textbook() {
        assert_eq!(size(1_000_000_000, 0.02, 0.95), 2401);
        assert_eq!(size(70_000, 0.02, 0.95), 2322);
        assert_eq!(size(9_970, 0.02, 0.95), 1936);
        assert_eq!(size(u64::MAX, 0.01, 0.99), 16588);
        assert_eq!(size(100, 0.02, 0.95), 97);
        assert_eq!(size(1, 0.02, 0.95), 1);
    }

    #[test]
    fn a_draw_is_the_same_for_everybody() {
        // printf '9 June 2019/KZ-35/45' | sha256sum
        let ticket = hex::encode(ticket("9 June 2019", "KZ-35", "45"));
        assert_eq!(ticket, "d1f320eaf3c31331e93d0b4727c84c91cfa201af0e0d9f8220bbd747e1bc319b");
        assert_ne!(ticket, hex::encode(super::ticket("10 June 2019", "KZ-35", "45")));
    }

    proptest! {
        #[test]
        fn a_sample_is_shared_out_whole_and_in_proportion(
            populations in proptest::collection::vec(0u64..5_000, 1..20), share in 0.01f64..1.0,
        ) {
            let total: u64 = populations.iter().sum();
            let wanted = (total as f64 * share) as u64;
            let sizes = allocate(&populations, wanted);
            for (size, population) in sizes.iter().zip(&populations) {
                prop_assert!(size <= population && *size >= (*population).min(LEAST));
                let exact = wanted as f64 * *population as f64 / total.max(1) as f64;
                prop_assert!(*size as f64 >= exact.floor());
            }
            let sum: u64 = sizes.iter().sum();
            prop_assert!(sum >= wanted.min(total));
            prop_assert!(sum <= wanted + LEAST * populations.len() as u64);
        }
    }
}
