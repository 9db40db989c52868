//! The delivering thread of a store: opens it, brings rows, keeps rollups.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;

use super::backoff::Backoff;
use super::condense::{Known, keep_limit};
use super::dead_letters::DeadLetter;
use super::head::SHARES;
use super::shared::{Limits, Shared, lock};
use super::spilled::{Part, Spilled};
use super::steps::{Step, Steps, halves, rows, steps, steps_of};
use super::upkeep::Upkeep;
use super::ways::Ways;
use super::{DeliveryOptions, History};
use crate::clock::{Clock, Mono};
use crate::event::Event;
use crate::journal::{JournalError, retire, size};
use crate::model::{UnixMicros, error_chain};
use crate::storage::{Batch, Capabilities, ResultStore, StoreError, StoreErrorKind};

/// The cursor is written at most this often; after a crash as much is delivered again, which changes nothing.
const SAVE_EVERY_US: u64 = 60_000_000;
/// Segments that a remote backend has got stay this long, so that an absent one can be read from here.
const KEEP_DELIVERED_US: u64 = 48 * 3_600_000_000;

/// Dead letters that are brought again at a time.
const LETTERS_AT_ONCE: usize = 256;

/// What the thread owns.
pub(super) struct Deliverer {
    pub(super) ways: Arc<Ways>,
    pub(super) shared: Arc<Shared>,
    pub(super) options: DeliveryOptions,
    backoff: Backoff,
    saved_at: Mono,
    /// What the cursor file says.
    saved: Vec<u64>,
}

/// The backend did not take rows; they wait.
#[derive(Debug)]
struct Waits;

impl Deliverer {
    pub(super) fn new(ways: Arc<Ways>, shared: Arc<Shared>, options: DeliveryOptions) -> Self {
        let clock = &options.clock;
        let seed = clock.mono().0 ^ u64::from(std::process::id()).rotate_left(32);
        let backoff = Backoff::new(options.first_retry, seed);
        let (saved_at, saved) = (clock.mono(), Vec::new());
        Self { ways, shared, backoff, saved_at, saved, options }
    }

    /// Runs until it is told to stop, or until a former store has all of its rows; opening is tried until it works.
    pub(super) async fn run(mut self) {
        while !self.shared.stopping() && !self.ways.retire(&self.shared) {
            self.shared.reopen.store(false, Ordering::Release);
            let Some(store) = self.open().await else { continue };
            let ended = self.work(&store).await;
            if ended && self.shared.is_readable_later() {
                // It stays open for whoever reads, until nobody does.
                return;
            }
            *lock(&self.shared.store) = None;
            if let Err(error) = self.guarded(store.close()).await {
                tracing::warn!(error = error_chain(&error), "closing the backend failed");
            }
            if ended {
                return;
            }
        }
        if self.shared.stopping() {
            lock(&self.shared.progress).stopped = true;
        }
    }

    fn clock(&self) -> &dyn Clock {
        &*self.options.clock
    }

    async fn open(&mut self) -> Option<Arc<dyn ResultStore>> {
        while !self.shared.is_called_off() {
            if self.ways.retire(&self.shared) {
                return None;
            }
            for former in self.ways.former() {
                former.close_when_shadowed().await;
            }
            let opener = lock(&self.shared.opener).clone();
            // A reader may have opened it before.
            let opened = match (self.shared.store(), opener) {
                (Some(store), _) => Ok(store),
                (None, Some(opener)) => self.guarded(opener.open()).await,
                (None, None) => return None,
            };
            let met = match opened {
                Ok(store) => self.meet(&*store).await.map(|()| store),
                Err(error) => Err(error),
            };
            match met {
                Ok(store) => {
                    self.set_fault(None);
                    *lock(&self.shared.store) = Some(Arc::clone(&store));
                    return Some(store);
                }
                Err(error) => {
                    lock(&self.shared.counters).retries += 1;
                    self.set_fault(Some(error_chain(&error)));
                    self.keep_limit();
                    self.pause().await;
                }
            }
        }
        None
    }

    /// Learns the store's id and goes on where this very store stands.
    async fn meet(&mut self, store: &dyn ResultStore) -> Result<(), StoreError> {
        let id = self.guarded(store.metadata("store_id")).await?;
        let id = id.map(|bytes| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(binary) => binary.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
        });
        let contact = &self.shared.contact;
        let Some(id) = id else { return Ok(()) };
        let mut cursors = lock(&self.ways.cursors);
        let former = cursors.adopt(contact, &id);
        match (&former, cursors.entry(contact)) {
            (Some(former), Some(entry)) => {
                // The same store under another address: what it has got it need not get again.
                tracing::info!(former, now = contact, "the backend is known under another address");
                lock(&self.shared.head).set_cursor(entry);
            }
            _ => {
                let delivered = lock(&self.shared.head).delivered();
                cursors.note(contact, Some(&id), &delivered);
            }
        }
        self.saved.clear();
        drop(cursors);
        if let Some(former) = former {
            self.ways.merge(&former);
        }
        let mut ledger = lock(&self.ways.ledger);
        ledger.met(contact, &id, self.clock().wall());
        ledger.save();
        Ok(())
    }

    /// Works until it is called off; true when a former store has all of its rows.
    async fn work(&mut self, store: &Arc<dyn ResultStore>) -> bool {
        let abilities = store.capabilities();
        let slices = usize::from(abilities.delivery.slices.max(1)).min(SHARES);
        // In order a full batch goes at once; in slices rows are gathered.
        let rows = if slices == 1 { abilities.delivery.max_rows as u64 } else { u64::MAX };
        *lock(&self.shared.limits) = Limits { bytes: self.options.head_bytes, rows };
        let mut upkeep = self.upkeep(abilities.keeps_history);
        let period_us = (abilities.delivery.max_age_ms * 1_000 / slices as u64).max(1_000);
        let mut tick = self.clock().mono().0 / period_us;
        while !self.shared.is_called_off() {
            let result = if self.shared.is_former() {
                self.hand_over(store, abilities).await
            } else {
                self.turn(store, abilities, slices, period_us, &mut tick, &mut upkeep).await
            };
            if self.shared.is_former() && result.is_ok() && self.ways.retire(&self.shared) {
                self.set_fault(None);
                return true;
            }
            match result {
                Ok(wait) => {
                    if self.shared.spilled().is_some() {
                        self.keep_limit();
                    }
                    self.wait(wait).await;
                }
                Err(Waits) => {
                    self.keep_limit();
                    self.pause().await;
                }
            }
        }
        if self.shared.stopping() {
            self.drain(store, abilities).await;
        }
        false
    }

    fn upkeep(&self, keeps_history: bool) -> Upkeep {
        let began = self.ways.began(&self.shared.contact);
        Upkeep::new(&self.options, History(Arc::clone(&self.ways)), began, keeps_history)
    }

    /// Brings a former store all that waits for it, at once.
    async fn hand_over(
        &mut self,
        store: &Arc<dyn ResultStore>,
        abilities: Capabilities,
    ) -> Result<Option<Duration>, Waits> {
        let mut upkeep = self.upkeep(false);
        self.bring_all(store, abilities, &mut upkeep).await?;
        self.bring_letters(&**store, &mut upkeep).await?;
        self.keep_house(abilities, true);
        Ok(Some(Duration::from_millis(100)))
    }

    async fn bring_all(
        &mut self,
        store: &Arc<dyn ResultStore>,
        abilities: Capabilities,
        upkeep: &mut Upkeep,
    ) -> Result<(), Waits> {
        self.catch_up(&**store, abilities, upkeep).await?;
        let groups = if abilities.delivery.slices > 1 { SHARES } else { 1 };
        for group in 0..groups {
            self.bring(&**store, abilities, group, groups, upkeep).await?;
        }
        Ok(())
    }

    /// Brings dead letters again that somebody wants to be. Those that are refused anew become new ones.
    async fn bring_letters(&mut self, store: &dyn ResultStore, upkeep: &mut Upkeep) -> Result<(), Waits> {
        loop {
            let letters = lock(&self.ways.letters).marked(self.shared.backend, &self.shared.contact, LETTERS_AT_ONCE);
            let letters = letters.map_err(|error| self.unreadable_letters(&error))?;
            if letters.is_empty() {
                return Ok(());
            }
            let refused = lock(&self.shared.counters).refused;
            self.take(store, steps_of(letters.iter().map(|letter| letter.row.clone())), upkeep).await?;
            let brought =
                lock(&self.ways.letters).brought(&letters).map_err(|error| self.unreadable_letters(&error))?;
            let mut counters = lock(&self.shared.counters);
            counters.letters_retried += brought.saturating_sub(counters.refused - refused);
        }
    }

    fn unreadable_letters(&self, error: &std::io::Error) -> Waits {
        self.set_fault(Some(format!("dead-letters.jsonl cannot be read or written: {error}; check its permissions")));
        Waits
    }

    /// Does what is due; gives the longest time to wait after it, or none to wait until there is something to do.
    async fn turn(
        &mut self,
        store: &Arc<dyn ResultStore>,
        abilities: Capabilities,
        slices: usize,
        period_us: u64,
        tick: &mut u64,
        upkeep: &mut Upkeep,
    ) -> Result<Option<Duration>, Waits> {
        upkeep.begin(&**store, self.clock()).await;
        self.catch_up(&**store, abilities, upkeep).await?;
        self.bring_letters(&**store, upkeep).await?;
        let now = self.clock().mono().0 / period_us;
        // After a long sleep each slice is due once, not once for every period.
        *tick = (*tick).max(now.saturating_sub(slices as u64));
        while *tick < now {
            self.bring(&**store, abilities, slice_of(*tick, slices), slices, upkeep).await?;
            *tick += 1;
        }
        let limits = *lock(&self.shared.limits);
        let mut ahead = *tick;
        while {
            let head = lock(&self.shared.head);
            head.rows() > 0 && (head.bytes() >= limits.bytes || head.rows() >= limits.rows) && head.spilled().is_none()
        } {
            // The slices that waited longest go first.
            self.bring(&**store, abilities, slice_of(ahead, slices), slices, upkeep).await?;
            ahead += 1;
        }
        let upkeep_in = upkeep.turn(&self.shared, &**store, self.clock()).await;
        self.keep_house(abilities, false);
        for former in self.ways.former() {
            former.close_when_idle().await;
        }
        let next = Duration::from_micros(((*tick + 1) * period_us).saturating_sub(self.clock().mono().0));
        let waiting = lock(&self.shared.head).rows() > 0;
        if self.shared.spilled().is_some() {
            return Ok(Some(Duration::ZERO));
        }
        Ok(match (waiting, upkeep_in) {
            (true, Some(upkeep_in)) => Some(next.min(upkeep_in)),
            (true, None) => Some(next),
            (false, upkeep_in) => upkeep_in,
        })
    }

    /// Brings rows that are in the journal's files only, strictly in order. While the store takes some, the next are read.
    async fn catch_up(
        &mut self,
        store: &dyn ResultStore,
        abilities: Capabilities,
        upkeep: &mut Upkeep,
    ) -> Result<(), Waits> {
        while let Some(spilled) = Spilled::of(&self.shared, abilities) {
            let mut reading = Some(read_on(spilled));
            while let Some(read) = reading.take() {
                let (spilled, part) = self.read_part(read).await?;
                reading = (!part.is_last).then(|| read_on(spilled));
                let taken = self.take(store, part.steps, upkeep).await;
                if taken.is_ok() {
                    lock(&self.shared.head).set_delivered_below(0, 1, part.below);
                    self.keep_house(abilities, false);
                }
                if taken.is_err() || self.shared.is_called_off() {
                    // Two must not mend a segment at a time.
                    if let Some(read) = reading {
                        let _ = read.await;
                    }
                    return taken;
                }
            }
        }
        Ok(())
    }

    async fn read_part(&self, read: Read) -> Result<(Spilled, Part), Waits> {
        let fault = match read.await {
            Ok((spilled, Ok(part))) => return Ok((spilled, part)),
            Ok((_, Err(error))) => error_chain(&error),
            Err(lost) => format!("reading the journal stopped: {lost}"),
        };
        self.set_fault(Some(fault));
        Err(Waits)
    }

    /// Brings one slice of what is in memory.
    async fn bring(
        &mut self,
        store: &dyn ResultStore,
        abilities: Capabilities,
        slice: usize,
        slices: usize,
        upkeep: &mut Upkeep,
    ) -> Result<(), Waits> {
        let most = abilities.delivery.max_rows.max(1);
        loop {
            let (made, below, full) = {
                let head = lock(&self.shared.head);
                if head.spilled().is_some() {
                    return Ok(());
                }
                let oldest = head.oldest_rows(slice, slices, most);
                let Some(last) = oldest.last().map(|(number, _)| *number) else { return Ok(()) };
                let full = oldest.len() == most;
                (steps(oldest.into_iter(), slices > 1, abilities.keeps_history), last + 1, full)
            };
            self.take(store, made, upkeep).await?;
            lock(&self.shared.head).set_delivered_below(slice, slices, below);
            if !full {
                return Ok(());
            }
        }
    }

    /// Has the store take rows; `Ok` when it has them or refused them for good.
    async fn take(&mut self, store: &dyn ResultStore, made: Steps, upkeep: &mut Upkeep) -> Result<(), Waits> {
        if made.steps.is_empty() {
            return Ok(());
        }
        for step in made.steps {
            let taken = match step {
                Step::Append(batch) => self.append(store, batch).await,
                Step::Forget(monitor) => self.guarded(store.forget(monitor)).await,
            };
            if let Err(error) = taken {
                lock(&self.shared.counters).retries += 1;
                self.set_fault(Some(error_chain(&error)));
                return Err(Waits);
            }
        }
        upkeep.delivered(&made.results, &made.gaps);
        self.backoff.reset();
        self.set_fault(None);
        Ok(())
    }

    /// Appends a batch. Where the backend refuses it for good, the refused rows are found by halving, and become
    /// dead letters, provided that the backend itself is well.
    async fn append(&mut self, store: &dyn ResultStore, batch: Batch) -> Result<(), StoreError> {
        let mut todo = vec![batch];
        while let Some(batch) = todo.pop() {
            let begun = self.clock().mono();
            let Err(error) = self.guarded(store.append(&batch)).await else {
                let took_us = self.clock().mono().since_us(begun);
                lock(&self.shared.counters).appended(batch.len(), took_us);
                continue;
            };
            if !matches!(error.kind, StoreErrorKind::Internal | StoreErrorKind::Unsupported) {
                return Err(error);
            }
            if batch.len() > 1 {
                let (first, second) = halves(batch);
                todo.push(second);
                todo.push(first);
                continue;
            }
            self.guarded(store.check()).await?;
            self.bury(batch, &error).map_err(|fault| {
                let what =
                    "a refused row cannot be written to dead-letters.jsonl; free some space or give the right to";
                StoreError::new(StoreErrorKind::Unavailable, self.shared.backend, "append", what).caused_by(fault)
            })?;
        }
        Ok(())
    }

    fn bury(&mut self, batch: Batch, error: &StoreError) -> std::io::Result<()> {
        let at = self.clock().wall();
        let reason = error_chain(error);
        tracing::error!(reason, "the backend refuses a row for good; it is kept in dead-letters.jsonl");
        let (backend, contact) = (self.shared.backend.to_owned(), Some(self.shared.contact.clone()));
        let letter = |row| DeadLetter {
            at,
            backend: backend.clone(),
            contact: contact.clone(),
            reason: reason.clone(),
            row,
            retry: false,
        };
        let letters: Vec<DeadLetter> = rows(batch).map(letter).collect();
        lock(&self.ways.letters).add(&letters)?;
        lock(&self.shared.counters).refused += letters.len() as u64;
        Ok(())
    }

    /// A call to the backend with a deadline; a panic in it is its fault, not ours.
    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        guarded(self.shared.backend, self.options.call_timeout, call).await
    }

    /// Writes the cursor now and then, and removes segments that nobody waits for.
    fn keep_house(&mut self, abilities: Capabilities, last: bool) {
        let now = self.clock().mono();
        if !last && now.since_us(self.saved_at) < SAVE_EVERY_US.min(self.options.save_every_us) {
            return;
        }
        self.saved_at = now;
        lock(&self.ways.ledger).save();
        let delivered = lock(&self.shared.head).delivered();
        if delivered == self.saved {
            return;
        }
        let mut cursors = lock(&self.ways.cursors);
        cursors.note(&self.shared.contact, None, &delivered);
        if let Err(error) = cursors.write() {
            tracing::warn!(
                error = error_chain(&error),
                "the delivery cursor cannot be written; rows may be delivered again"
            );
            return;
        }
        let written = cursors.clone();
        drop(cursors);
        self.saved = delivered;
        let in_order = abilities.delivery.slices <= 1 && abilities.keeps_history;
        let keep = in_order.then(|| age_limit(self.clock().wall()));
        let waited = |rows| written.is_waited_for(rows);
        let _house = lock(&self.ways.house);
        if let Err(error) = retire(&self.shared.folder, waited, keep) {
            tracing::warn!(error = error_chain(&error), "delivered journal segments cannot be removed");
        }
    }

    /// Keeps the journal below its limit, if it has one, also for former stores that nobody works for.
    fn keep_limit(&self) {
        let Some(limit) = lock(&self.ways.limit).0 else { return };
        let known = Known {
            now: self.clock().wall(),
            undecided: &self.options.undecided,
            down_since: &self.options.down_since,
        };
        let stranded = if self.shared.is_former() { Vec::new() } else { self.ways.stranded() };
        for shared in [&self.shared].into_iter().chain(&stranded) {
            match keep_limit(&self.ways, shared, limit, &known) {
                Ok(0) => {}
                Ok(results) => {
                    tracing::warn!(results, limit, "the journal reached its limit; results were summed up by the hour");
                    lock(&self.shared.counters).condensed += results;
                    self.options.events.send(Event::JournalCondensed { results });
                }
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), "the journal cannot be kept below its limit");
                }
            }
        }
        let is_over = size(&self.shared.folder).is_ok_and(|bytes| bytes > limit);
        if std::mem::replace(&mut lock(&self.ways.limit).1, is_over) != is_over && is_over {
            tracing::warn!(limit, "the journal is larger than its limit, and nothing in it can be summed up now");
        }
    }

    /// At the end: brings what is there, as far as the time allows.
    async fn drain(&mut self, store: &Arc<dyn ResultStore>, abilities: Capabilities) {
        let within = self.options.drain_within;
        let mut upkeep = self.upkeep(false);
        let all = self.bring_all(store, abilities, &mut upkeep);
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::info!("the backend has not taken everything; the rest waits in the journal");
        }
        self.keep_house(abilities, true);
    }

    fn set_fault(&self, fault: Option<String>) {
        let mut progress = lock(&self.shared.progress);
        if progress.fault == fault {
            return;
        }
        match &fault {
            Some(fault) => tracing::warn!(backend = self.shared.backend, fault, "rows wait in the journal"),
            None => tracing::info!(backend = self.shared.backend, "the backend takes rows again"),
        }
        progress.fault.clone_from(&fault);
        drop(progress);
        if !self.shared.is_former() {
            self.options.events.send(Event::StorageState { fault });
        }
    }

    /// Waits after a failure; only the end is a reason to go on sooner.
    async fn pause(&mut self) {
        let pause = tokio::time::sleep(self.backoff.next());
        tokio::pin!(pause);
        while !self.shared.is_called_off() {
            tokio::select! {
                () = &mut pause => return,
                () = self.shared.wake.notified() => {}
            }
        }
    }

    async fn wait(&self, most: Option<Duration>) {
        if self.shared.is_called_off() {
            return;
        }
        let woken = self.shared.wake.notified();
        match most {
            // The timer counts whole milliseconds.
            Some(most) => drop(tokio::time::timeout(most + Duration::from_millis(1), woken).await),
            None => woken.await,
        }
    }
}

/// A part that is being read on another thread, and whoever reads it.
type Read = tokio::task::JoinHandle<(Spilled, Result<Part, JournalError>)>;

fn read_on(mut spilled: Spilled) -> Read {
    tokio::task::spawn_blocking(move || {
        let part = spilled.next();
        (spilled, part)
    })
}

/// Which slice a period brings.
fn slice_of(tick: u64, slices: usize) -> usize {
    usize::try_from(tick % slices as u64).unwrap_or(0)
}

fn age_limit(now: UnixMicros) -> u64 {
    u64::try_from(now.minus_us(KEEP_DELIVERED_US).micros()).unwrap_or(0)
}

/// A call to a backend that ends in time, whatever the backend does.
pub(super) async fn guarded<T>(
    backend: crate::storage::BackendId,
    within: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(within, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(StoreError::new(StoreErrorKind::Internal, backend, "call", "the backend panicked")),
        Err(_) => {
            let what = format!("no answer within {} s; it is tried again", within.as_secs_f32());
            Err(StoreError::new(StoreErrorKind::Unavailable, backend, "call", what))
        }
    }
}
