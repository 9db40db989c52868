//! Signs of life in a store that several instances share: who is there, and whether somebody else lives under our id.
//!
//! Each instance writes a sign of life about every ten seconds. A run that finds the sign of another one under its own id
//! watches it for half a minute before it writes anything: where it moves, this disk is a copy of one that is alive, and
//! this instance gets another id. What is produced meanwhile waits in the journal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::core::lock;
use crate::clock::{Clock, Mono};
use crate::deliver::{ConfiguredStore, OpenStore};
use crate::model::{InstanceId, UnixMicros, error_chain};
use crate::record::Instance;
use crate::storage::{BackendId, ResultStore, StoreError, StoreErrorKind};

/// The key under which the sign is.
pub(super) const KEY: &str = "sign_of_life";
/// From one sign to the next.
const BEAT_US: u64 = 10_000_000;
/// How long a foreign sign is watched: three times what lies between two.
const WATCH: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Longest time that one sign may take.
const BEAT_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the last sign.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sign {
    /// The instance's name.
    pub(super) name: String,
    /// A number that each run draws anew.
    pub(super) run: Uuid,
    /// The wall clock of the instance's machine.
    pub(super) at: UnixMicros,
    /// Whether that run has ended.
    #[serde(default)]
    pub(super) ended: bool,
}

impl Sign {
    /// Reads one; none where it is no sign of this version.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What is to be done once the instance has another id.
type Renewed = Box<dyn Fn() + Send + Sync>;

/// This instance among those of the store.
pub(super) struct Presence {
    clock: Arc<dyn Clock>,
    run: Uuid,
    instance: Mutex<Instance>,
    /// The stores that it is told to, by their contact, while they are open.
    stores: Mutex<Vec<(String, Weak<dyn ResultStore>)>>,
    /// When the last sign was given.
    told: Mutex<Option<Mono>>,
    at_it: AtomicBool,
    renewed: OnceLock<Renewed>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("instance", &self.instance()).field("run", &self.run).finish_non_exhaustive()
    }
}

/// Whose the id is.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Ours,
    SomebodyElses,
}

impl Presence {
    pub(super) fn new(clock: Arc<dyn Clock>, instance: Instance) -> Self {
        Self {
            clock,
            run: Uuid::new_v4(),
            instance: Mutex::new(instance),
            stores: Mutex::default(),
            told: Mutex::default(),
            at_it: AtomicBool::new(false),
            renewed: OnceLock::new(),
        }
    }

    /// What is done, once, when this instance gets another id: writing it down, above all.
    pub(super) fn when_renewed(&self, act: Renewed) {
        let _ = self.renewed.set(act);
    }

    pub(super) fn run(&self) -> Uuid {
        self.run
    }

    pub(super) fn instance(&self) -> Instance {
        lock(&self.instance).clone()
    }

    pub(super) fn id(&self) -> InstanceId {
        lock(&self.instance).id
    }

    async fn there(&self, store: &dyn ResultStore) -> Result<Option<Sign>, StoreError> {
        Ok(store.metadata(KEY).await?.as_deref().and_then(Sign::read))
    }

    async fn tell(&self, store: &dyn ResultStore, ended: bool) -> Result<(), StoreError> {
        let sign = Sign { name: self.instance().name, run: self.run, at: self.clock.wall(), ended };
        let text = serde_json::to_vec(&sign).map_err(|error| {
            StoreError::new(StoreErrorKind::Internal, store.backend(), "set_metadata", error.to_string())
        })?;
        store.set_metadata(KEY, &text).await?;
        *lock(&self.told) = Some(self.clock.mono());
        Ok(())
    }

    /// Finds out whether somebody lives under our id.
    async fn claim(&self, store: &dyn ResultStore) -> Result<Claim, StoreError> {
        let first = self.there(store).await?.filter(|sign| sign.run != self.run && !sign.ended);
        let Some(first) = first else { return Ok(Claim::Ours) };
        tracing::info!(at = %first.at, "another run has used this instance's id and did not say that it ended; is it alive?");
        let begun = self.clock.mono();
        while self.clock.mono().since(begun) < WATCH {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.there(store).await? {
                Some(now) if now.ended || now.run == self.run => return Ok(Claim::Ours),
                Some(now) if now != first => return Ok(Claim::SomebodyElses),
                Some(_) | None => {}
            }
        }
        Ok(Claim::Ours)
    }

    /// Takes another id.
    fn renew(&self) {
        let fresh = InstanceId::new(Uuid::new_v4());
        let former = std::mem::replace(&mut lock(&self.instance).id, fresh);
        tracing::warn!(
            %former,
            now = %fresh,
            "this instance's id is in use elsewhere: this data folder is a copy of one that is alive; it gets an id of its own"
        );
        if let Some(act) = self.renewed.get() {
            act();
        }
    }

    /// Gives a sign of life where one is due; in a task of its own, since the store may take its time. `reopen` is called
    /// where somebody else lives under our id and the store has to be opened anew.
    pub(super) fn beat(self: &Arc<Self>, reopen: impl FnOnce() + Send + 'static) {
        let now = self.clock.mono();
        let is_due = lock(&self.told).is_none_or(|told| now.since_us(told) >= BEAT_US);
        let stores = self.open_stores();
        if !is_due || stores.is_empty() || self.at_it.swap(true, Ordering::AcqRel) {
            return;
        }
        let presence = Arc::clone(self);
        tokio::spawn(async move {
            let mut is_ours = true;
            for store in stores {
                match tokio::time::timeout(BEAT_WITHIN, presence.say_so(&*store)).await {
                    Ok(Ok(claim)) => is_ours &= claim == Claim::Ours,
                    // The store's own faults are told by whoever delivers.
                    Ok(Err(error)) => tracing::debug!(error = error_chain(&error), "no sign of life could be given"),
                    Err(_) => tracing::debug!("the store takes no sign of life in time"),
                }
            }
            if !is_ours {
                lock(&presence.stores).clear();
                presence.renew();
                reopen();
            }
            presence.at_it.store(false, Ordering::Release);
        });
    }

    fn open_stores(&self) -> Vec<Arc<dyn ResultStore>> {
        let mut stores = lock(&self.stores);
        stores.retain(|(_, store)| store.strong_count() > 0);
        stores.iter().filter_map(|(_, store)| store.upgrade()).collect()
    }

    /// From now on it is told to this store.
    fn is_told_to(&self, contact: String, store: &Arc<dyn ResultStore>) {
        let mut stores = lock(&self.stores);
        stores.retain(|(known, _)| *known != contact);
        stores.push((contact, Arc::downgrade(store)));
    }

    /// Of two that began at once, each after it had watched, the one with the lesser number gives way.
    async fn say_so(&self, store: &dyn ResultStore) -> Result<Claim, StoreError> {
        let other = self.there(store).await?.filter(|sign| sign.run != self.run && !sign.ended);
        if other.is_some_and(|other| self.run < other.run) {
            return Ok(Claim::SomebodyElses);
        }
        self.tell(store, false).await?;
        Ok(Claim::Ours)
    }

    /// Says that this run ends, so that the next one need not watch.
    pub(super) async fn leave(&self) {
        for store in self.open_stores() {
            let said = tokio::time::timeout(LEAVE_WITHIN, self.tell(&*store, true)).await;
            if !matches!(said, Ok(Ok(()))) {
                tracing::debug!("the store was not told that this run ends");
            }
        }
        lock(&self.stores).clear();
    }
}

/// The store that the configuration names, as this instance, whose id is made sure of first.
pub(super) struct ClaimedStore {
    pub(super) store: ConfiguredStore,
    /// Whether others may be in it.
    pub(super) is_shared: bool,
    pub(super) presence: Arc<Presence>,
}

impl ClaimedStore {
    async fn as_it_is(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        let mut store = self.store.clone();
        store.env.instance = self.presence.id();
        store.open().await
    }
}

#[async_trait]
impl OpenStore for ClaimedStore {
    fn backend(&self) -> BackendId {
        self.store.backend()
    }

    fn contact(&self) -> String {
        self.store.contact()
    }

    fn folder(&self) -> Option<std::path::PathBuf> {
        self.store.folder()
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        let mut store = self.as_it_is().await?;
        if !self.is_shared {
            return Ok(store);
        }
        if self.presence.claim(&*store).await? == Claim::SomebodyElses {
            store.close().await?;
            self.presence.renew();
            store = self.as_it_is().await?;
        }
        self.presence.tell(&*store, false).await?;
        self.presence.is_told_to(self.contact(), &store);
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::secret::MemoryVault;
    use crate::storage::{BackendConfig, BackendEnv};

    fn presence(name: &str) -> Presence {
        let instance = Instance { id: InstanceId::new(Uuid::from_u128(1)), name: name.to_owned() };
        Presence::new(Arc::new(SystemClock), instance)
    }

    async fn store() -> Arc<dyn ResultStore> {
        let config = BackendConfig::from_object("none", serde_json::json!({})).expect("settings");
        let env = BackendEnv {
            data_dir: "not used".into(),
            instance: InstanceId::new(Uuid::from_u128(1)),
            clock: Arc::new(SystemClock),
            vault: Arc::new(MemoryVault::default()),
        };
        config.open(&env).await.expect("opens")
    }

    fn block(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future);
    }

    #[test]
    fn of_two_that_began_at_once_one_gives_way() {
        block(async {
            for _ in 0..20 {
                let (store, one, two) = (store().await, presence("one"), presence("two"));
                one.tell(&*store, false).await.expect("tells");
                let mut gave_way = 0;
                for _ in 0..3 {
                    for presence in [&two, &one] {
                        gave_way += u32::from(presence.say_so(&*store).await.expect("says") == Claim::SomebodyElses);
                    }
                }
                assert!(gave_way > 0, "both go on");
                let lesser = if one.run < two.run { &one } else { &two };
                assert_eq!(lesser.say_so(&*store).await.expect("says"), Claim::SomebodyElses);
                let greater = if one.run < two.run { &two } else { &one };
                assert_eq!(greater.say_so(&*store).await.expect("says"), Claim::Ours);
            }
        });
    }

    #[test]
    fn a_run_that_ended_or_is_ours_is_not_watched() {
        block(async {
            let (store, former, now) = (store().await, presence("former"), presence("now"));
            assert_eq!(now.claim(&*store).await.expect("claims"), Claim::Ours, "nobody was there");
            former.tell(&*store, true).await.expect("tells");
            assert_eq!(now.claim(&*store).await.expect("claims"), Claim::Ours, "it has ended");
            now.tell(&*store, false).await.expect("tells");
            assert_eq!(now.claim(&*store).await.expect("claims"), Claim::Ours, "opened again");
            store.set_metadata(KEY, b"something of a later version").await.expect("writes");
            assert_eq!(now.claim(&*store).await.expect("claims"), Claim::Ours, "no sign that means anything");
        });
    }

    #[test]
    fn another_id_is_told_to_whoever_writes_it_down() {
        let presence = presence("one");
        let told = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&told);
        presence.when_renewed(Box::new(move || seen.store(true, Ordering::SeqCst)));
        let before = presence.id();
        presence.renew();
        assert_ne!(presence.id(), before);
        assert_eq!(presence.instance().name, "one");
        assert!(told.load(Ordering::SeqCst));
    }
}
