//! Digits of counts: the last one, the last two, and the second one.

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use utoipa::ToSchema;

/// The chi-square test has no use where fewer are expected in a cell (W. G. Cochran, Biometrics 10, 1954).
const LEAST_EXPECTED: f64 = 5.0;

/// The last digits of smaller counts crowd, however honestly they were counted.
pub const LEAST_COUNT: u32 = 100;

/// How counts fall into classes, beside how they should.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fit {
    /// Counts that have such a digit.
    pub n: u64,
    pub observed: Vec<u64>,
    pub expected: Vec<f64>,
    /// Pearson's chi-square.
    pub statistic: f64,
    pub degrees_of_freedom: u32,
    pub p: f64,
}

/// Pearson's chi-square test of `observed` against `shares`; `None` where too few are expected in a cell.
pub fn chi_square(observed: &[u64], shares: &[f64]) -> Option<Fit> {
    let n: u64 = observed.iter().sum();
    let expected: Vec<f64> = shares.iter().map(|share| share * n as f64).collect();
    if expected.iter().any(|cell| *cell < LEAST_EXPECTED) {
        return None;
    }
    let statistic = observed.iter().zip(&expected).map(|(o, e)| (*o as f64 - e).powi(2) / e).sum();
    let degrees_of_freedom = shares.len() as u32 - 1;
    let p = ChiSquared::new(f64::from(degrees_of_freedom)).ok()?.sf(statistic);
    Some(Fit { n, observed: observed.to_vec(), expected, statistic, degrees_of_freedom, p })
}

fn tally<const N: usize>(classes: impl Iterator<Item = usize>) -> [u64; N] {
    let mut observed = [0; N];
    classes.for_each(|class| observed[class] += 1);
    observed
}

/// Last digits of counts of three digits and more against evenness.
pub fn last(counts: impl Iterator<Item = u32>) -> Option<Fit> {
    let digits = counts.filter(|n| *n >= LEAST_COUNT).map(|n| (n % 10) as usize);
    chi_square(&tally::<10>(digits), &[0.1; 10])
}

/// Whether the last two digits are the same, neighbours (9 and 0 are), or neither: people who make numbers up shun
/// repetition and like neighbours.
pub fn pairs(counts: impl Iterator<Item = u32>) -> Option<Fit> {
    let class = |n: u32| match (n % 10).abs_diff(n / 10 % 10) {
        0 => 0,
        1 | 9 => 1,
        _ => 2,
    };
    chi_square(&tally::<3>(counts.filter(|n| *n >= LEAST_COUNT).map(class)), &[0.1, 0.2, 0.7])
}

/// How often 0 to 9 is the second digit by Benford's law.
pub fn benford_second() -> [f64; 10] {
    std::array::from_fn(|digit| {
        (1..10).map(|first| (1.0 + 1.0 / f64::from(10 * first + digit as u32)).log10()).sum()
    })
}

/// Second digits of counts of two digits and more against Benford's law.
pub fn second(counts: impl Iterator<Item = u32>) -> Option<Fit> {
    let digit = |mut n: u32| {
        while n >= 100 {
            n /= 10;
        }
        (n % 10) as usize
    };
    chi_square(&tally::<10>(counts.filter(|n| *n >= 10).map(digit)), &benford_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts that anybody can make again: `100 + (i * i * 7919) % 1801`.
    fn made() -> impl Iterator<Item = u32> {
        (0..500).map(|i| 100 + (i * i * 7919) % 1801)
    }

    /// By SciPy 1.17, `scipy.stats.chisquare` over the same counts.
    #[test]
    fn as_scipy_has_it() {
        for (fit, statistic, p) in [
            (last(made()), 3.52, 0.9400799273913705),
            (pairs(made()), 0.52, 0.7710515858035664),
            (second(made()), 21.934657514804883, 0.009088388875041868),
        ] {
            let fit = fit.unwrap();
            assert_eq!(fit.n, 500);
            assert!((fit.statistic - statistic).abs() < 1e-9, "{fit:?}");
            assert!((fit.p - p).abs() < 1e-12, "{fit:?}");
        }
    }

    /// The table in Mebane's paper.
    #[test]
    fn benfords_second_digits_are_the_papers() {
        let paper = [0.120, 0.114, 0.109, 0.104, 0.100, 0.097, 0.093, 0.090, 0.088, 0.085];
        for (ours, theirs) in benford_second().into_iter().zip(paper) {
            assert!((ours - theirs).abs() < 5e-4, "{ours} {theirs}");
        }
        assert!((benford_second().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn few_counts_give_no_test() {
        assert_eq!(last(std::iter::repeat_n(123, 49)), None);
        assert!(last(std::iter::repeat_n(123, 50)).unwrap().p < 1e-50);
        assert_eq!(last(std::iter::repeat_n(99, 1000)), None);
    }

    proptest! {
        #[test]
        fn a_digit_is_the_one_that_is_written(n in 100u32..10_000_000) {
            let text = n.to_string();
            let digit = |c: Option<char>| c.unwrap().to_digit(10).unwrap() as usize;
            let of = |fit: Option<Fit>| fit.unwrap().observed.iter().position(|n| *n > 0).unwrap();
            prop_assert_eq!(of(last(std::iter::repeat_n(n, 100))), digit(text.chars().last()));
            prop_assert_eq!(of(second(std::iter::repeat_n(n, 100))), digit(text.chars().nth(1)));
        }
    }
}
