//! The Secret Service's own question to unlock its default keyring. The service shows it; what is typed never comes here.
//!
//! The question has a thread of its own, and none of the calls for secrets waits for it: those go on telling that the
//! keyring is locked. Three ends look the same on the bus, where they only say "dismissed": a person put it away, nothing
//! could show it, or we took it back. The second is told by who is on the bus meanwhile, and by no person being so quick.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::keychain::{Bus, NAME, PATH, SERVICE, bus_fault, locked, unavailable};
use super::{Place, Unlocked, Unlocking, VaultError};

const PROMPT: &str = "org.freedesktop.Secret.Prompt";
/// Who GNOME Keyring is, besides the Secret Service.
const GNOME: &str = "org.gnome.keyring";
/// What shows GNOME Keyring's questions.
const GNOME_PROMPTER: &str = "org.gnome.keyring.SystemPrompter";
/// From one look to the next.
const TICK: Duration = Duration::from_millis(100);
/// How long the service may take before it has a question.
const TICKS_TO_ASK: u32 = 50;
/// How long the service may take to put its question away.
const FAREWELL: Duration = Duration::from_millis(500);
/// A person takes longer.
const TICKS_OF_A_PERSON: u32 = 4;

/// How the thread gets on.
enum News {
    /// The question is on its way to the screen.
    Asked {
        bus: Connection,
        prompt: OwnedObjectPath,
    },
    Ended(Result<End, VaultError>),
}

/// What the bus tells of the end.
enum End {
    Open,
    Unlocked,
    Dismissed,
}

/// One question at a time.
#[derive(Debug, Default)]
pub(super) struct Question(AtomicBool);

impl Question {
    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        if self.0.swap(true, Ordering::Acquire) {
            let why = "a question to unlock it is on the screen already; answer that one".to_owned();
            return Err(VaultError::Unavailable { place: Place::Service, why });
        }
        let asked = ask(unlocking);
        self.0.store(false, Ordering::Release);
        asked
    }
}

fn ask(unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
    let (sender, news) = channel();
    let thread = std::thread::Builder::new().name("vault-unlock".to_owned());
    let started = thread.spawn(move || {
        let end = run(&sender);
        // Nobody listens any more where it was stopped.
        let _ = sender.send(News::Ended(end));
    });
    started.map_err(|error| unavailable(&format!("no thread can be started: {error}")))?;
    let mut shown = None;
    let mut ticks = 0;
    let ended = loop {
        match news.recv_timeout(TICK) {
            Ok(News::Asked { bus, prompt }) => {
                shown = Some(Shown::new(bus, prompt));
                ticks = 0;
                continue;
            }
            Ok(News::Ended(end)) => break end?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(unavailable(&"its client ended by a fault; see the log"));
            }
            Err(RecvTimeoutError::Timeout) => ticks += 1,
        }
        if let Some(early) = stopped_early(unlocking, shown.as_mut(), ticks)? {
            return Ok(early);
        }
    };
    Ok(match (ended, shown) {
        (End::Open, _) => Unlocked::Open,
        (End::Unlocked, _) => Unlocked::Now,
        (End::Dismissed, Some(shown)) if shown.had_prompter() && ticks >= TICKS_OF_A_PERSON => Unlocked::Dismissed,
        (End::Dismissed, _) => Unlocked::NoPrompter,
    })
}

/// Whether the question ends before it is answered; it is taken away then.
fn stopped_early(unlocking: &Unlocking, shown: Option<&mut Shown>, ticks: u32) -> Result<Option<Unlocked>, VaultError> {
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
        shown.take_away();
        return Ok(Some(if is_late { Unlocked::Late(patience) } else { Unlocked::Stopped }));
    }
    shown.look()?;
    Ok(None)
}

/// A question that is on the screen, or should be.
struct Shown {
    bus: Connection,
    prompt: OwnedObjectPath,
    is_gnome: bool,
    had_gnome_prompter: bool,
}

impl Shown {
    fn new(bus: Connection, prompt: OwnedObjectPath) -> Self {
        let mut shown = Self { bus, prompt, is_gnome: false, had_gnome_prompter: false };
        shown.is_gnome = shown.has_owner(GNOME);
        shown
    }

    fn has_owner(&self, name: &str) -> bool {
        let bus = "org.freedesktop.DBus";
        let asked = self.bus.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "NameHasOwner", &(name,));
        asked.and_then(|reply| reply.body().deserialize()).unwrap_or(false)
    }

    /// Notes who is there, and tells when the keychain is gone.
    fn look(&mut self) -> Result<(), VaultError> {
        self.had_gnome_prompter |= self.is_gnome && self.has_owner(GNOME_PROMPTER);
        if self.has_owner(NAME) {
            return Ok(());
        }
        let why = "it ended while its question was on the screen".to_owned();
        Err(VaultError::Absent { place: Place::Service, why })
    }

    /// Whether something was there that could show it. Keychains other than GNOME's show their questions themselves.
    fn had_prompter(&self) -> bool {
        !self.is_gnome || self.had_gnome_prompter
    }

    /// Has the service take the question from the screen. One that hangs is not waited for.
    fn take_away(&self) {
        let (bus, prompt) = (self.bus.clone(), self.prompt.clone());
        let (done, is_done) = channel::<()>();
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

fn run(news: &Sender<News>) -> Result<End, VaultError> {
    let bus = Bus::connect()?;
    let keyring = bus.need_default()?;
    if !bus.is_locked(&keyring)? {
        return Ok(End::Open);
    }
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = bus.ask(PATH, SERVICE, "Unlock", &(vec![&keyring],))?;
    if prompt.as_str() != "/" && !answer(&bus, &prompt, news)? {
        return Ok(End::Dismissed);
    }
    if bus.is_locked(&keyring)? { Err(locked()) } else { Ok(End::Unlocked) }
}

/// Shows the question and waits for whether it was answered.
fn answer(bus: &Bus, prompt: &OwnedObjectPath, news: &Sender<News>) -> Result<bool, VaultError> {
    let told = |error: zbus::Error| bus_fault(&error).unwrap_or_else(|| unavailable(&error));
    let proxy = Proxy::new(&bus.0, NAME, prompt.as_str(), PROMPT).map_err(told)?;
    // Heard from before it is shown, so that a quick end is not missed.
    let mut ends = proxy.receive_signal("Completed").map_err(told)?;
    let _ = news.send(News::Asked { bus: bus.0.clone(), prompt: prompt.clone() });
    proxy.call_method("Prompt", &("",)).map_err(told)?;
    let end = ends.next().ok_or_else(|| unavailable(&"the session bus ended"))?;
    let (dismissed, _): (bool, OwnedValue) = end.body().deserialize().map_err(told)?;
    Ok(!dismissed)
}
