//! The keychain is asked to unlock: with GNOME Keyring, and with a service whose person is said by a word.

use std::process::Stdio;
use std::time::Duration;

use hallmonitor::secret::{Asking, Chain, Passphrase, Unlocked, Unlocking, Vault as _, VaultError};

use crate::support_keychain::{Session, until};

fn asks(person: &str) -> Session {
    let mut session = Session::with_bus();
    session.start_service(&format!("asks {person}"));
    session
}

#[test]
fn every_end_of_the_question_is_told_apart() {
    for (person, code, state, words) in [
        ("unlocks", 0, "unlocked", "the Secret Service is unlocked."),
        ("dismisses", 3, "dismissed", "its question was put away"),
        ("never", 3, "late", "nobody answered within 2 s"),
    ] {
        let said = asks(person).run(&["secrets", "unlock", "--wait", "2"]).expect(code);
        assert!(said.out.contains(words), "{person}: {}", said.out);
        let session = asks(person);
        let json = session.run(&["secrets", "unlock", "--wait", "2", "--json"]).expect(code).json();
        assert_eq!((&json[0]["in"], &json[0]["state"]), (&"service".into(), &state.into()), "{json:?}");
        assert!(session.service_said().starts_with("asked\n"), "{}", session.service_said());
    }
    let gone = asks("ends").run(&["secrets", "unlock"]).expect(3);
    assert!(gone.err.contains("it ended while its question was on the screen"), "{}", gone.err);
}

#[test]
fn nobody_is_asked_where_there_is_nothing_to_unlock_or_nothing_that_asks() {
    let open = Session::unlocked().run(&["secrets", "unlock"]).expect(0);
    assert_eq!(open.out, "the Secret Service was not locked.\n");
    // GNOME Keyring on a bus without a prompter.
    let locked = Session::locked().run(&["secrets", "unlock", "--json"]).expect(3).json();
    assert_eq!(locked[0]["state"], "no_prompter");
    let absent = Session::without_bus().run(&["secrets", "unlock"]).expect(3);
    assert!(absent.err.contains("is not there"), "{}", absent.err);
    let mut hangs = Session::with_bus();
    hangs.start_service("hangs");
    let slow = hangs.run(&["secrets", "unlock"]).expect(3);
    assert!(slow.err.contains("did not answer within 5 s"), "{}", slow.err);
    let mut refuses = Session::with_bus();
    refuses.start_service("refuses");
    let denied = refuses.run(&["secrets", "unlock"]).expect(3);
    assert!(denied.err.contains("refused: this application is not allowed here"), "{}", denied.err);
}

/// Whoever ends the command takes the question away; one that hangs after its question was shown is late all the same.
#[test]
fn a_question_ends_with_whoever_asked() {
    let session = asks("never");
    let mut child = session
        .hallmonitor(&["secrets", "unlock", "--wait", "3"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    until("it is asked", || session.service_said().contains("asked").then_some(()));
    assert_eq!(child.wait().expect("ends").code(), Some(3));
    until("it is taken away", || session.service_said().contains("taken away").then_some(()));
}

/// In the process of the tests: what the window does.
#[test]
fn a_question_can_be_stopped_and_nothing_waits_for_it() {
    let session = asks("never");
    // The bus of a process is the one of its environment.
    let log = session.path("service.log");
    let said = session.run_test("stopped_child", &[("HALLMONITOR_TEST_STOP", log.to_str().expect("text"))]);
    assert!(said.out.contains("1 passed"), "{}\n{}", said.out, said.err);
}

#[test]
fn stopped_child() {
    let Some(log) = std::env::var_os("HALLMONITOR_TEST_STOP") else { return };
    let service_says = |word: &str| std::fs::read_to_string(&log).expect("there").contains(word).then_some(());
    let folder = tempfile::tempdir().expect("folder");
    let chain = Chain::new(folder.path(), Passphrase::default(), Asking::Nothing);
    let unlocking = Unlocking::default();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| chain.unlock(&unlocking));
        until("it is asked", || service_says("asked"));
        // A second question is not put over the first: it is the same, and each is late in its own time.
        let second = Duration::from_millis(300);
        assert_eq!(chain.unlock(&Unlocking::with_patience(second)), Ok(Unlocked::Late(second)));
        // Whoever needs a secret meanwhile hears at once that it is locked.
        let kept = chain.keep("a", &"x".into(), None);
        assert!(matches!(kept, Err(VaultError::Locked { .. })), "{kept:?}");
        assert!(!asked.is_finished());
        unlocking.stop();
        assert_eq!(asked.join().expect("ends"), Ok(Unlocked::Stopped));
    });
    // By whoever asked, not by the end of the process.
    until("it is taken away", || service_says("taken away"));
}
