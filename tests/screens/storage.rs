//! Where history is kept: cards, forms, a look, and the change, with a real server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hallmonitor::clock::{Clock as _, SystemClock};
use hallmonitor::config::{Vars, parse};
use hallmonitor::model::UnixMicros;
use hallmonitor::screen::{
    Failed, FieldError, LookNews, LookOutcome, Millis, MoveOutcome, RetentionForm, SaveOutcome, SecretOutcome,
    SecretShown, SecretWish, StorageForm, StoragePart, StoreSpan, UseOutcome,
};
use hallmonitor::secret::{ExposeSecret as _, Kept, Known, Look, MemoryVault, Place, SecretString, Vault, VaultError};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use hallmonitor::storage::offers;

use super::house::{House, Server, tcp, until};

fn file(server: &Server) -> String {
    format!(
        "# mine\nmonitoring:\n  groups:\n    - name: all\n      monitors:\n        - {}\n",
        tcp("one", server.address)
    )
}

async fn form(house: &House, backend: &str, values: &[(&str, &str)], secret: Option<(&str, &str)>) -> StorageForm {
    let draft = house.screens().storage_draft(backend.to_owned()).await.expect("a draft");
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    let typed = |text: &str| SecretWish::Typed { text: text.into() };
    let secrets = secret.into_iter().map(|(key, text)| (key.to_owned(), typed(text))).collect();
    StorageForm { backend: backend.to_owned(), values, secrets, base: draft.base, place: None }
}

fn at(settings: &Postgres) -> Vec<(&'static str, String)> {
    let of = |text: &str| text.to_owned();
    let (host, database, user) = (of(&settings.host), of(&settings.database), of(&settings.user));
    vec![("host", host), ("port", settings.port.to_string()), ("database", database), ("user", user)]
}

async fn form_of(house: &House, settings: &Postgres, password: &str) -> StorageForm {
    let values = at(settings);
    let values: Vec<_> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    form(house, "postgres", &values, Some(("password", password))).await
}

/// Every news of a look, and what came of it.
async fn look(house: &House, form: StorageForm) -> (Vec<LookNews>, LookOutcome) {
    let news = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&news);
    let tell = move |news| heard.lock().expect("lock").push(news);
    let outcome = house.screens().look_at_storage(form, tell).await.expect("looks");
    let news = news.lock().expect("lock").clone();
    (news, outcome)
}

async fn errors(house: &House, form: StorageForm) -> BTreeMap<String, String> {
    let errors = house.screens().check_storage(form).await.expect("checked");
    errors.into_iter().map(|FieldError { key, what }| (key, what)).collect()
}

/// A server that asks for the password of its user.
fn guarded() -> TestServer {
    TestServer::start(&Wanted::default()).expect("PostgreSQL is needed")
}

async fn rows_in(server: &TestServer, database: &str) -> i64 {
    let mut admin = server.admin(database).await;
    sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result").fetch_one(&mut admin).await.unwrap_or(-1)
}

async fn schemas(server: &TestServer, database: &str) -> i64 {
    let mut admin = server.admin(database).await;
    let asked = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'hallmonitor'");
    asked.fetch_one(&mut admin).await.expect("asked")
}

async fn rows_come(server: &TestServer, database: &str) -> i64 {
    let before = rows_in(server, database).await;
    for _ in 0..600 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let now = rows_in(server, database).await;
        if now > before.max(0) {
            return now;
        }
    }
    panic!("no row came to {database}");
}

/// When the oldest result that can be read began, once the store in use is open.
async fn began_of(house: &House, id: &str) -> Option<Millis> {
    until("history can be read", || house.screens().history_is_whole()).await;
    let page = house.screens().results(id, 1_000, None).await.expect("results");
    page.results.last().map(|result| result.time_ms)
}

/// The time that a store of before has, once nobody has it open any more.
async fn let_go(house: &House, backend: &str) -> StoreSpan {
    for _ in 0..400 {
        let overview = house.screens().storage_overview().await.expect("overview");
        let card = overview.cards.into_iter().find(|card| card.id == backend).expect("a card");
        if let Some(span) = card.spans.into_iter().find(|span| !span.readable) {
            return span;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{backend} stays open");
}

#[tokio::test]
async fn every_backend_has_a_card_and_a_form() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let overview = house.screens().storage_overview().await.expect("overview");
    let ids: Vec<&str> = overview.cards.iter().map(|card| card.id.as_str()).collect();
    assert_eq!(ids, offers().iter().map(|offer| offer.id).collect::<Vec<_>>());
    assert_eq!(ids.last(), Some(&"none"), "what keeps nothing stands last");
    let in_use: Vec<&str> = overview.cards.iter().filter(|card| card.in_use).map(|card| card.id.as_str()).collect();
    assert_eq!((in_use.as_slice(), overview.contact.as_str()), (&["embedded"][..], "embedded"));
    assert!(overview.since_ms.is_some() && overview.fault.is_none());
    for card in &overview.cards {
        // What has to be set stands at the top; what nobody can set is nowhere.
        let draft = house.screens().storage_draft(card.id.clone()).await.expect("a draft");
        assert!(draft.values.is_empty() && draft.secrets.values().all(|secret| *secret == SecretShown::Unset));
        let main = card.fields.iter().filter(|field| field.part == StoragePart::Connection).count();
        assert_eq!(card.is_set_up, main == 0, "{}", card.id);
        assert!(card.fields.iter().all(|field| field.label.is_some() && field.spec.key != "enableTimescale"));
    }
    assert!(matches!(house.screens().storage_draft("../x".to_owned()).await, Err(Failed::BadRequest { .. })));
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_in_the_words_of_the_configuration() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let folder = house.folder().display().to_string();
    let config = house.config_path().display().to_string();
    let big = "x".repeat(1 << 20);
    for (backend, key, value, says) in [
        ("postgres", "host", "https://db.lan", "without a scheme"),
        ("postgres", "port", "0", "is out of range; allowed"),
        ("postgres", "port", "many", "is no whole number"),
        ("postgres", "sslmode", "verify", "is none of the known words"),
        ("postgres", "acquireTimeout", "10", "without a unit"),
        ("postgres", "schema", "pg_mine", "belongs to the server"),
        ("postgres", "poolMin", "9", "must not be above `poolMax`, which is 4"),
        ("influxdb", "bucket", "a/b", "must not hold a slash"),
        ("influxdb", "url", "localhost:8086", "must begin with http://"),
    ] {
        let found = errors(&house, form(&house, backend, &[(key, value)], None).await).await;
        assert!(found.get(key).is_some_and(|what| what.contains(says)), "{key}: {value}: {found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
        // The file says the same, with its place before it.
        let text = format!("{}storage: {{backend: {backend}, {backend}: {{{key}: {value}}}}}\n", file(&server));
        let refused = parse(text.as_bytes(), Path::new("f.yml"), &Vars::default(), &MemoryVault::default());
        let refused = refused.expect_err("is refused").to_string();
        assert!(refused.contains(&found[key]), "{refused:?} and {found:?}");
    }
    for (file, says) in [
        (folder.as_str(), "that is a folder"),
        ("gone.pem", "there is no such file"),
        (config.as_str(), "holds no certificate"),
    ] {
        let values = [("sslmode", "verify-full"), ("caFile", file)];
        let found = errors(&house, form(&house, "postgres", &values, None).await).await;
        assert!(found.get("caFile").is_some_and(|what| what.contains(says)), "{file}: {found:?}");
    }
    let found = errors(&house, form(&house, "postgres", &[], Some(("password", &big))).await).await;
    assert_eq!(found.get("password").map(String::as_str), Some("is larger than 64 KiB"));
    let found = errors(&house, form(&house, "postgres", &[], Some(("password", "a\0b"))).await).await;
    assert_eq!(found.get("password").map(String::as_str), Some("must not hold a zero character"));
    let mut odd = form(&house, "postgres", &[], None).await;
    odd.values.insert("enableAggregation".to_owned(), Some("x".to_owned()));
    assert!(matches!(house.screens().check_storage(odd).await, Err(Failed::BadRequest { .. })));
    assert_eq!(house.file(), file(&server), "nothing was written");
}

#[tokio::test]
async fn an_address_is_taken_apart_and_its_secret_stays_here() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    let apart =
        screens.take_apart("postgres", "postgres://me:hunter2@db.lan:5433/mine?sslmode=require").expect("known");
    let apart = apart.expect("an address");
    assert!(!format!("{apart:?}").contains("hunter2"));
    let values = [("database", "mine"), ("host", "db.lan"), ("port", "5433"), ("sslmode", "require"), ("user", "me")];
    assert_eq!(apart.values, values.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    assert_eq!(screens.take_apart("postgres", "db.lan").expect("known"), None);
    let mut form = form(&house, "postgres", &[], None).await;
    let handle = apart.secrets["password"].clone();
    form.secrets.insert("password".to_owned(), SecretWish::Pasted { handle });
    assert_eq!(errors(&house, form.clone()).await, BTreeMap::new());
    form.secrets.insert("password".to_owned(), SecretWish::Pasted { handle: "77".to_owned() });
    assert!(errors(&house, form).await["password"].contains("paste it again"));
}

#[tokio::test]
async fn a_server_is_looked_at_used_kept_over_a_restart_and_left_again() {
    const PASSWORD: &str = "canary-7c1f'\" ${x}";
    let (target, server) = (Server::start(), guarded());
    let settings = server.database("chosen").await;
    server
        .execute("postgres", &format!("ALTER ROLE {} PASSWORD '{}'", settings.user, PASSWORD.replace('\'', "''")))
        .await;
    let house = House::with_vault(&file(&target), Arc::new(MemoryVault::default()));
    until("it is up", || house.screens().board().summary.counts.up == 1).await;
    let first = house.screens().board().rows[0].last_check_ms.expect("was checked");
    // A row belongs to the store that was in use when it became durable.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    // A wrong password: the step is told, and nothing is saved or left anywhere.
    let (news, outcome) = look(&house, form_of(&house, &settings, "wrong").await).await;
    assert_eq!(outcome, LookOutcome::Failed);
    let failed = news.iter().find_map(|news| match news {
        LookNews::Failed { step, what, .. } => Some((step.as_str(), what.as_str())),
        _ => None,
    });
    let (step, what) = failed.expect("one failed");
    assert!(step == "log in" && what.contains("password"), "{step}: {what}");
    assert!(matches!(&news[0], LookNews::Begins { step } if step == "settings"), "{news:?}");
    assert!(matches!(news.last(), Some(LookNews::Skipped { .. })), "{news:?}");
    let refused = house.screens().use_storage(form_of(&house, &settings, "wrong").await).await.expect("tried");
    assert!(matches!(&refused, UseOutcome::Unusable { what } if what.contains("password")), "{refused:?}");
    assert_eq!(house.file(), file(&target));
    assert!(house.vault().known().expect("known").is_empty());
    assert_eq!(schemas(&server, "chosen").await, 0);

    // The right one: a look leaves nothing behind either.
    let (news, outcome) = look(&house, form_of(&house, &settings, PASSWORD).await).await;
    assert_eq!(outcome, LookOutcome::Passed, "{news:?}");
    assert_eq!(schemas(&server, "chosen").await, 0, "a look leaves nothing behind");

    let used = house.screens().use_storage(form_of(&house, &settings, PASSWORD).await).await.expect("used");
    let UseOutcome::Used { contact, .. } = used else { panic!("{used:?}") };
    let text = house.file();
    assert!(text.starts_with("# mine\n") && text.contains("${secret:postgres-password}"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let kept = house.vault().get("postgres-password").expect("kept");
    assert_eq!(kept.expose_secret(), PASSWORD);
    rows_come(&server, "chosen").await;
    let overview = house.screens().storage_overview().await.expect("overview");
    assert_eq!((overview.contact.as_str(), overview.fault), (contact.as_str(), None));
    let card = |id: &str| overview.cards.iter().find(|card| card.id == id).expect("a card").clone();
    assert!(card("postgres").in_use && card("postgres").is_set_up && !card("embedded").in_use);
    assert_eq!(card("embedded").spans.len(), 1);
    assert!(card("embedded").spans[0].readable, "its history is read by itself");

    let house = house.restarted();
    rows_come(&server, "chosen").await;
    let draft = house.screens().storage_draft("postgres".to_owned()).await.expect("a draft");
    assert!(matches!(&draft.secrets["password"], SecretShown::Kept { name, .. } if name == "postgres-password"));
    assert!(!format!("{draft:?}").contains("canary"));

    // Back, with what is known of both.
    let back = house.screens().use_storage(form(&house, "embedded", &[], None).await).await.expect("used");
    assert!(matches!(back, UseOutcome::Used { .. }), "{back:?}");
    let overview = house.screens().storage_overview().await.expect("overview");
    let old = overview.cards.iter().find(|card| card.id == "postgres").expect("a card");
    assert!(old.is_set_up && old.spans.len() == 1, "{old:?}");
    let id = house.screens().board().rows[0].id.clone();
    let began = began_of(&house, &id).await;
    assert!(began.is_some_and(|began| began <= first), "its history is there again: {began:?}");
    // What is there is read when somebody asks for it, once it has all its rows and is let go of.
    let span = let_go(&house, "postgres").await;
    assert!(!span.readable && span.on_request, "{span:?}");
    let mine = house.screens().results(&id, 1_000, None).await.expect("results").results.len();
    house.screens().show_former(&span.contact).await.expect("opens");
    let both = house.screens().results(&id, 1_000, None).await.expect("results").results.len();
    assert!(both > mine + 1, "{mine}, then {both}");
    assert!(house.screens().show_former("nowhere").await.is_err());
    // Its settings are there for the next time, and with the same password it can be used at once.
    let again = form(&house, "postgres", &[], None).await;
    let used = house.screens().use_storage(again).await.expect("used");
    assert!(matches!(used, UseOutcome::Used { .. }), "{used:?}");
    rows_come(&server, "chosen").await;
}

#[tokio::test]
async fn a_file_that_was_changed_meanwhile_is_not_written_over() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let mut form = form(&house, "none", &[], None).await;
    house.write(&format!("{}# theirs\n", file(&server)));
    let outcome = house.screens().use_storage(form.clone()).await.expect("tried");
    let UseOutcome::Conflict { their_base } = outcome else { panic!("{outcome:?}") };
    assert!(!house.file().contains("backend"));
    form.base = their_base;
    let outcome = house.screens().use_storage(form).await.expect("tried");
    assert!(matches!(outcome, UseOutcome::Used { .. }), "{outcome:?}");
    assert!(house.file().contains("# theirs\n") && house.file().contains("backend: none"), "{}", house.file());
}

/// A vault that cannot keep anything in its first place.
#[derive(Debug, Default)]
struct Locked(MemoryVault);

impl Vault for Locked {
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
        match place {
            Some(Place::Kernel) => self.0.keep(name, secret, place),
            _ => Err(VaultError::Locked { place: Place::Service, why: "test".to_owned() }),
        }
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        let known = self.0.known()?;
        let set = Some(UnixMicros::new(1_700_000_000_000_000));
        Ok(known.into_keys().map(|name| (name, Known { place: Some(Place::Kernel), set })).collect())
    }

    fn look(&self) -> Vec<Look> {
        let fault = Some(VaultError::Locked { place: Place::Service, why: "test".to_owned() });
        vec![Look { place: Place::Service, fault }, Look { place: Place::Kernel, fault: None }]
    }
}

#[tokio::test]
async fn a_locked_keychain_is_told_with_what_can_be_done_and_nothing_is_saved() {
    let (target, server) = (Server::start(), guarded());
    let settings = server.database("locked").await;
    let house = House::with_vault(&file(&target), Arc::new(Locked::default()));
    let mut form = form_of(&house, &settings, &settings.password).await;
    let outcome = house.screens().use_storage(form.clone()).await.expect("tried");
    let UseOutcome::NotKept { state, what, places } = outcome else { panic!("{outcome:?}") };
    assert_eq!((state.as_str(), places.len()), ("locked", 1));
    assert!(what.contains("unlock it") && places[0].lost_at_restart, "{what}");
    assert_eq!(house.file(), file(&target));
    form.place = Some(places[0].place.clone());
    let outcome = house.screens().use_storage(form).await.expect("tried");
    assert!(matches!(outcome, UseOutcome::Used { lost_at_restart: true, .. }), "{outcome:?}");
    let draft = house.screens().storage_draft("postgres".to_owned()).await.expect("a draft");
    let shown = SecretShown::Kept {
        name: "postgres-password".to_owned(),
        place: Some("kernel".to_owned()),
        set_ms: Some(Millis(1_700_000_000_000.0)),
    };
    assert_eq!(draft.secrets["password"], shown);
}

#[tokio::test]
async fn a_look_can_be_stopped_and_a_new_folder_goes_with_it() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    // Takes the connection and never says anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("address").port().to_string();
    let values = [("host", "127.0.0.1"), ("port", port.as_str()), ("acquireTimeout", "30s")];
    let form = form(&house, "postgres", &values, None).await;
    let screens = house.screens();
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        screens.stop_looking();
    };
    let began = SystemClock.mono();
    let ((news, outcome), ()) = tokio::join!(look(&house, form), stop);
    assert_eq!(outcome, LookOutcome::Stopped, "{news:?}");
    assert!(SystemClock.mono().since(began) < std::time::Duration::from_secs(5));

    let elsewhere = house.folder().join("data/elsewhere");
    let elsewhere = elsewhere.to_str().expect("text");
    let (news, outcome) = look(&house, self::form(&house, "embedded", &[("path", elsewhere)], None).await).await;
    assert_eq!(outcome, LookOutcome::Passed, "{news:?}");
    assert!(!fs::exists(elsewhere).expect("looked"), "the folder is gone again");
    let (news, outcome) = look(&house, self::form(&house, "embedded", &[], None).await).await;
    assert_eq!((news.len(), outcome), (2, LookOutcome::Passed), "the one in use: {news:?}");
}

#[tokio::test]
async fn retention_is_read_checked_and_saved() {
    let server = Server::start();
    let house = House::with_file(Some(&format!("{}storage:\n  retention: {{raw: 9d}} # mine\n", file(&server))));
    let screens = house.screens();
    let draft = screens.retention().await.expect("a draft");
    let told: Vec<_> = draft.tiers.iter().map(|tier| (tier.key.as_str(), tier.days, tier.written.as_deref())).collect();
    let expected =
        [("raw", Some(9), Some("9d")), ("fiveMinutes", Some(90), None), ("hour", Some(730), None), ("day", None, None)];
    assert_eq!(told, expected);
    let form = |raw: Option<&str>, base: &str| RetentionForm {
        values: BTreeMap::from([
            ("raw".to_owned(), raw.map(str::to_owned)),
            ("day".to_owned(), Some("3650d".to_owned())),
        ]),
        own: BTreeMap::new(),
        max_size: None,
        base: base.to_owned(),
    };
    let small = screens.check_retention(form(Some("1d"), "")).await.expect("checked");
    let large = screens.check_retention(form(Some("forever"), "")).await.expect("checked");
    assert!(small.errors.is_empty() && small.expected_bytes < large.expected_bytes, "{small:?} {large:?}");
    assert_eq!(small.expected_monitors, 1);
    let wrong = screens.check_retention(form(Some("soon"), "")).await.expect("checked");
    assert!(wrong.errors[0].key == "raw" && wrong.errors[0].what.contains("soon"), "{wrong:?}");
    let refused = screens.save_retention(form(Some("soon"), &draft.base)).await.expect("tried");
    assert!(matches!(refused, SaveOutcome::Refused { .. }), "{refused:?}");
    let other = screens.save_retention(form(Some("5d"), "another")).await.expect("tried");
    assert!(matches!(other, SaveOutcome::Conflict { .. }), "{other:?}");
    assert!(house.file().contains("{raw: 9d} # mine"));
    let saved = screens.save_retention(form(None, &draft.base)).await.expect("saved");
    assert!(matches!(saved, SaveOutcome::Saved { .. }), "{saved:?}");
    assert!(house.file().contains("{day: 3650d} # mine"), "{}", house.file());
    let now = screens.retention().await.expect("a draft");
    assert_eq!((now.tiers[0].days, now.tiers[3].days), (Some(30), Some(3_650)), "in force at once");
}

#[tokio::test]
async fn times_of_single_monitors_and_the_size_are_read_checked_and_saved() {
    let server = Server::start();
    let text = format!(
        "{}        - name: api # ours\n          type: http\n          url: \"http://{}/\"\n          retention: {{raw: 90d}} # a quarter\n",
        file(&server),
        server.address
    );
    let house = House::with_file(Some(&text));
    let screens = house.screens();
    let draft = screens.retention().await.expect("a draft");
    let told: Vec<_> =
        draft.own.iter().map(|own| (own.name.as_str(), own.values.get("raw").map(String::as_str))).collect();
    assert_eq!(
        (told, draft.elsewhere, draft.max_size.clone(), draft.can_limit),
        (vec![("api", Some("90d"))], 0, None, true)
    );
    let rows = screens.board().rows;
    let id = |name: &str| rows.iter().find(|row| row.name == name).expect("on the board").id.clone();
    let other = rows.iter().find(|row| row.name != "api").expect("another").name.clone();
    let form = |own: &[(&str, &str, Option<&str>)], max_size: Option<&str>| {
        let mut all: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
        for (name, tier, value) in own {
            all.entry(id(name)).or_default().insert((*tier).to_owned(), value.map(str::to_owned));
        }
        let max_size = max_size.map(str::to_owned);
        RetentionForm { values: BTreeMap::new(), own: all, max_size, base: draft.base.clone() }
    };
    let check = async |own: &[_], size| screens.check_retention(form(own, size)).await.expect("checked");

    // The estimate counts them.
    let (less, more) =
        (check(&[("api", "raw", Some("1d"))], None).await, check(&[("api", "raw", Some("900d"))], None).await);
    assert!(less.errors.is_empty() && less.expected_bytes < more.expected_bytes, "{less:?} {more:?}");
    // The sentences are those of the configuration.
    let wrong = check(&[("api", "raw", Some("soon")), (&other, "hour", Some("30h"))], Some("9")).await;
    let mut keys: Vec<_> = wrong.errors.iter().map(|error| error.key.clone()).collect();
    keys.sort();
    let mut expected = vec!["maxSize".to_owned(), format!("own.{}.raw", id("api")), format!("own.{}.hour", id(&other))];
    expected.sort();
    assert_eq!(keys, expected);
    let whole = wrong.errors.iter().find(|error| error.key.ends_with(".hour")).expect("told");
    assert!(whole.what.contains("whole days") && !whole.what.starts_with("`hour`"), "{whole:?}");
    let unknown = RetentionForm { own: BTreeMap::from([("nobody".to_owned(), BTreeMap::new())]), ..form(&[], None) };
    assert!(matches!(screens.check_retention(unknown).await, Err(Failed::UnknownMonitor { .. })));
    let no_tier = screens.check_retention(form(&[("api", "week", Some("1d"))], None)).await;
    assert!(matches!(no_tier, Err(Failed::BadRequest { .. })));

    let refused = screens.save_retention(form(&[("api", "raw", Some("soon"))], None)).await.expect("tried");
    assert!(matches!(refused, SaveOutcome::Refused { .. }) && house.file() == text);
    let late = RetentionForm { base: "another".to_owned(), ..form(&[("api", "raw", None)], None) };
    let late = screens.save_retention(late).await.expect("tried");
    assert!(matches!(late, SaveOutcome::Conflict { .. }) && house.file() == text);
    let saved = form(&[("api", "raw", None), ("api", "hour", Some("9d")), (&other, "raw", Some("7d"))], Some("5GB"));
    let saved = screens.save_retention(saved).await.expect("saved");
    assert!(matches!(saved, SaveOutcome::Saved { .. }), "{saved:?}");
    let now = house.file();
    assert!(now.contains("name: api # ours") && now.contains("{hour: 9d} # a quarter"), "{now}");
    assert!(now.contains("retention:\n    maxSize: 5GB"), "{now}");
    let draft = screens.retention().await.expect("a draft");
    let told: Vec<_> = draft.own.iter().map(|own| (own.name.as_str(), own.values.len())).collect();
    assert_eq!((told.len(), draft.max_size.as_deref()), (2, Some("5GB")), "{told:?}");
    let gone = form(&[("api", "hour", None), (&other, "raw", None)], None);
    let gone = screens.save_retention(RetentionForm { base: draft.base, ..gone }).await.expect("saved");
    assert!(matches!(gone, SaveOutcome::Saved { .. }), "{gone:?}");
    assert!(screens.retention().await.expect("a draft").own.is_empty() && !house.file().contains("retention"));
}

#[tokio::test]
async fn health_tells_what_takes_the_room_and_when_house_was_kept() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    let found = std::cell::RefCell::new(None);
    for _ in 0..400 {
        let state = screens.storage_state().await;
        if !state.parts.is_empty() {
            *found.borrow_mut() = Some(state);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let state = found.into_inner().expect("the store is open");
    let words: Vec<&str> = state.parts.iter().map(|part| part.of).collect();
    assert_eq!(words, ["raw", "fiveMinutes", "hour", "day", "rest"]);
    let sum: f64 = state.parts.iter().map(|part| part.bytes.0).sum();
    assert!(sum > 0.0 && sum <= state.size_bytes.expect("known").0, "{state:?}");
    assert_eq!(state.size_limit, None);
    let before = Millis::from(SystemClock.wall());
    screens.prune_storage().await.expect("pruned");
    for _ in 0..400 {
        let state = screens.storage_state().await;
        if let Some(run) = state.house {
            assert!(run.ended_ms.0 >= before.0 && run.rows == 0 && state.house_fault.is_none(), "{run:?}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("house is never kept");
}

#[tokio::test]
async fn secrets_are_listed_with_their_users_set_and_forgotten_and_never_given() {
    let server = Server::start();
    let text = format!(
        "{}        - {{name: api, type: http, url: \"http://{}/\", headers: {{X: \"${{secret:api-token}}\"}}}}\nstorage:\n  \
         postgres: {{password: canary-5}} # old\n",
        file(&server),
        server.address
    );
    let house = House::with_vault(&text, Arc::new(MemoryVault::default()));
    let screens = house.screens();
    until("it waits for its secret", || screens.board().summary.counts.pending == 1).await;
    let before = screens.secrets().await.expect("listed");
    assert_eq!((before.len(), before[0].name.as_str(), &before[0].place), (1, "api-token", &None));
    assert_eq!(before[0].used_by, ["api"]);
    let done = screens.set_secret("api-token".to_owned(), "canary-6".into(), None).await.expect("set");
    assert!(matches!(done, SecretOutcome::Done { .. }), "{done:?}");
    until("it is watched with it", || screens.board().summary.counts.pending == 0).await;
    for bad in ["", "a b", "../x"] {
        assert!(matches!(screens.set_secret(bad.to_owned(), "x".into(), None).await, Err(Failed::BadRequest { .. })));
    }
    assert!(screens.set_secret("empty".to_owned(), "".into(), None).await.is_err());

    // One that stands in the file is moved, and the file names it.
    let plain = screens.plain_secrets().await.expect("looked");
    assert_eq!(plain.secrets.len(), 1);
    let moved = screens.move_plain_secrets(None, plain.base, Some("service".to_owned())).await.expect("moved");
    assert!(matches!(moved, MoveOutcome::Moved { count: 1, .. }), "{moved:?}");
    assert!(house.file().contains("password: \"${secret:postgres-password}\"} # old"), "{}", house.file());
    assert!(screens.plain_secrets().await.expect("looked").secrets.is_empty());
    assert_eq!(house.vault().get("postgres-password").expect("kept").expose_secret(), "canary-5");
    let now = screens.secrets().await.expect("listed");
    let told: Vec<_> = now.iter().map(|secret| (secret.name.as_str(), secret.used_by.join(","))).collect();
    assert_eq!(told, [("api-token", "api".to_owned()), ("postgres-password", "storage.postgres.password".to_owned())]);
    assert!(!format!("{now:?}").contains("canary"));

    screens.forget_secret("api-token".to_owned()).await.expect("forgotten");
    assert!(house.vault().get("api-token").is_err());
}

#[tokio::test]
async fn the_state_of_the_store_is_told_and_letters_are_none() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    until("something is written", || screens.board().summary.storage.last_write_ms.is_some()).await;
    until("the store is open", || screens.history_is_whole()).await;
    let state = screens.storage_state().await;
    assert_eq!((state.backend.as_str(), state.fault, state.waiting_rows), ("embedded", None, 0));
    assert!(state.expected_bytes.is_some() && state.expected_monitors == 1 && state.journal_bytes.is_some());
    assert_eq!(screens.board().summary.storage.name.en, "Embedded");
    assert_eq!(screens.prune_storage().await.expect("pruned"), 0, "nothing is old");
    let letters = screens.dead_letters().await.expect("read");
    assert_eq!((letters.letters.len(), letters.all), (0, 0));
    assert_eq!(screens.retry_letters(Vec::new()).await.expect("none"), 0);
    assert_eq!(screens.drop_letters(vec!["x".to_owned()]).await.expect("none"), 0);
}

#[tokio::test]
async fn diagnostics_tell_much_and_no_secret() {
    let server = Server::start();
    let text = format!(
        "{}        - {{name: api, type: http, url: \"http://u:canary-1@{}/\", headers: {{X: canary-2, Y: \"${{secret:t}}\"}}}}\n\
         storage:\n  backend: postgres\n  postgres: {{host: 127.0.0.1, port: 1, password: canary-3}}\n",
        file(&server),
        server.address
    );
    let vault = MemoryVault::default();
    vault.set("t", "canary-4".into()).expect("set");
    let house = House::with_vault(&text, Arc::new(vault));
    until("the store is not there", || {
        !house.screens().board().summary.storage.keeps_history || house.screens().board().summary.counts.up >= 1
    })
    .await;
    let told = house.screens().diagnostics().await.expect("told");
    assert!(!told.contains("canary"), "{told}");
    let read: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((read["monitors"]["count"].as_u64(), read["storage"]["backend"].as_str()), (Some(2), Some("postgres")));
}
