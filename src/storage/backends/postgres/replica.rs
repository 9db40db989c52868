//! Read replicas: they answer for the server when they know everything that we were told is written.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Postgres as Server;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;

use super::connect::Way;
use super::fault::ID;
use super::settings::Postgres;
use crate::clock::{Clock, Mono};
use crate::storage::{StoreError, StoreErrorKind};

/// Longest wait for a connection to a replica: the server itself is there too.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A replica that failed is left alone for so long, in microseconds.
const REST_US: u64 = 30_000_000;

/// The replicas of a server.
#[derive(Debug)]
pub(super) struct Replicas {
    all: Vec<Replica>,
    next: AtomicUsize,
    /// Position in the server's log after our last write.
    written: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Replica {
    address: String,
    pool: PgPool,
    /// Left alone until then, by the monotonic clock.
    rests_until: AtomicU64,
}

impl Replicas {
    pub(super) fn new(settings: &Arc<Postgres>, way: &Way, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let addresses = settings.replica_addresses().map_err(|what| {
            StoreError::new(StoreErrorKind::Misconfigured, ID, "open", format!("`replicas`: {what}"))
        })?;
        let replica = |(host, port): (String, u16)| Replica {
            address: format!("{host}:{port}"),
            pool: way.to(&host, port).pool(settings, ACQUIRE.min(settings.acquire_timeout.duration())),
            rests_until: AtomicU64::new(0),
        };
        let all = addresses.into_iter().map(replica).collect();
        Ok(Self { all, next: AtomicUsize::new(0), written: Mutex::default(), clock })
    }

    pub(super) fn are_there(&self) -> bool {
        !self.all.is_empty()
    }

    /// Everything up to this position in the server's log was acknowledged.
    pub(super) fn written(&self, position: String) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }

    /// A connection to a replica that has played back what we wrote, and which one it is. None before our first write:
    /// nobody knows then how far a replica must be.
    pub(super) async fn connection(&self) -> Option<(PoolConnection<Server>, usize)> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let now = self.clock.mono();
        for _ in 0..self.all.len() {
            let at = self.next.fetch_add(1, Ordering::Relaxed) % self.all.len();
            let replica = &self.all[at];
            if Mono(replica.rests_until.load(Ordering::Relaxed)) > now {
                continue;
            }
            match replica.knows(&written).await {
                Ok(Some(connection)) => return Some((connection, at)),
                Ok(None) => {}
                Err(error) => self.failed(at, &error),
            }
        }
        None
    }

    /// A replica did not answer: it is left alone for a while.
    pub(super) fn failed(&self, at: usize, error: &sqlx::Error) {
        let Some(replica) = self.all.get(at) else { return };
        tracing::warn!(replica = replica.address, %error, "a read replica failed; the server itself answers");
        replica.rests_until.store(self.clock.mono().plus_us(REST_US).0, Ordering::Relaxed);
    }

    pub(super) async fn close(&self) {
        for replica in &self.all {
            replica.pool.close().await;
        }
    }
}

impl Replica {
    /// A connection, if the replica has played back the log up to `written`.
    async fn knows(&self, written: &str) -> Result<Option<PoolConnection<Server>>, sqlx::Error> {
        const ASK: &str =
            "SELECT pg_is_in_recovery() AND coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)";
        let mut connection = self.pool.acquire().await?;
        let knows: bool = sqlx::query_scalar(ASK).bind(written).fetch_one(&mut *connection).await?;
        Ok(knows.then_some(connection))
    }
}
