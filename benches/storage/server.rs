//! A PostgreSQL with the configuration it comes with: syncs to disk, 128 MB of buffers.

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
    pub(crate) fn start() -> Self {
        if std::env::var_os(URL).is_some() {
            return Self(None);
        }
        let conf = ["fsync = on", "shared_buffers = 128MB", "max_wal_size = 1GB"].map(str::to_owned).to_vec();
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
