//! A PostgreSQL of a bench's own.

use std::path::Path;
use std::sync::Arc;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::InstanceId;
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{TestServer, URL, Wanted};
use hallmonitor::storage::{Backend, BackendEnv};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

/// The server of a measurement: the one that the environment names, else one of its own.
pub(crate) struct Server(Option<TestServer>);

impl Server {
    /// With the configuration it comes with: it syncs to the disk, and has 128 MB of buffers.
    pub(crate) fn start() -> Self {
        Self::with(&["fsync = on", "max_wal_size = 1GB"])
    }

    /// One into which much is written for a start, and the disk is not what is measured.
    pub(crate) fn to_be_filled() -> Self {
        Self::with(&[
            "fsync = off",
            "full_page_writes = off",
            "wal_level = minimal",
            "max_wal_senders = 0",
            "max_wal_size = 16GB",
            "checkpoint_timeout = 1h",
            "autovacuum = off",
        ])
    }

    fn with(conf: &[&str]) -> Self {
        if std::env::var_os(URL).is_some() {
            return Self(None);
        }
        let conf = conf.iter().chain(&["shared_buffers = 128MB"]).map(|line| (*line).to_owned()).collect();
        let server = TestServer::start(&Wanted { conf, ..Wanted::default() });
        Self(Some(server.expect("PostgreSQL is on this machine (cargo xtask setup)")))
    }

    /// Settings of an empty database, which is another one for each folder.
    pub(crate) async fn database(&self, folder: &Path) -> Postgres {
        match &self.0 {
            Some(server) => server.database(&format!("b_{}", uuid::Uuid::new_v4().simple())).await,
            None => Postgres::test_instance(&env(folder)).await.expect("the server takes us"),
        }
    }
}

/// What a store gets of us.
pub(crate) fn env(folder: &Path) -> BackendEnv {
    BackendEnv {
        data_dir: folder.to_owned(),
        instance: InstanceId::new(uuid::Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

/// A connection of our own to what a store has made.
pub(crate) async fn connect(settings: &Postgres) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host(&settings.host)
        .port(settings.port)
        .username(&settings.user)
        .password(&settings.password)
        .database(&settings.database)
        .options([("search_path", settings.schema.as_str())])
        .connect()
        .await
        .expect("connects")
}
