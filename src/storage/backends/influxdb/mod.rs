//! Backend `influxdb`: history in two buckets of an InfluxDB 2 server, readable for people's own dashboards.
//!
//! It promises: a row that is there twice is there once, and the first of two results stays; what of a batch was lost on
//! the way is made whole when it comes again; instances that share the buckets never see each other's rows; no text is
//! ever part of a query's code; a call ends in time, whatever the server does.
//!
//! | file | what is in it |
//! |---|---|
//! | `settings.rs` | the settings |
//! | `client.rs`, `tables.rs` | requests; their answers |
//! | `flux.rs` | text of queries: values are literals |
//! | `line.rs` | line protocol |
//! | `point.rs` | rows as points |
//! | `store.rs` | the store: brings calls to its runtime |
//! | `append.rs`, `proof.rs` | writing rows; whether the server has them |
//! | `read.rs`, `rest.rs` | reading results; reading everything else |
//! | `upkeep.rs`, `scan.rs` | prune and forget; everything in one order |
//! | `room.rs` | what the buckets take |
//! | `diagnose.rs` | a look at the way to the server, step by step |
//! | `face.rs` | how it looks to a person who chooses one |
//! | `fault.rs` | the server's refusals in the words of the seam |
//! | `test_server.rs` | a throw-away server for tests |
//!
//! How a server is prepared, and what people find in it: `docs/storage.md`.

mod append;
mod client;
mod diagnose;
mod face;
mod fault;
mod flux;
mod line;
mod point;
mod proof;
mod read;
mod rest;
mod room;
mod scan;
mod settings;
mod store;
mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod test_server;
mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::settings::InfluxDb;
use crate::model::{FieldError, FieldSpec};
use crate::storage::{Backend, BackendEnv, Face, HearSteps, ResultStore, Step, StoreError, StoreErrorKind, TakenApart};

#[async_trait]
impl Backend for InfluxDb {
    const ID: &'static str = fault::ID;
    const FIELDS: &'static [FieldSpec] = settings::FIELDS;
    const SHARED: bool = true;
    const FACE: Face = face::FACE;

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn contact(&self) -> String {
        format!("{}:{}", Self::ID, self.place())
    }

    fn take_apart(address: &str) -> Option<TakenApart> {
        face::take_apart(address)
    }

    async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        let settings = self.checked("open")?;
        let store = store::InfluxStore::open(settings, env.instance, Arc::clone(&env.clock)).await?;
        Ok(Arc::new(store))
    }

    async fn look(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
        diagnose::look(self, env, tell).await
    }

    #[cfg(any(test, feature = "testing"))]
    async fn test_instance(env: &BackendEnv) -> Option<Self> {
        test_server::instance(&env.data_dir).await
    }
}

impl InfluxDb {
    fn checked(&self, operation: &'static str) -> Result<Arc<Self>, StoreError> {
        match self.faults().first() {
            None => Ok(Arc::new(self.clone())),
            Some(fault) => {
                Err(StoreError::new(StoreErrorKind::Misconfigured, Self::ID, operation, format!("setting `{fault}`")))
            }
        }
    }
}
