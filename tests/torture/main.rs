//! The service under fire: clients that retry, while processes are killed, connections cut, the network bends and the
//! disk fills. Afterwards everything acknowledged is there, once, and everything there was sent.
//!
//! `just torture` runs many rounds; `cargo test` a few. `BAQYLAU_TORTURE_ROUNDS` and `BAQYLAU_TORTURE_SEED` say how many
//! and which.

#[allow(dead_code, reason = "the HTTP tests use the rest of it")]
#[path = "../servers/mod.rs"]
mod servers;

mod alone;
mod check;
mod clients;
mod ground;
mod history;
mod load;
mod pair;
mod proof;
mod proxy;
mod seeded;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    let seed = number("BAQYLAU_TORTURE_SEED", rand::random::<u32>().into());
    println!("BAQYLAU_TORTURE_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_loses_nothing_that_it_acknowledged() {
    let rounds = number("BAQYLAU_TORTURE_ROUNDS", 11);
    assert!(alone::run(rounds as usize, seed()).await > rounds);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_lose_nothing_that_they_acknowledged() {
    let rounds = number("BAQYLAU_TORTURE_ROUNDS", 7);
    assert!(pair::run(rounds as usize, seed()).await > rounds);
}
