//! Which store gets new rows, which ones got them before, and how a switch is made: where rows go is on the disk before
//! the first one goes there.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::dead_letters::DeadLetters;
use super::deliverer::Deliverer;
use super::head::{Head, SHARES};
use super::ledger::{Ledger, LedgerEntry, read_ledger};
use super::open::OpenStore;
use super::shared::{Shared, lock};
use super::{DeliveryOptions, Letters};
use crate::clock::Clock;
use crate::event::Event;
use crate::journal::{Cursors, Durable, DurableBatch, JournalError, Reader};
use crate::model::UnixMicros;
use crate::storage::{BackendId, ResultStore, Retention, offer_of};

/// What a switch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switched {
    /// The store in use is meant; it is opened anew with its settings.
    Same,
    /// Rows go to another store from now on.
    Other,
}

#[derive(Debug)]
struct Inner {
    current: Arc<Shared>,
    former: Vec<Arc<Shared>>,
    /// Number of the next durable row.
    next: u64,
}

/// Every store that rows go or went to.
#[derive(Debug)]
pub(super) struct Ways {
    /// The journal's folder.
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    pub(super) cursors: Mutex<Cursors>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) letters: Mutex<DeadLetters>,
    pub(super) retention: Mutex<Retention>,
    /// Most bytes of the journal, and whether it has more although nothing is left to sum up.
    pub(super) limit: Mutex<(Option<u64>, bool)>,
    /// Held by whoever removes or rewrites segments.
    pub(super) house: Mutex<()>,
}

/// The word of a backend as the registry has it.
fn backend_of(word: &str, opener: Option<&Arc<dyn OpenStore>>) -> BackendId {
    let known = || offer_of(word).map(|offer| offer.id);
    opener.map(|opener| opener.backend()).or_else(known).unwrap_or("unknown")
}

fn opener_of(contact: &str, others: &[Arc<dyn OpenStore>]) -> Option<Arc<dyn OpenStore>> {
    others.iter().find(|other| other.contact() == contact).cloned()
}

impl Ways {
    /// The stores that cursors and ledger know, with the opener's in use. `next` is the number of the next durable row.
    pub(super) fn new(
        options: &DeliveryOptions,
        opener: &Arc<dyn OpenStore>,
        mut cursors: Cursors,
        next: u64,
    ) -> (Self, Cursors) {
        let folder = options.journal.folder.clone();
        let contact = opener.contact();
        let cursor = cursors.enter(&contact, SHARES, next);
        let mut ledger = Ledger::open(&options.data_dir, &options.earlier);
        ledger.switch(opener.backend(), &contact, options.clock.wall());
        let head = Head::new(&cursor, next);
        let clock = Arc::clone(&options.clock);
        let current = Shared::new(opener.backend(), contact, Some(Arc::clone(opener)), folder.clone(), clock, head);
        lock(&current.limits).bytes = options.head_bytes;
        let current = Arc::new(current);
        let former =
            former_of(&folder, &options.clock, &cursors, ledger.entries(), &current.contact, next, &options.others);
        shadow(&current, &former);
        let ways = Self {
            folder,
            clock: Arc::clone(&options.clock),
            inner: Mutex::new(Inner { current, former, next }),
            cursors: Mutex::new(cursors.clone()),
            ledger: Mutex::new(ledger),
            letters: Mutex::new(DeadLetters::open(&options.data_dir)),
            retention: Mutex::new(options.retention.clone()),
            limit: Mutex::new((options.journal_limit, false)),
            house: Mutex::new(()),
        };
        (ways, cursors)
    }

    /// The same for files that nobody holds: nothing is changed and no thread works.
    pub(super) fn offline(
        data_dir: &Path,
        contact: &str,
        store: Option<Arc<dyn ResultStore>>,
        others: &[Arc<dyn OpenStore>],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        let folder = data_dir.join("journal");
        let cursors = Cursors::open(&folder)?;
        let next = Reader::new(&folder, 0, None, false).end()?;
        let head = match cursors.entry(contact) {
            Some(cursor) => Head::new(cursor, next),
            None => Head::new(&cursors.clone().enter(contact, SHARES, next), next),
        };
        let backend = store.as_ref().map_or("none", |store| store.backend());
        let current = Shared::new(backend, contact.to_owned(), None, folder.clone(), Arc::clone(&clock), head);
        *lock(&current.store) = store;
        lock(&current.progress).stopped = true;
        let ledger = read_ledger(data_dir);
        let former = former_of(&folder, &clock, &cursors, &ledger, contact, next, others);
        Ok(Self {
            folder,
            clock,
            inner: Mutex::new(Inner { current: Arc::new(current), former, next }),
            cursors: Mutex::new(cursors),
            ledger: Mutex::new(Ledger::open(data_dir, &[])),
            letters: Mutex::new(DeadLetters::open(data_dir)),
            retention: Mutex::new(Retention::default()),
            limit: Mutex::new((None, false)),
            house: Mutex::new(()),
        })
    }

    pub(super) fn current(&self) -> Arc<Shared> {
        Arc::clone(&lock(&self.inner).current)
    }

    pub(super) fn former(&self) -> Vec<Arc<Shared>> {
        lock(&self.inner).former.clone()
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        let inner = lock(&self.inner);
        inner.former.iter().chain([&inner.current]).cloned().collect()
    }

    pub(super) fn ledger(&self) -> Vec<LedgerEntry> {
        lock(&self.ledger).entries().to_vec()
    }

    /// Starts the threads of the store in use and of those that still wait for rows.
    pub(super) fn start(self: &Arc<Self>, options: &DeliveryOptions) -> std::io::Result<()> {
        let inner = lock(&self.inner);
        self.spawn(&inner.current, options)?;
        for former in &inner.former {
            self.spawn_when_needed(former, options);
        }
        Ok(())
    }

    /// A thread of its own for a store, after the one before has ended.
    fn spawn(self: &Arc<Self>, shared: &Arc<Shared>, options: &DeliveryOptions) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let deliverer = Deliverer::new(Arc::clone(self), Arc::clone(shared), options.clone());
        let before = lock(&shared.thread).take();
        shared.ended.store(false, Ordering::Release);
        let work = move || {
            if let Some(before) = before {
                let _ = before.join();
            }
            runtime.block_on(deliverer.run());
        };
        match std::thread::Builder::new().name("deliver".to_owned()).spawn(work) {
            Ok(thread) => {
                *lock(&shared.thread) = Some(thread);
                Ok(())
            }
            Err(error) => {
                shared.ended.store(true, Ordering::Release);
                Err(error)
            }
        }
    }

    /// A thread for a former store that waits for something and can be opened.
    fn spawn_when_needed(self: &Arc<Self>, shared: &Arc<Shared>, options: &DeliveryOptions) {
        let is_idle = shared.ended.load(Ordering::Acquire);
        if !is_idle || !self.waits(shared) {
            return;
        }
        if lock(&shared.opener).is_none() {
            let fault = format!(
                "rows wait for {}, whose settings are no longer in the configuration; put them back to have them delivered",
                shared.contact
            );
            tracing::warn!(fault);
            lock(&shared.progress).fault = Some(fault);
            return;
        }
        if let Err(error) = self.spawn(shared, options) {
            lock(&shared.progress).fault = Some(format!("no thread can be started: {error}"));
        }
    }

    /// Whether rows or dead letters wait for a store.
    fn waits(&self, shared: &Shared) -> bool {
        lock(&shared.head).undelivered_rows() > 0
            || lock(&self.letters).marked(shared.backend, &shared.contact, 1).is_ok_and(|letters| !letters.is_empty())
    }

    /// Lets the thread of a former store end, when nothing waits for it.
    pub(super) fn retire(&self, shared: &Shared) -> bool {
        let _inner = lock(&self.inner);
        let ends = shared.is_former() && !self.waits(shared);
        if ends {
            shared.ended.store(true, Ordering::Release);
        }
        ends
    }

    /// Learns how former stores are opened; those that wait for something get a thread.
    pub(super) fn know(self: &Arc<Self>, others: &[Arc<dyn OpenStore>], options: &DeliveryOptions) {
        let inner = lock(&self.inner);
        for former in &inner.former {
            if let Some(known) = opener_of(&former.contact, others) {
                *lock(&former.opener) = Some(known);
                self.spawn_when_needed(former, options);
            }
        }
        shadow(&inner.current, &inner.former);
    }

    /// Has new rows go to a store, from the next durable row on. What former ones still wait for goes to them.
    pub(super) fn switch(
        self: &Arc<Self>,
        opener: Arc<dyn OpenStore>,
        options: &DeliveryOptions,
    ) -> Result<Switched, JournalError> {
        let mut inner = lock(&self.inner);
        let contact = opener.contact();
        let no_thread = |source| JournalError { action: "start the delivery of", path: self.folder.clone(), source };
        if inner.current.contact == contact {
            let current = &inner.current;
            *lock(&current.opener) = Some(opener);
            if current.ended.load(Ordering::Acquire) {
                self.spawn(current, options).map_err(no_thread)?;
            }
            current.reopen.store(true, Ordering::Release);
            current.wake.notify_one();
            return Ok(Switched::Same);
        }
        let cursor = self.route(&inner, &contact)?;
        let at = inner.next;
        let old = Arc::clone(&inner.current);
        lock(&old.head).end(at);
        old.former.store(true, Ordering::Release);
        let new = match inner.former.iter().position(|former| former.contact == contact) {
            Some(known) => {
                let back = inner.former.remove(known);
                lock(&back.head).resume(at);
                *lock(&back.opener) = Some(Arc::clone(&opener));
                back.former.store(false, Ordering::Release);
                back.reopen.store(true, Ordering::Release);
                back.wake.notify_one();
                back
            }
            None => {
                let head = Head::new(&cursor, at);
                let (folder, clock) = (self.folder.clone(), Arc::clone(&self.clock));
                Arc::new(Shared::new(opener.backend(), contact.clone(), Some(Arc::clone(&opener)), folder, clock, head))
            }
        };
        lock(&new.limits).bytes = options.head_bytes;
        inner.former.push(Arc::clone(&old));
        inner.current = Arc::clone(&new);
        shadow(&inner.current, &inner.former);
        let mut ledger = lock(&self.ledger);
        ledger.switch(opener.backend(), &contact, self.clock.wall());
        ledger.save();
        drop(ledger);
        if lock(&old.progress).fault.is_some() {
            // It was one of the store in use.
            options.events.send(Event::StorageState { fault: lock(&new.progress).fault.clone() });
        }
        tracing::info!(contact, from_row = at, "what is produced from now on goes to another store");
        old.wake.notify_one();
        if old.ended.load(Ordering::Acquire) {
            self.spawn_when_needed(&old, options);
        }
        if new.ended.load(Ordering::Acquire) {
            self.spawn(&new, options).map_err(no_thread)?;
        }
        Ok(Switched::Other)
    }

    /// Writes down that rows from the next one on go to a store. Whoever holds `inner` keeps rows from going anywhere
    /// meanwhile: they wait in the journal's thread, and no check waits for that.
    fn route(&self, inner: &Inner, contact: &str) -> Result<crate::journal::Cursor, JournalError> {
        let mut cursors = lock(&self.cursors);
        let mut changed = cursors.clone();
        let delivered = lock(&inner.current.head).delivered();
        changed.note(&inner.current.contact, None, &delivered);
        let cursor = changed.enter(contact, SHARES, inner.next);
        changed.write()?;
        *cursors = changed;
        Ok(cursor)
    }

    /// A store in use turned out to be one that was in use under another contact: that one is not looked at any more.
    pub(super) fn merge(&self, former: &str) {
        let mut inner = lock(&self.inner);
        inner.former.retain(|shared| {
            let is_it = shared.contact == former;
            if is_it {
                shared.stop.store(true, Ordering::Release);
                shared.wake.notify_one();
            }
            !is_it
        });
    }

    /// Marks dead letters to be brought again.
    pub(super) fn retry_letters(self: &Arc<Self>, which: &Letters, options: &DeliveryOptions) -> std::io::Result<u64> {
        let marked = lock(&self.letters).retry(which)?;
        let inner = lock(&self.inner);
        for former in &inner.former {
            self.spawn_when_needed(former, options);
        }
        for shared in inner.former.iter().chain([&inner.current]) {
            shared.wake.notify_one();
        }
        Ok(marked)
    }

    /// Rows below this number are in files only, whosever they are.
    pub(super) fn in_files_below(&self) -> u64 {
        let inner = lock(&self.inner);
        let current = lock(&inner.current.head).mem_from();
        let former = inner.former.iter().filter_map(|shared| {
            let head = lock(&shared.head);
            (head.rows() > 0).then(|| head.mem_from())
        });
        former.chain([current]).min().unwrap_or(0)
    }

    /// The former stores that wait for rows and have no thread.
    pub(super) fn stranded(&self) -> Vec<Arc<Shared>> {
        let mut former = self.former();
        former.retain(|shared| shared.ended.load(Ordering::Acquire) && lock(&shared.head).undelivered_rows() > 0);
        former
    }

    /// Tells every thread to end; gives the threads.
    pub(super) fn stop(&self) -> Vec<std::thread::JoinHandle<()>> {
        let all = self.all();
        for shared in &all {
            shared.stop.store(true, Ordering::Release);
            shared.wake.notify_one();
        }
        all.iter().filter_map(|shared| lock(&shared.thread).take()).collect()
    }

    /// Up to when the store in use has none of the time: see [`Ledger::began`].
    pub(super) fn began(&self, contact: &str) -> Option<UnixMicros> {
        lock(&self.ledger).began(contact)
    }
}

/// Notes which former stores are in the folder of the one in use: two cannot have one folder open.
fn shadow(current: &Shared, former: &[Arc<Shared>]) {
    current.shadowed.store(false, Ordering::Release);
    let place = current.place();
    for former in former {
        former.shadowed.store(place.is_some() && former.place() == place, Ordering::Release);
    }
}

/// The stores that were in use before.
fn former_of(
    folder: &Path,
    clock: &Arc<dyn Clock>,
    cursors: &Cursors,
    ledger: &[LedgerEntry],
    current: &str,
    next: u64,
    others: &[Arc<dyn OpenStore>],
) -> Vec<Arc<Shared>> {
    let fingerprint = ledger.iter().rev().find(|entry| entry.contact == current).map(|entry| &entry.fingerprint);
    let mut contacts: Vec<(&str, &str)> = Vec::new();
    // One that has no cursor is the store in use under a contact of before.
    for entry in cursors.entries().iter().filter(|entry| entry.contact != current) {
        let noted = ledger.iter().rev().find(|noted| noted.contact == entry.contact);
        let word = entry.contact.split(':').next().unwrap_or_default();
        contacts.push((&entry.contact, noted.map_or(word, |noted| noted.backend.as_str())));
    }
    for entry in ledger.iter().filter(|entry| entry.contact != current && Some(&entry.fingerprint) != fingerprint) {
        if contacts.iter().all(|(contact, _)| *contact != entry.contact) {
            contacts.push((&entry.contact, &entry.backend));
        }
    }
    let mut former = Vec::new();
    for (contact, backend) in contacts {
        let opener = opener_of(contact, others);
        let head = match cursors.entry(contact) {
            Some(cursor) => Head::new(cursor, next),
            None => Head::nothing(next),
        };
        let backend = backend_of(backend, opener.as_ref());
        let shared = Shared::new(backend, contact.to_owned(), opener, folder.to_owned(), Arc::clone(clock), head);
        shared.former.store(true, Ordering::Release);
        former.push(Arc::new(shared));
    }
    former
}

/// Takes what is durable in, on the journal's thread.
#[derive(Debug)]
pub(super) struct Intake(pub(super) Arc<Ways>);

impl Durable for Intake {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        // A switch comes before or after a batch.
        let mut inner = lock(&self.0.inner);
        inner.next = batch.next;
        inner.current.take_in(batch);
    }
}
