//! Secrets that stand readable in the file: found, moved, and the same to every server as before; many of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallmonitor::model::UnixMicros;
use hallmonitor::screen::{ByHand, Failed, MoveOutcome, PlainOwner, PlainPart};
use hallmonitor::secret::{
    Asking, Chain, ExposeSecret, Kept, Known, Look, MemoryVault, Passphrase, Place, SecretString, Vault, VaultError,
};

use super::house::{House, until};

/// A web server that says what each request asked for and held, in lower case.
fn web_server() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("address");
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let _ = sender.send(request.join("\n"));
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    (address, requests)
}

/// The place that memory stands in for.
fn service() -> Option<String> {
    Some(Place::Service.word().to_owned())
}

/// What a monitor sends next, of those that were asked for after this.
async fn next(requests: &Receiver<String>, wanted: &str) -> String {
    while requests.try_recv().is_ok() {}
    for _ in 0..600 {
        match requests.try_recv() {
            Ok(request) if request.contains(wanted) => return request,
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("no request with {wanted:?}");
}

/// Every place that a secret can stand in, in every way of writing.
fn every_place(address: SocketAddr) -> String {
    format!(
        "# mine\r\nx-auth: &auth\r\n  Authorization: &bearer 'Bearer canary-1'\r\nstorage:\r\n  backend: embedded\r\n  \
         postgres: {{password: \"canary-2\"}} # old\r\n  influxdb:\r\n    token: |-\r\n      canary-3\r\n    proxy: \
         http://p:canary-4@127.0.0.1:1\r\nmonitoring:\r\n  groups:\r\n    - name: all\r\n      interval: 1s\r\n      monitors:\r\n        \
         - name: git # the first\r\n          type: http\r\n          url: http://me:canary%2D5%40%C3%A4@{address}/git?a=b&\
         api_key=canary%206\r\n          headers: *auth\r\n        - {{name: wiki, type: http, url: 'http://{address}/wiki', headers: {{<<: \
         *auth, Cookie: \"s=canary-7;\\\r\n            \\ t=1\"}}}}\r\n        - name: twin\r\n          type: http\r\n          url: \
         http://{address}/twin\r\n          headers: {{X-Api-Key: canary-8, Accept: canary-open}}\r\n        - name: other\r\n          type: \
         http\r\n          url: http://{address}/other\r\n          headers: {{X-Api-Key: canary-8}}\r\nwebhooks:\r\n  - {{url: \
         \"https://hooks.example/T0/canary9a1b2c3d4e5\", events: [down]}}\r\n"
    )
}

#[tokio::test]
async fn secrets_of_every_place_are_moved_and_servers_get_what_they_got() {
    let (address, requests) = web_server();
    let text = every_place(address);
    let house = House::with_file(Some(&text));
    let screens = house.screens();
    let mut before = BTreeMap::new();
    for path in ["/git", "/wiki", "/twin", "/other"] {
        before.insert(path, next(&requests, path).await);
    }
    assert!(before["/git"].contains("/git?a=b&api_key=canary%206"), "{before:?}");
    assert!(before["/git"].to_lowercase().contains("authorization: bearer canary-1"), "{before:?}");

    let plain = screens.plain_secrets().await.expect("looked");
    assert!(!format!("{plain:?}").contains("canary"), "{plain:?}");
    let told: Vec<_> = plain
        .secrets
        .iter()
        .map(|one| (one.owner, one.of.as_str(), one.part, one.key.as_str(), one.repeated))
        .collect();
    let (section, monitor) = (PlainOwner::Section, PlainOwner::Monitor);
    assert_eq!(
        told,
        [
            (section, "storage.postgres", PlainPart::Setting, "password", 0),
            (section, "storage.influxdb", PlainPart::Setting, "token", 0),
            (section, "storage.influxdb", PlainPart::Password, "", 0),
            (monitor, "git", PlainPart::Password, "", 0),
            (monitor, "git", PlainPart::Parameter, "api_key", 0),
            (monitor, "git", PlainPart::Header, "Authorization", 1),
            (monitor, "wiki", PlainPart::Header, "Cookie", 0),
            (monitor, "twin", PlainPart::Header, "X-Api-Key", 0),
            (monitor, "other", PlainPart::Header, "X-Api-Key", 0),
            (PlainOwner::Webhook, "1", PlainPart::Path, "", 0),
        ]
    );
    assert_eq!(plain.secrets[5].line, 3, "where it is written");

    // One alone first.
    let one = screens.move_plain_secrets(Some(vec![7]), plain.base.clone(), service()).await.expect("moved");
    assert!(matches!(one, MoveOutcome::Moved { count: 1, .. }), "{one:?}");
    let expected = text.replacen("X-Api-Key: canary-8, Accept", "X-Api-Key: \"${secret:twin-x-api-key}\", Accept", 1);
    assert_eq!(house.file(), expected);
    // What was looked at before is another file now.
    let stale = screens.move_plain_secrets(None, plain.base, service()).await.expect("tried");
    assert!(matches!(stale, MoveOutcome::Conflict { .. }), "{stale:?}");
    assert_eq!(house.file(), expected);

    // Nothing goes from the file to where the next restart takes it, unless a person says so.
    let base = screens.plain_secrets().await.expect("looked").base;
    let lost = screens.move_plain_secrets(None, base.clone(), None).await.expect("tried");
    let MoveOutcome::NotKept { state, what, .. } = lost else { panic!("{lost:?}") };
    assert!(state == "lost_at_restart" && what.contains("would not have it any more"), "{what}");
    assert_eq!((house.file(), house.vault().known().expect("known").len()), (expected.clone(), 1));
    let all = screens.move_plain_secrets(None, base, service()).await.expect("moved");
    assert!(matches!(all, MoveOutcome::Moved { count: 9, .. }), "{all:?}");
    let after = [
        ("'Bearer canary-1'", "'Bearer ${secret:git-authorization}'"),
        ("\"canary-2\"", "\"${secret:postgres-password}\""),
        ("|-\r\n      canary-3", "${secret:influxdb-token}"),
        ("p:canary-4@", "p:${secret:influxdb-password}@"),
        ("canary%2D5%40%C3%A4", "${secret:git-password}"),
        ("canary%206", "${secret:git-api-key}"),
        ("s=canary-7;\\\r\n            \\ t=1", "${secret:wiki-cookie}"),
        ("X-Api-Key: canary-8}", "X-Api-Key: \"${secret:other-x-api-key}\"}"),
        ("canary9a1b2c3d4e5", "${secret:webhook-1-address}"),
    ];
    let expected = after.iter().fold(expected, |text, (old, new)| text.replacen(old, new, 1));
    assert_eq!(house.file(), expected);
    assert!(screens.plain_secrets().await.expect("looked").secrets.is_empty());
    let held = |name: &str| house.vault().get(name).map(|secret| secret.expose_secret().to_owned());
    assert_eq!(held("git-password").as_deref(), Ok("canary%2D5%40%C3%A4"), "as it stands in an address");
    assert_eq!(held("wiki-cookie").as_deref(), Ok("s=canary-7; t=1"));
    // The same text twice is two secrets: each can be changed by itself. One that an anchor repeats is one.
    assert_eq!((held("twin-x-api-key"), held("other-x-api-key")), (Ok("canary-8".into()), Ok("canary-8".into())));
    let users = screens.secrets().await.expect("listed");
    let of = |name: &str| users.iter().find(|secret| secret.name == name).expect("listed").used_by.clone();
    assert_eq!(of("git-authorization"), ["git", "wiki"]);

    // Every server gets byte for byte what it got.
    for (path, request) in &before {
        assert_eq!(next(&requests, path).await, *request);
    }
    // One core at a time may have the folder.
    drop(screens);
    let restarted = house.restarted();
    for (path, request) in &before {
        assert_eq!(next(&requests, path).await, *request, "after a restart");
    }
    let screens = restarted.screens();
    let (board, told) = (format!("{:?}", screens.board()), screens.diagnostics().await.expect("told"));
    for text in [board, told, format!("{:?}", screens.secrets().await.expect("listed"))] {
        assert!(!text.replace("canary-open", "").contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn what_only_a_person_can_move_is_told_and_left() {
    let (address, _requests) = web_server();
    let text = format!(
        "monitoring:\n  groups:\n    - name: all\n      monitors:\n        - {{name: &n twice, type: http, url: 'http://{address}/', \
         headers: {{X-Key: *n, Cookie: 'a${{B:-canary-1}}'}}}}\n"
    );
    let house = House::with_file(Some(&text));
    let screens = house.screens();
    let plain = screens.plain_secrets().await.expect("looked");
    let told: Vec<_> = plain.secrets.iter().map(|one| (one.key.as_str(), one.by_hand)).collect();
    assert_eq!(told, [("X-Key", Some(ByHand::UsedElsewhere)), ("Cookie", Some(ByHand::Mixed))]);
    let tried = screens.move_plain_secrets(None, plain.base, service()).await;
    assert!(matches!(tried, Err(Failed::BadRequest { .. })), "{tried:?}");
    assert_eq!(house.file(), text);
}

/// What another installation of the person has in the same keychain.
const THEIRS: &str = "git-password";

/// A vault that takes so many, and then is locked. What it has of another installation is not in its list.
#[derive(Debug)]
struct Filling(MemoryVault, Mutex<usize>);

impl Vault for Filling {
    fn get(&self, name: &str) -> Result<SecretString, VaultError> {
        self.0.get(name)
    }

    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
        self.keep(name, secret, None).map(drop)
    }

    fn forget(&self, name: &str) -> Result<(), VaultError> {
        self.0.forget(name)
    }

    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        let mut left = self.1.lock().expect("lock");
        *left = left.checked_sub(1).ok_or(VaultError::Locked { place: Place::Service, why: "test".to_owned() })?;
        self.0.keep(name, secret, place)
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        let mut known = self.0.known()?;
        known.remove(THEIRS);
        Ok(known)
    }

    fn look(&self) -> Vec<Look> {
        Vec::new()
    }
}

#[tokio::test]
async fn whatever_fails_leaves_file_and_vault_as_they_were() {
    let (address, requests) = web_server();
    let text = every_place(address);
    let house = House::with_vault(&text, Arc::new(Filling(MemoryVault::default(), Mutex::new(3))));
    let screens = house.screens();
    let base = screens.plain_secrets().await.expect("looked").base;
    let tried = screens.move_plain_secrets(None, base.clone(), service()).await.expect("tried");
    let MoveOutcome::NotKept { state, what, .. } = tried else { panic!("{tried:?}") };
    assert!(state == "locked" && what.contains("unlock it"), "{what}");
    assert_eq!((house.file(), house.vault().known().expect("known").len()), (text.clone(), 0));

    // The file cannot be written: a folder that is in the way of its versions.
    let vault = Arc::new(Filling(MemoryVault::default(), Mutex::new(usize::MAX)));
    vault.0.set(THEIRS, "of another installation".into()).expect("set");
    let house = House::with_vault(&text, Arc::<Filling>::clone(&vault));
    let versions = house.folder().join("data/versions");
    std::fs::create_dir_all(house.folder().join("data")).expect("made");
    let _ = std::fs::remove_dir_all(&versions);
    std::fs::write(&versions, "in the way").expect("written");
    let screens = house.screens();
    let failed = screens.move_plain_secrets(None, base.clone(), service()).await;
    assert!(matches!(failed, Err(Failed::File { .. })), "{failed:?}");
    assert!(!format!("{failed:?}").contains("canary"), "{failed:?}");
    assert_eq!((house.file(), vault.0.known().expect("known").len()), (text.clone(), 1));
    std::fs::remove_file(&versions).expect("removed");

    // A name that is taken is left alone.
    let moved = screens.move_plain_secrets(None, base, service()).await.expect("moved");
    assert!(matches!(moved, MoveOutcome::Moved { count: 10, .. }), "{moved:?}");
    assert!(house.file().contains("me:${secret:git-password-2}@"), "{}", house.file());
    assert_eq!(vault.get(THEIRS).expect("there").expose_secret(), "of another installation");
    assert!(next(&requests, "/git").await.contains("api_key=canary%206"));
}

/// A secret in a query is sent, and nothing shows it, a server that repeats it among that.
#[tokio::test]
async fn a_secret_in_a_query_is_sent_and_never_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let said = first.split(' ').nth(1).unwrap_or_default();
            let said = said.rsplit('=').next().unwrap_or_default();
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nServer: x-{said}\r\nContent-Type: text/{said}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    let text = format!(
        "monitoring: {{groups: [{{name: g, monitors: [{{name: api, type: http, interval: 1s, url: \
         \"http://{address}/a?token=${{secret:t}}\"}}]}}]}}\n"
    );
    let vault = MemoryVault::default();
    vault.set("t", "canary-12345".into()).expect("set");
    let house = House::with_vault(&text, Arc::new(vault));
    let screens = house.screens();
    until("it is up", || screens.board().summary.counts.up == 1).await;
    let board = screens.board();
    assert!(board.rows[0].target.ends_with("/a?…"), "{}", board.rows[0].target);
    let id = board.rows[0].id.clone();
    let page = format!("{:?}", screens.results(&id, 10, None).await.expect("read"));
    for text in [format!("{board:?}"), page, screens.diagnostics().await.expect("told")] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// Ten thousand secrets of ten thousand monitors, in a vault with a list of its own.
#[tokio::test]
async fn ten_thousand_secrets_are_listed_with_their_users() {
    const COUNT: usize = 10_000;
    let folder = tempfile::tempdir().expect("folder");
    let mut names = BTreeMap::new();
    let mut text = "monitoring:\n  groups:\n    - name: all\n      monitors:\n".to_owned();
    for at in 0..COUNT {
        names.insert(format!("m{at}-authorization"), "file");
        let _ = writeln!(
            text,
            "        - {{name: m{at}, type: http, url: 'http://127.0.0.1:1/', interval: 1h, enabled: false, headers: {{Authorization: \
             \"Bearer ${{secret:m{at}-authorization}}\", X-Shared: \"${{secret:shared}}\"}}}}"
        );
    }
    std::fs::create_dir(folder.path().join("vault")).expect("made");
    let list = serde_json::json!({ "version": 1, "names": names });
    std::fs::write(folder.path().join("vault/names.json"), list.to_string()).expect("written");
    let vault = Chain::new(folder.path(), Passphrase::default(), Asking::Nothing).dated(|| UnixMicros::new(1));
    let house = House::with_vault(&text, Arc::new(vault));
    let screens = house.screens();
    let secrets = screens.secrets().await.expect("listed");
    let plain = screens.plain_secrets().await.expect("looked");
    assert_eq!((secrets.len(), plain.secrets.len()), (COUNT + 1, 0));
    let shared = secrets.iter().find(|secret| secret.name == "shared").expect("listed");
    assert_eq!((shared.users, shared.used_by.len(), &shared.place), (10_000, 100, &None));
    assert_eq!(secrets.iter().find(|secret| secret.name == "m77-authorization").expect("listed").used_by, ["m77"]);
}
