//! Damage, writes that fail, later formats.

use proptest::prelude::*;

use super::*;
use crate::model::{Gap, GapReason, KnownMonitor, MonitorId, Span};

fn state(name: &str) -> LocalState {
    let mut state = LocalState::new(Uuid::from_u128(5), name.to_owned());
    let time = UnixMicros::new(1_700_000_000_000_000);
    state.remembered.push(RememberedMonitor {
        known: KnownMonitor {
            id: MonitorId::new(Uuid::from_u128(6)),
            name: "web".into(),
            group: "g".into(),
            kind: "http".into(),
            target: "http://localhost".into(),
            first_seen: time,
            last_seen: time,
        },
        configured: true,
    });
    state.ledger.push(LedgerEntry { backend: "embedded".into(), fingerprint: "f".into(), from: time, to: None });
    let span = Span::new(time, time.plus_us(9));
    state.recorded.gaps.push(Gap { monitor: MonitorId::ALL, span, reason: GapReason::Offline });
    state.recorded.journal_position = 77;
    state
}

fn bytes(state: &LocalState) -> Vec<u8> {
    encode(state).expect("encodes")
}

#[test]
fn nothing_there_is_no_fault() {
    let dir = tempfile::tempdir().expect("folder");
    let loaded = StateFile::new(dir.path()).load().expect("loads");
    assert!(loaded.state.is_none() && loaded.set_aside.is_empty());
}

#[test]
fn reads_back_what_was_written_last_and_keeps_the_one_before() {
    let dir = tempfile::tempdir().expect("folder");
    let file = StateFile::new(dir.path());
    for name in ["first", "second", "third"] {
        file.save(&state(name)).expect("saved");
        let loaded = file.load().expect("loads").state.expect("there");
        assert_eq!(bytes(&loaded), bytes(&state(name)));
    }
    fs::remove_file(file.path()).expect("removed");
    assert_eq!(file.load().expect("loads").state.expect("there").instance.name, "second");
}

#[test]
fn a_damaged_file_is_set_aside_and_the_previous_one_used() {
    let dir = tempfile::tempdir().expect("folder");
    let file = StateFile::new(dir.path());
    for round in 1..=3 {
        file.save(&state("good")).expect("saved");
        file.save(&state("better")).expect("saved");
        let mut damaged = fs::read(file.path()).expect("there");
        damaged[20] ^= 1;
        fs::write(file.path(), &damaged).expect("written");
        let loaded = file.load().expect("loads");
        assert_eq!(loaded.state.expect("the previous").instance.name, "good");
        let [aside] = loaded.set_aside.as_slice() else { panic!("one file: {:?}", loaded.set_aside) };
        assert_eq!(fs::read(&aside.kept).expect("kept"), damaged);
        assert!(aside.kept.ends_with(format!("state.hms.corrupt-{round}")), "{aside}");
    }
    fs::write(file.path(), b"").expect("written");
    fs::write(file.previous(), b"HMSTATE\nnonsense and more").expect("written");
    let loaded = file.load().expect("loads");
    assert!(loaded.state.is_none());
    assert_eq!(loaded.set_aside.len(), 2);
}

#[test]
fn a_later_format_is_refused_and_left_where_it_is() {
    let dir = tempfile::tempdir().expect("folder");
    let file = StateFile::new(dir.path());
    let mut later = bytes(&state("later"));
    later[CHECKED] = 2;
    let crc = crc32c::crc32c(&later[CHECKED..]);
    later[MAGIC.len()..CHECKED].copy_from_slice(&crc.to_le_bytes());
    fs::write(file.path(), &later).expect("written");
    let error = file.load().expect_err("refused");
    assert!(matches!(error, StateError::Newer { found: 2, .. }));
    assert!(error.to_string().contains("use a newer Hall Monitor"));
    assert_eq!(fs::read(file.path()).expect("there"), later);
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let dir = tempfile::tempdir().expect("folder");
    let file = StateFile::new(dir.path());
    file.save(&state("good")).expect("saved");
    // A folder in the place of the temporary file.
    fs::create_dir(dir.path().join("state.hms.tmp")).expect("made");
    assert!(matches!(file.save(&state("never")), Err(StateError::Io { doing: "write", .. })));
    assert_eq!(file.load().expect("loads").state.expect("there").instance.name, "good");
}

proptest! {
    #[test]
    fn no_damage_goes_unnoticed(at in 0_usize..400, bit in 0_u8..8, cut in prop::option::of(0_usize..400)) {
        let good = bytes(&state("good"));
        let mut damaged = good.clone();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        if let Some(cut) = cut {
            damaged.truncate(cut % good.len());
        }
        prop_assert!(decode(&good).is_ok());
        prop_assert!(matches!(decode(&damaged), Err(Illegible::Damaged(_))));
    }
}
