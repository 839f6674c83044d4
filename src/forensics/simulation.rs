//! Made elections: on clean ones the tests cry wolf no oftener than they say, on forged ones they cry.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Binomial, Distribution, Normal};

use super::{
    analysis::{Analysis, Test, analyse},
    domain::{Figures, Method, Options, Station},
};

/// Enough that a p-value can be small enough for Holm's correction.
const OPTIONS: Options = Options { simulations: 2000, seed: 5 };

/// A clean election in the manner of Klimek et al.: each station's turnout and shares scatter around its region's,
/// and its voters decide one by one.
fn clean(random: &mut Xoshiro256PlusPlus, regions: i16, stations: usize) -> Vec<Station> {
    let mut made = Vec::new();
    for region in 0..regions {
        let (turnout, share) = (random.random_range(0.5..0.7), random.random_range(0.45..0.65));
        for _ in 0..stations {
            let voters: u32 = random.random_range(300..3000);
            let scatter = Normal::new(0.0, 0.07).unwrap();
            let near = |mean: f64, random: &mut Xoshiro256PlusPlus| {
                (mean + scatter.sample(random)).clamp(0.05, 0.95)
            };
            let draw = |n: u32, p: f64, random: &mut Xoshiro256PlusPlus| {
                Binomial::new(u64::from(n), p).unwrap().sample(random) as u32
            };
            let turnout = near(turnout, random);
            let turned_out = draw(voters, turnout, random);
            let share = near(share, random);
            let leader = draw(turned_out, share, random);
            let second = draw(turned_out - leader, 0.8, random);
            made.push(Station {
                region,
                voters,
                turned_out,
                ballots: turned_out,
                votes: vec![leader, second],
            });
        }
    }
    made
}

fn run(stations: Vec<Station>) -> Analysis {
    analyse(&Figures::new(vec!["A".into(), "B".into()], stations).unwrap(), OPTIONS)
}

fn tests(analysis: &Analysis) -> impl Iterator<Item = &Test> {
    analysis.areas.iter().flat_map(|area| &area.tests)
}

/// The most of `n` that a chance of five per cent gives, but for one run in some 30,000 (four standard deviations).
fn most(n: usize) -> usize {
    (0.05 * n as f64 + 4.0 * (0.05 * 0.95 * n as f64).sqrt()) as usize
}

#[test]
fn clean_elections_give_false_alarms_as_often_as_they_say() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(20190609);
    const TURNS: usize = 300;
    let mut families = 0;
    let mut single: std::collections::BTreeMap<&str, (usize, usize)> = Default::default();
    for _ in 0..TURNS {
        let analysis = run(clean(&mut random, 2, 250));
        families += usize::from(tests(&analysis).any(|test| test.alarm));
        // Tests of one region are independent of those of the other.
        for test in analysis.areas[1..].iter().flat_map(|area| &area.tests) {
            let (alarms, n) = single.entry(test.method.word()).or_default();
            *alarms += usize::from(test.p() < 0.05);
            *n += 1;
        }
    }
    assert!(families <= most(TURNS), "{families} of {TURNS} families");
    for method in [Method::LastDigit, Method::DigitPairs, Method::IntegerPercentages] {
        let (alarms, n) = single[method.word()];
        // The three figures of a station have to do with each other: a third of the tests counts.
        let (least, most) =
            (0.05 - 4.0 * (0.0475 / (n / 3) as f64).sqrt(), most(n / 3) as f64 / (n / 3) as f64);
        let rate = alarms as f64 / n as f64;
        assert!(least < rate && rate < most, "{method:?}: {alarms} of {n}");
    }
    // Which is why second digits are shown and not counted.
    let (alarms, n) = single[Method::SecondDigit.word()];
    assert!(alarms > most(n), "clean elections break Benford's law no more: {alarms} of {n}");
}

#[test]
fn figures_written_to_order_are_found() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut stations = clean(&mut random, 3, 400);
    // In one region every fifth station reports the whole per cent that was asked for.
    for station in stations.iter_mut().filter(|it| it.region == 1).step_by(5) {
        station.turned_out = (station.voters * 85 + 50) / 100;
        station.ballots = station.turned_out;
        station.votes = vec![station.ballots * 9 / 10, station.ballots / 20];
    }
    let analysis = run(stations);
    let alarms: Vec<_> = analysis
        .areas
        .iter()
        .flat_map(|area| {
            area.tests.iter().filter(|test| test.alarm).map(move |test| (area.region, test.method))
        })
        .collect();
    assert!(alarms.contains(&(Some(1), Method::IntegerPercentages)), "{alarms:?}");
    assert!(alarms.iter().all(|(region, _)| !matches!(region, Some(0 | 2))), "{alarms:?}");
}

#[test]
fn figures_made_up_at_a_desk_are_found() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let mut stations = clean(&mut random, 2, 400);
    // Who makes numbers up likes some digits and shuns a repetition.
    for station in stations.iter_mut().filter(|it| it.region == 0) {
        let leader = station.votes[0] / 100 * 100 + random.random_range(1..10) * 10;
        let digit = [0, 5, 3, 7][random.random_range(0..4)];
        station.votes[0] = (leader + digit).min(station.ballots);
    }
    let analysis = run(stations);
    let alarm = |region, method| {
        let area = analysis.areas.iter().find(|area| area.region == Some(region)).unwrap();
        area.tests.iter().any(|test| test.method == method && test.alarm)
    };
    assert!(alarm(0, Method::LastDigit) && !alarm(1, Method::LastDigit));
}

#[test]
fn ballots_added_smear_the_cloud() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut stations = clean(&mut random, 1, 2000);
    let before = run(stations.clone()).areas.remove(0).fingerprint;
    for station in stations.iter_mut().step_by(10) {
        let added = (station.voters - station.turned_out) * 97 / 100;
        station.turned_out += added;
        station.votes[0] += added + station.votes[1] * 9 / 10;
        station.ballots = station.turned_out;
        station.votes[1] /= 10;
    }
    let after = run(stations).areas.remove(0).fingerprint;
    let kurtosis = |it: &super::fingerprint::Fingerprint| it.kurtosis.unwrap().value;
    assert!(
        kurtosis(&before).abs() < 1.0 && kurtosis(&after) > 3.0,
        "{} {}",
        kurtosis(&before),
        kurtosis(&after)
    );
    assert!(before.extreme == 0 && after.extreme > 20, "{} {}", before.extreme, after.extreme);
}
