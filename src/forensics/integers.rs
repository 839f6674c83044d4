//! Turnout and the leader's result at whole per cents: people who write figures down to order like round ones.
//!
//! An election is made again many times: each station draws its voters and the leader's votes from binomial
//! distributions with the shares it reported, and the stations within 0.05 points of a whole per cent are counted.
//! All that counts of a draw is whether it lands there, so each station's chance of it is summed once from the
//! binomial distribution, and a made election is a row of coins with these chances: the same distribution at a
//! hundredth of the cost.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{Binomial, Discrete};
use utoipa::ToSchema;

use super::domain::{Options, Station};
use crate::places::RegionId;

/// Fewer stations show nothing.
pub const LEAST_STATIONS: usize = 50;
/// Stations that go to a processor at a time; also what makes a run the same on any number of them.
const PIECE: usize = 512;
/// What is left out of a distribution on each side has a chance of at most e to minus this: some 1e-14.
const LEFT_OUT: f64 = 32.0;

/// Which figure is at a whole per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum At {
    Turnout,
    LeaderShare,
    /// One of both, or both: the paper's measure.
    Either,
}

impl At {
    pub const ALL: [Self; 3] = [Self::Turnout, Self::LeaderShare, Self::Either];
}

/// Stations at whole per cents, beside those of made elections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Excess {
    pub stations: u64,
    pub observed: u64,
    /// Mean over made elections.
    pub expected: f64,
    pub standard_deviation: f64,
    pub simulations: u32,
    /// One-sided, `(1 + made elections with at least as many) / (1 + made elections)`.
    pub p: f64,
}

/// Whether `part` of `whole` lies within 0.05 points of a whole per cent.
pub fn whole_per_cent(part: u32, whole: u32) -> bool {
    let rest = u64::from(part) * 100 % u64::from(whole);
    20 * rest.min(u64::from(whole) - rest) <= u64::from(whole)
}

/// How far from its mean a sum of coins with this variance can land: by Bernstein's inequality, which holds for
/// skewed ones too, more than that has a chance of at most e^-[`LEFT_OUT`] on each side.
fn reach(variance: f64) -> f64 {
    LEFT_OUT / 3.0 + (LEFT_OUT * LEFT_OUT / 9.0 + 2.0 * LEFT_OUT * variance).sqrt()
}

/// The chance that a draw from Bin(`whole`, `part`/`whole`) lies within 0.05 points of a whole per cent.
fn chance(part: u32, whole: u32) -> f64 {
    if part == 0 || part >= whole {
        return 1.0;
    }
    let share = f64::from(part) / f64::from(whole);
    let Ok(draw) = Binomial::new(share, u64::from(whole)) else { return 1.0 };
    let n = i64::from(whole);
    let spread = reach(f64::from(whole) * share * (1.0 - share)) + 1.0;
    let low = (f64::from(part) - spread).max(0.0) as i64;
    let high = ((f64::from(part) + spread) as i64).min(n);
    let mut sum = 0.0;
    for per_cent in low * 100 / n..=(high * 100 + n - 1) / n {
        // Within 0.05 points: |100 k - per_cent n| <= n / 20.
        let first = -(n - 20 * per_cent * n).div_euclid(2000);
        let last = (20 * per_cent * n + n).div_euclid(2000);
        sum += (first.max(low)..=last.min(high)).map(|k| draw.pmf(k as u64)).sum::<f64>();
    }
    sum.min(1.0)
}

/// A chance in parts of 2^32, for a coin of 32 random bits.
fn coin(chance: f64) -> u64 {
    (chance * 4_294_967_296.0).round() as u64
}

/// Counts of made elections, election by election: at turnout, at the leader's share, at either.
struct Made([Vec<u32>; 3]);

impl Made {
    fn new(simulations: usize) -> Self {
        Self(std::array::from_fn(|_| vec![0; simulations]))
    }

    fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            ours.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }
}

fn toss(stations: &[&Station], leader: usize, options: Options, piece: u64) -> Made {
    let mut made = Made::new(options.simulations as usize);
    let [at_turnout, at_share, at_either] = &mut made.0;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed.wrapping_add(piece << 32));
    for station in stations {
        let turnout = coin(chance(station.turned_out, station.voters));
        let share = coin(chance(station.votes[leader], station.ballots));
        for election in 0..options.simulations as usize {
            let bits = random.next_u64();
            let (a, b) = (u32::from(bits & 0xffff_ffff < turnout), u32::from(bits >> 32 < share));
            at_turnout[election] += a;
            at_share[election] += b;
            at_either[election] += a | b;
        }
    }
    made
}

/// The excess of whole per cents in each region and in all of them (`None`), in the order of [`At::ALL`].
pub fn excesses(
    stations: &[Station],
    leader: usize,
    options: Options,
) -> HashMap<Option<RegionId>, [Excess; 3]> {
    let mut regions: HashMap<RegionId, Vec<&Station>> = HashMap::new();
    for station in stations {
        regions.entry(station.region).or_default().push(station);
    }
    let mut order: Vec<(RegionId, Vec<&Station>)> = regions.into_iter().collect();
    order.sort_by_key(|(region, _)| *region);
    let mut country = Made::new(options.simulations as usize);
    let mut found = HashMap::new();
    for (region, its) in &order {
        let made = its
            .par_chunks(PIECE)
            .enumerate()
            .map(|(i, piece)| toss(piece, leader, options, (*region as u64) << 16 | i as u64))
            .reduce_with(|mut a, b| {
                a.add(&b);
                a
            });
        let Some(made) = made else { continue };
        country.add(&made);
        found.insert(Some(*region), judge(its, leader, &made));
    }
    let all: Vec<&Station> = stations.iter().collect();
    found.insert(None, judge(&all, leader, &country));
    found
}

fn judge(stations: &[&Station], leader: usize, made: &Made) -> [Excess; 3] {
    let mut observed = [0u64; 3];
    for station in stations {
        let turnout = whole_per_cent(station.turned_out, station.voters);
        let share = whole_per_cent(station.votes[leader], station.ballots);
        for (count, hit) in observed.iter_mut().zip([turnout, share, turnout || share]) {
            *count += u64::from(hit);
        }
    }
    std::array::from_fn(|i| {
        let made = &made.0[i];
        let n = made.len() as f64;
        let mean = made.iter().map(|count| f64::from(*count)).sum::<f64>() / n;
        let spread = made.iter().map(|count| (f64::from(*count) - mean).powi(2)).sum::<f64>();
        let as_many = made.iter().filter(|count| u64::from(**count) >= observed[i]).count();
        Excess {
            stations: stations.len() as u64,
            observed: observed[i],
            expected: mean,
            standard_deviation: (spread / (n - 1.0).max(1.0)).sqrt(),
            simulations: made.len() as u32,
            p: (1 + as_many) as f64 / (1.0 + n),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made() -> Vec<Station> {
        (0..400u32)
            .map(|i| {
                let voters = 200 + (i * i * 37) % 2300;
                let turned_out = voters * (40 + (i * 13) % 55) / 100 + i % 5;
                let votes = turned_out * (30 + (i * 29) % 60) / 100 + i % 3;
                Station {
                    region: (i % 3) as i16,
                    voters,
                    turned_out,
                    ballots: turned_out,
                    votes: vec![votes],
                }
            })
            .collect()
    }

    /// By SciPy 1.17: `binom.pmf` summed over the k within 0.05 points of a whole per cent.
    #[test]
    fn a_stations_chance_is_scipys() {
        for (part, whole, expected) in [
            (613, 1000, 0.1),
            (1201, 2377, 0.09059778543705986),
            (45, 97, 0.00777683279938837),
            (3300, 3499, 0.08128341814001186),
            (512, 730, 0.10461697038970462),
        ] {
            let ours = chance(part, whole);
            assert!((ours - expected).abs() < 1e-9, "{part} of {whole}: {ours}");
        }
    }

    /// Few of many is skewed: 10 of 77 lies eight standard deviations off, and still counts.
    #[test]
    fn a_skewed_draw_keeps_its_long_tail() {
        for (part, whole) in [(1, 77), (76, 77), (1, 1100), (2, 301)] {
            assert!((chance(part, whole) - summed(part, whole)).abs() < 1e-12, "{part} of {whole}");
        }
    }

    /// Over everything that a draw can be.
    fn summed(part: u32, whole: u32) -> f64 {
        let draw = Binomial::new(f64::from(part) / f64::from(whole), u64::from(whole)).unwrap();
        (0..=whole).filter(|k| whole_per_cent(*k, whole)).map(|k| draw.pmf(u64::from(k))).sum()
    }

    /// The mean and the spread of a sum of coins are known: the made elections have them.
    #[test]
    fn made_elections_have_the_mean_and_the_spread_that_theory_gives() {
        let stations = made();
        let options = Options { simulations: 20_000, seed: 7 };
        let found = excesses(&stations, 0, options);
        let chances: Vec<(f64, f64)> = stations
            .iter()
            .map(|it| (chance(it.turned_out, it.voters), chance(it.votes[0], it.ballots)))
            .collect();
        let of = |pick: fn(&(f64, f64)) -> f64| {
            let mean: f64 = chances.iter().map(pick).sum();
            let variance: f64 = chances.iter().map(|it| pick(it) * (1.0 - pick(it))).sum();
            (mean, variance.sqrt())
        };
        let theory = [of(|it| it.0), of(|it| it.1), of(|it| 1.0 - (1.0 - it.0) * (1.0 - it.1))];
        for (excess, (mean, spread)) in found[&None].iter().zip(theory) {
            assert!((excess.expected - mean).abs() < 5.0 * spread / 20_000f64.sqrt(), "{excess:?} {mean}");
            assert!((excess.standard_deviation / spread - 1.0).abs() < 0.03, "{excess:?} {spread}");
        }
        assert_eq!(found.len(), 4);
        let sum: u64 = (0..3).map(|region| found[&Some(region)][0].observed).sum();
        assert_eq!(found[&None][0].observed, sum);
    }

    #[test]
    fn a_seed_gives_the_same_on_any_number_of_processors() {
        let stations = made();
        let options = Options { simulations: 500, seed: 3 };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| excesses(&stations, 0, options))
        };
        assert_eq!(run(1), run(4));
        assert_ne!(run(1), excesses(&stations, 0, Options { simulations: 500, seed: 4 }));
    }

    proptest! {
        #[test]
        fn whole_per_cents_are_found_exactly(part in 0u32..5000, more in 0u32..5000) {
            let whole = part + more + 1;
            let per_cent = f64::from(part) * 100.0 / f64::from(whole);
            let off = (per_cent - per_cent.round()).abs();
            prop_assume!((off - 0.05).abs() > 1e-9);
            prop_assert_eq!(whole_per_cent(part, whole), off < 0.05);
        }

        /// Summing over everything that a draw can be gives the same.
        #[test]
        fn no_whole_per_cent_is_missed(part in 1u32..600, more in 1u32..600) {
            let whole = part + more;
            prop_assert!((chance(part, whole) - summed(part, whole)).abs() < 1e-11);
        }
    }
}
