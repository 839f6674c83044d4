//! argon2id at the parameters that OWASP's Password Storage Cheat Sheet gives first: 19 MiB, two passes,
//! one lane. Hashing holds a core for tens of milliseconds, so it runs off the async threads and never on
//! all cores at once.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::oneshot;

/// Threads on half of the cores, one at least, that stand back for all others: when everybody signs in at once, who
/// sends a record does not wait for them. Niceness alone does not do: the kernel shares the cores between groups of
/// processes first (a container's, a session's), and PostgreSQL is of another group; see [`rest`].
static HASHERS: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stand_back = |_| {
        // On Linux this is the niceness of the thread alone.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "hashing goes on at the priority of all");
        }
    };
    let builder = rayon::ThreadPoolBuilder::new().num_threads((cores / 2).max(1)).start_handler(stand_back);
    builder.thread_name(|_| "hashing".to_owned()).build().expect("threads can be started")
});
/// About a tenth of the share that others have, where they want it.
const NICE: i32 = 10;

/// Words that somebody who guesses here would try first, beside the lists of leaked and common ones that zxcvbn has.
const OURS: [&str; 14] = [
    "baqylau",
    "бақылау",
    "observer",
    "бақылаушы",
    "наблюдатель",
    "coordinator",
    "үйлестіруші",
    "координатор",
    "election",
    "сайлау",
    "выборы",
    "kazakhstan",
    "қазақстан",
    "казахстан",
];
/// Guesses, as a power of ten, that a password must be worth: with the limit of attempts that is years.
const GUESSES: f64 = 6.0;

/// Refuses what is on lists of common and leaked passwords, or made of few such words (ASVS 5.0, 6.2.4, 6.2.11).
pub fn hard_to_guess(password: &str) -> Result<(), validator::ValidationError> {
    // Estimating takes the square of the length; what is longer than this is no common word.
    let start: String = password.chars().take(64).collect();
    match zxcvbn::zxcvbn(&start, &OURS).guesses_log10() < GUESSES {
        true => Err(validator::ValidationError::new("guessable")),
        false => Ok(()),
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (reply, done) = oneshot::channel();
    HASHERS.spawn(move || {
        let before = (Instant::now(), on_core());
        drop(reply.send(work()));
        std::thread::sleep(rest(before.0.elapsed(), on_core().saturating_sub(before.1)));
    });
    done.await.expect("hashing does not panic")
}

/// The time that this thread has had a core.
fn on_core() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// How long a thread rests after work that took `took`, of which it had a core for `on_core`. Where it had to wait for
/// a core, others want it: they get it four times as long as they took it. Where nobody waits there is no rest.
fn rest(took: Duration, on_core: Duration) -> Duration {
    (took.saturating_sub(on_core) * 4).min(LONGEST_REST)
}
/// Four are signed in each second and core, however much else there is to do.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// The hash of `password` in PHC form, with a fresh salt.
pub async fn hash(password: String) -> String {
    in_turn(move || argon2().hash_password(password.as_bytes()).expect("hashing works").to_string()).await
}

/// Whether `password` is the one of `hash`. Without a hash (no such account) the same work is done, so
/// that the time taken tells nothing.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    static NOBODY: LazyLock<String> =
        LazyLock::new(|| argon2().hash_password(b"nobody").expect("hashing works").to_string());
    in_turn(move || {
        let known = hash.is_some();
        let hash = hash.as_deref().unwrap_or(&NOBODY);
        let matches = PasswordHash::new(hash)
            .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
        known && matches
    })
    .await
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_on_every_list_is_refused() {
        for easy in [
            "password1234",
            "qwertyuiop12",
            "123456789012",
            "baqylaubaqylau",
            "observer2019",
            "aaaaaaaaaaaaaaa",
        ] {
            assert!(super::hard_to_guess(easy).is_err(), "{easy}");
        }
        for fine in
            ["correct horse battery", "a long enough password", "ұзын әрі бейтаныс сөз", "k3-Vq!9fLz0w"]
        {
            assert!(super::hard_to_guess(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn hashing_rests_where_others_want_the_core() {
        let ms = std::time::Duration::from_millis;
        assert_eq!(super::rest(ms(20), ms(20)), ms(0));
        assert_eq!(super::rest(ms(20), ms(21)), ms(0));
        assert_eq!(super::rest(ms(40), ms(20)), ms(80));
        assert_eq!(super::rest(ms(900), ms(20)), super::LONGEST_REST);
    }

    #[tokio::test]
    async fn a_hash_knows_its_password() {
        let hash = super::hash("құпия сөз".into()).await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(super::verify("құпия сөз".into(), Some(hash.clone())).await);
        assert!(!super::verify("басқа".into(), Some(hash)).await);
        assert!(!super::verify("nobody".into(), None).await);
    }
}
