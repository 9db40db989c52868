//! Backend `postgres`: history in a schema of a PostgreSQL server, with TimescaleDB where the database has it.
//!
//! It promises: an append is one transaction; a row that is there twice is there once; instances that share the server
//! never see each other's rows; a call ends in time, whatever the server does.
//!
//! | file | what is in it |
//! |---|---|
//! | `settings.rs` | the settings |
//! | `connect.rs` | from settings to connections |
//! | `schema.rs`, `migrations/` | the tables, and how they come to be |
//! | `store.rs` | the store: brings calls to connections |
//! | `append.rs`, `copy.rs` | writing rows |
//! | `read.rs` | reading rows |
//! | `status.rs` | its size, by what it is taken by, and its ends |
//! | `share.rs` | what of that is one's own, where several instances share the schema |
//! | `together.rs` | reading rows of several monitors in one question |
//! | `upkeep.rs`, `scan.rs` | prune and forget; everything in one order |
//! | `replica.rs` | read replicas |
//! | `diagnose.rs` | a look at the way to the server, step by step |
//! | `wire.rs` | values as the server knows them |
//! | `face.rs` | how it looks to a person who chooses one |
//! | `fault.rs` | the server's errors in the words of the seam |
//! | `test_server.rs` | a throw-away server for tests |
//!
//! How a server is prepared: `docs/storage.md`.

mod append;
mod connect;
mod copy;
mod diagnose;
mod face;
mod fault;
mod read;
mod replica;
mod scan;
mod schema;
mod settings;
mod share;
mod status;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod test_server;
mod together;
mod upkeep;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::settings::{Postgres, SslMode};
use crate::model::{FieldError, FieldSpec};
use crate::storage::{Backend, BackendEnv, Face, HearSteps, ResultStore, Step, StoreError, StoreErrorKind, TakenApart};

#[async_trait]
impl Backend for Postgres {
    const ID: &'static str = fault::ID;
    const FIELDS: &'static [FieldSpec] = settings::FIELDS;
    const SHARED: bool = true;
    const FREES_ROOM: bool = true;
    const FACE: Face = face::FACE;

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn contact(&self) -> String {
        format!("{}:{}", Self::ID, self.address())
    }

    fn take_apart(address: &str) -> Option<TakenApart> {
        face::take_apart(address)
    }

    async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        let settings = self.checked("open")?;
        let store = store::PostgresStore::open(settings, env.instance, Arc::clone(&env.clock)).await?;
        Ok(Arc::new(store))
    }

    async fn migrate(&self, _env: &BackendEnv) -> Result<String, StoreError> {
        let settings = self.checked("migrate")?;
        let (_, mut connection) = connect::Way::find(&settings, "migrate").await?;
        schema::ready(&mut connection, &settings, "migrate").await?;
        Ok(format!(
            "the schema `{}` in `{}` is at version {}; a user that only reads and writes rows needs: {}",
            self.schema,
            self.database,
            schema::newest(),
            schema::grants(&self.schema, "hallmonitor")
        ))
    }

    async fn look(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
        diagnose::look(self, env, tell).await
    }

    #[cfg(any(test, feature = "testing"))]
    async fn test_instance(env: &BackendEnv) -> Option<Self> {
        test_server::instance(&env.data_dir).await
    }
}

impl Postgres {
    fn checked(&self, operation: &'static str) -> Result<Arc<Self>, StoreError> {
        match self.faults().first() {
            None => Ok(Arc::new(self.clone())),
            Some(fault) => {
                Err(StoreError::new(StoreErrorKind::Misconfigured, Self::ID, operation, format!("setting `{fault}`")))
            }
        }
    }
}
