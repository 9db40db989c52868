//! The Secret Service's own question to unlock its default keyring. The service shows it; what is typed never comes here.
//!
//! The question has a thread of its own, and none of the calls for secrets waits for it: those go on telling that the
//! keyring is locked. Three ends look the same on the bus, where they only say "dismissed": a person put it away, nothing
//! could show it, or we took it back. The second is told by who is on the bus, or by no person being so quick.
//!
//! Measured: GNOME Keyring (42.1) ends itself by a failed assertion when it is told to take a question of it away, and
//! everything that it had unlocked is locked with it. So its question is left where it is, and whoever asks again waits for
//! the same one. It outlives whoever asked without harm.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::keychain::{Bus, NAME, PATH, SERVICE, bus_fault, locked, unavailable};
use super::{Place, Unlocked, Unlocking, VaultError};

const PROMPT: &str = "org.freedesktop.Secret.Prompt";
const BUS: &str = "org.freedesktop.DBus";
/// Who GNOME Keyring is, besides the Secret Service.
const GNOME: &str = "org.gnome.keyring";
/// What shows GNOME Keyring's questions.
const GNOME_PROMPTER: &str = "org.gnome.keyring.SystemPrompter";
/// From one look to the next.
const TICK: Duration = Duration::from_millis(100);
/// How long the service may take before it has a question.
const TICKS_TO_ASK: u32 = 50;
/// A person takes longer.
const TICKS_OF_A_PERSON: u32 = 4;
/// How long the service may take to put its question away.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the bus tells of the end.
#[derive(Debug, Clone, Copy)]
enum End {
    Open,
    Unlocked,
    Dismissed,
}

/// How the question is getting on.
#[derive(Debug, Default)]
struct Standing {
    is_asked: bool,
    /// How many wait for the answer.
    waiting: usize,
    shown: Option<Shown>,
    ended: Option<Result<End, VaultError>>,
}

#[derive(Debug, Default)]
struct Shared {
    standing: Mutex<Standing>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: Result<End, VaultError>) {
        let mut standing = self.lock();
        (standing.is_asked, standing.ended) = (false, Some(end));
        self.changed.notify_all();
    }
}

/// One question at a time: whoever asks while it is on the screen waits for the same answer.
#[derive(Debug, Default)]
pub(super) struct Question(Arc<Shared>);

impl Question {
    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        self.start()?;
        let answered = self.wait(unlocking);
        self.0.lock().waiting -= 1;
        answered
    }

    fn wait(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        let mut ticks = 0;
        let mut was_shown = false;
        loop {
            let standing = self.0.lock();
            let (mut standing, waited) =
                self.0.changed.wait_timeout(standing, TICK).unwrap_or_else(PoisonError::into_inner);
            if let Some(ended) = standing.ended.clone() {
                let shown = standing.shown.as_mut();
                return Ok(match ended? {
                    End::Open => Unlocked::Open,
                    End::Unlocked => Unlocked::Now,
                    End::Dismissed if shown.is_some_and(|shown| shown.was_seen(ticks)) => Unlocked::Dismissed,
                    End::Dismissed => Unlocked::NoPrompter,
                });
            }
            if standing.shown.is_some() != was_shown {
                (was_shown, ticks) = (true, 0);
            }
            ticks += u32::from(waited.timed_out());
            let is_last = standing.waiting == 1;
            if let Some(early) = stopped_early(unlocking, standing.shown.as_mut(), ticks, is_last)? {
                return Ok(early);
            }
        }
    }

    /// Has it asked, unless it is.
    fn start(&self) -> Result<(), VaultError> {
        let mut standing = self.0.lock();
        if standing.is_asked {
            standing.waiting += 1;
            return Ok(());
        }
        let shared = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("vault-unlock".to_owned());
        let started = thread.spawn(move || shared.end(run(&shared)));
        started.map_err(|error| unavailable(&format!("no thread can be started: {error}")))?;
        *standing = Standing { is_asked: true, waiting: standing.waiting + 1, shown: None, ended: None };
        Ok(())
    }
}

/// Whether whoever asked hears something before there is an answer.
fn stopped_early(
    unlocking: &Unlocking,
    shown: Option<&mut Shown>,
    ticks: u32,
    is_last: bool,
) -> Result<Option<Unlocked>, VaultError> {
    let patience = unlocking.patience();
    let is_late = TICK.saturating_mul(ticks) >= patience;
    let Some(shown) = shown else {
        let seconds = u64::from(TICKS_TO_ASK / 10);
        return match ticks {
            _ if unlocking.is_stopped() => Ok(Some(Unlocked::Stopped)),
            TICKS_TO_ASK.. => Err(VaultError::Slow { place: Place::Service, seconds }),
            _ => Ok(None),
        };
    };
    if unlocking.is_stopped() || is_late {
        if is_last {
            shown.take_away();
        }
        return Ok(Some(if is_late { Unlocked::Late(patience) } else { Unlocked::Stopped }));
    }
    shown.look()?;
    Ok(None)
}

/// A question that is on the screen, or should be.
#[derive(Debug)]
struct Shown {
    bus: Connection,
    prompt: OwnedObjectPath,
    /// Which connection the service has.
    service: Option<String>,
    is_gnome: bool,
    had_gnome_prompter: bool,
}

impl Shown {
    fn new(bus: Connection, prompt: OwnedObjectPath) -> Self {
        let mut shown = Self { bus, prompt, service: None, is_gnome: false, had_gnome_prompter: false };
        shown.service = shown.owner(NAME);
        shown.is_gnome = shown.service.is_some() && shown.owner(GNOME) == shown.service;
        shown
    }

    /// Which connection has a name.
    fn owner(&self, name: &str) -> Option<String> {
        let asked = self.bus.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), "GetNameOwner", &(name,));
        asked.and_then(|reply| reply.body().deserialize()).ok()
    }

    fn note_prompter(&mut self) {
        self.had_gnome_prompter |= self.is_gnome && self.owner(GNOME_PROMPTER).is_some();
    }

    /// Notes who is there, and tells when the keychain is gone: no answer comes then.
    fn look(&mut self) -> Result<(), VaultError> {
        self.note_prompter();
        if self.owner(NAME) == self.service {
            return Ok(());
        }
        let _ = self.bus.clone().close();
        let why = "it ended while its question was on the screen".to_owned();
        Err(VaultError::Absent { place: Place::Service, why })
    }

    /// Whether somebody saw it. GNOME's keychain has a program to show it, which stays for a while; others show it
    /// themselves, and end it at once where they cannot.
    fn was_seen(&mut self, ticks: u32) -> bool {
        self.note_prompter();
        if self.is_gnome { self.had_gnome_prompter } else { ticks >= TICKS_OF_A_PERSON }
    }

    /// Has the service take the question from the screen, where it survives that. One that hangs is not waited for.
    fn take_away(&self) {
        if self.is_gnome {
            return;
        }
        let (bus, prompt) = (self.bus.clone(), self.prompt.clone());
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let dismiss = move || {
            if let Err(error) = bus.call_method(Some(NAME), prompt.as_str(), Some(PROMPT), "Dismiss", &()) {
                tracing::debug!(%error, "the keychain keeps its question");
            }
            drop(done);
        };
        // Without a thread the question stays until somebody answers it.
        let _ = std::thread::Builder::new().name("vault-unlock".to_owned()).spawn(dismiss);
        // The process may end next, and with it the connection.
        let _ = is_done.recv_timeout(FAREWELL);
    }
}

fn run(shared: &Shared) -> Result<End, VaultError> {
    let bus = Bus::connect()?;
    let keyring = bus.need_default()?;
    if !bus.is_locked(&keyring)? {
        return Ok(End::Open);
    }
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = bus.ask(PATH, SERVICE, "Unlock", &(vec![&keyring],))?;
    if prompt.as_str() != "/" && !answer(&bus, &prompt, shared)? {
        return Ok(End::Dismissed);
    }
    if bus.is_locked(&keyring)? { Err(locked()) } else { Ok(End::Unlocked) }
}

/// Shows the question and waits for whether it was answered.
fn answer(bus: &Bus, prompt: &OwnedObjectPath, shared: &Shared) -> Result<bool, VaultError> {
    let told = |error: zbus::Error| bus_fault(&error).unwrap_or_else(|| unavailable(&error));
    let proxy = Proxy::new(&bus.0, NAME, prompt.as_str(), PROMPT).map_err(told)?;
    // Heard from before it is shown, so that a quick end is not missed.
    let mut ends = proxy.receive_signal("Completed").map_err(told)?;
    let shown = Shown::new(bus.0.clone(), prompt.clone());
    shared.lock().shown = Some(shown);
    proxy.call_method("Prompt", &("",)).map_err(told)?;
    let end = ends.next().ok_or_else(|| unavailable(&"the session bus ended"))?;
    let (dismissed, _): (bool, OwnedValue) = end.body().deserialize().map_err(told)?;
    Ok(!dismissed)
}
