//! The checker finds each bug that is put into a history that holds.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{
    check::{check, check_moment},
    history::{Act, Ground, History, Look, Stored, Told, Wish},
};

const RECORD: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn sound() -> (History, Ground) {
    let act = |wish, told, began| Act { client: 0, wish, told, began, ended: began + 1 };
    let submit = |word: &str| Wish::Submit { word: word.into() };
    let edit = |of, word: &str| Wish::Edit { record: RECORD, of, word: word.into() };
    let done = |record, version| Told::Done { record, version };
    let history = History {
        acts: vec![
            act(submit("a"), done(RECORD, 1), 0),
            act(edit(1, "b"), done(RECORD, 2), 10),
            act(edit(1, "c"), Told::Refused, 20),
            act(submit("d"), Told::Unknown, 30),
            act(submit("e"), done(OTHER, 1), 40),
            act(Wish::Review { record: RECORD, of: 2 }, done(RECORD, 3), 45),
            act(Wish::Upload { record: RECORD, sha256: "f".into() }, done(RECORD, 0), 50),
        ],
        looks: vec![
            Look { client: 0, record: RECORD, version: 2, began: 12, ended: 13 },
            Look { client: 1, record: RECORD, version: 1, began: 12, ended: 13 },
        ],
        receipts: BTreeSet::from([vec![1], vec![2]]),
        checkpoints: BTreeSet::new(),
        standbys: false,
    };
    let stored = |version, text: &str| Stored { version, text: Some(text.into()) };
    let ground = Ground {
        versions: [
            (RECORD, vec![stored(1, "a"), stored(2, "b"), Stored { version: 3, text: None }]),
            (OTHER, vec![stored(1, "e")]),
        ]
        .into(),
        files: BTreeSet::from([(RECORD, "f".into())]),
        leaves: BTreeSet::from([vec![1], vec![2], vec![3]]),
        leaves_twice: 0,
        counted: 2,
        recounted: 2,
    };
    (history, ground)
}

#[track_caller]
fn found<T>(sign: &str, bug: impl FnOnce(&mut History, &mut Ground) -> T) {
    let (mut history, mut ground) = sound();
    bug(&mut history, &mut ground);
    let wrong = check(&history, &ground);
    assert!(wrong.iter().any(|told| told.contains(sign)), "{sign:?} is not told: {wrong:?}");
}

#[test]
fn a_sound_history_holds_and_each_seeded_bug_is_found() {
    let (history, ground) = sound();
    assert_eq!(check(&history, &ground), Vec::<String>::new());

    found("e was acknowledged", |_, ground| ground.versions.remove(&OTHER));
    found("b was acknowledged", |_, ground| ground.versions.get_mut(&RECORD).unwrap().truncate(1));
    found("review 3", |_, ground| ground.versions.get_mut(&RECORD).unwrap().truncate(2));
    found("a is stored 2 times", |_, ground| {
        let twin = ground.versions[&RECORD][..1].to_vec();
        ground.versions.insert(Uuid::from_u128(9), twin);
    });
    found("nobody sent it", |_, ground| {
        ground.versions.get_mut(&OTHER).unwrap().push(Stored { version: 2, text: Some("ghost".into()) });
    });
    found("where 2 is due", |_, ground| ground.versions.get_mut(&RECORD).unwrap().remove(1));
    found("both acknowledged", |history, _| {
        history.acts[2].told = Told::Done { record: RECORD, version: 2 };
    });
    found("became version 3", |history, ground| {
        history.acts[1].told = Told::Done { record: RECORD, version: 3 };
        ground.versions.get_mut(&RECORD).unwrap()[1] = Stored { version: 2, text: None };
        ground.versions.get_mut(&RECORD).unwrap()[2].text = Some("b".into());
    });
    found("was refused and is stored", |history, _| history.acts[1].told = Told::Refused);
    found("was shown version 1", |history, _| history.looks[0].version = 1);
    found("was shown version 1", |history, _| {
        history.standbys = true;
        history.looks[0].version = 1;
    });
    found("file f", |_, ground| ground.files.clear());
    found("the ledger lacks", |_, ground| ground.leaves.remove(&vec![2]));
    found("in the ledger twice", |_, ground| ground.leaves_twice = 1);
    found("3 are counted", |_, ground| ground.counted = 3);
}

#[test]
fn a_restore_to_a_moment_that_lost_or_kept_too_much_is_found() {
    let (history, mut ground) = sound();
    // Between the edit and the last submission.
    assert_eq!(check_moment(&history, &ground, 35), ["e was sent after the moment and was restored"]);
    ground.versions.remove(&OTHER);
    assert_eq!(check_moment(&history, &ground, 35), Vec::<String>::new());
    ground.versions.get_mut(&RECORD).unwrap().truncate(1);
    assert_eq!(
        check_moment(&history, &ground, 35),
        ["b was acknowledged before the moment and was not restored"]
    );
}
