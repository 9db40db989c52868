//! A core with a folder of its own, and servers that can be stopped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallmonitor::app::{App, Options, Screens};
use hallmonitor::config::{self, Vars};
use hallmonitor::secret::{MemoryVault, Vault};

/// A server that accepts and counts.
pub struct Server {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("address");
        let (accepted, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&accepted), Arc::clone(&stopped));
        std::thread::spawn(move || {
            while let Ok(connection) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                drop(connection);
            }
        });
        Self { address, accepted, stopped }
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// From now on connections are refused.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
    }
}

/// A line of a TCP monitor that is checked each second.
pub fn tcp(name: &str, address: SocketAddr) -> String {
    format!("{{name: {name}, type: tcp, target: \"{address}\", interval: 1s, timeout: 1s}}")
}

/// Waits for a condition; fails after a time in which it surely would have come.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within a minute: {what}");
}

/// A running core.
pub struct House {
    app: Option<App>,
    screens: Screens,
    vault: Arc<dyn Vault>,
    folder: tempfile::TempDir,
}

impl House {
    /// With lines of one group's monitors.
    pub fn with(monitors: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("config.yml"), text(monitors)).expect("written");
        Self::start(folder)
    }

    /// With a whole file, or without any.
    pub fn with_file(text: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        if let Some(text) = text {
            fs::write(folder.path().join("config.yml"), text).expect("written");
        }
        Self::start(folder)
    }

    /// With a vault of its own kind.
    pub fn with_vault(text: &str, vault: Arc<dyn Vault>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("config.yml"), text).expect("written");
        Self::start_with(folder, vault)
    }

    fn start(folder: tempfile::TempDir) -> Self {
        Self::start_with(folder, Arc::new(MemoryVault::default()))
    }

    fn start_with(folder: tempfile::TempDir, vault: Arc<dyn Vault>) -> Self {
        let path = folder.path().join("config.yml");
        let options = Options::new(path.clone(), folder.path().join("data"), Vars::default());
        let options = Options { vault: Arc::clone(&vault), ..options };
        let config = match fs::read(&path) {
            Ok(bytes) => config::parse(&bytes, &path, &options.vars, &*options.vault),
            Err(_) => config::without_file(&path, &options.vars, &*options.vault),
        };
        let config = config.expect("a good configuration");
        let app = App::start(options, &config).expect("starts");
        Self { screens: app.screens(), app: Some(app), vault, folder }
    }

    /// Ends and begins again, with the same folder and the same vault.
    pub fn restarted(mut self) -> Self {
        assert!(self.app.take().expect("runs").stop(), "ends in time");
        let (folder, vault) =
            (std::mem::replace(&mut self.folder, tempfile::tempdir().expect("folder")), Arc::clone(&self.vault));
        drop(self);
        Self::start_with(folder, vault)
    }

    pub fn vault(&self) -> &dyn Vault {
        &*self.vault
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn screens(&self) -> Screens {
        self.screens.clone()
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    pub fn file(&self) -> String {
        fs::read_to_string(self.config_path()).expect("the file is there")
    }

    /// Puts a new file in the place of the old one, as editors do.
    pub fn configure(&self, monitors: &[String]) {
        self.write(&text(monitors));
    }

    pub fn write(&self, text: &str) {
        let new = self.folder.path().join("config.new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.config_path()).expect("renamed");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            let _ = app.stop();
        }
    }
}

fn text(monitors: &[String]) -> String {
    let mut text = "monitoring:\n  groups:\n    - name: all\n      monitors:\n".to_owned();
    for monitor in monitors {
        text += &format!("        - {monitor}\n");
    }
    text
}
