//! Where the socket is, and how it is bound so that only its owner can use it.

use std::io;
use std::path::{Path, PathBuf};

use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{ListenerOptions, Name};

/// The socket's name in the data folder.
pub const SOCKET_NAME: &str = "control.sock";

/// The socket of a data folder.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET_NAME)
}

#[cfg(unix)]
fn name(data_dir: &Path) -> io::Result<Name<'static>> {
    use interprocess::local_socket::{GenericFilePath, ToFsName as _};
    path(data_dir).to_fs_name::<GenericFilePath>()
}

/// Named pipes live outside the file system: the folder's path becomes the pipe's name.
#[cfg(windows)]
fn name(data_dir: &Path) -> io::Result<Name<'static>> {
    use interprocess::local_socket::{GenericNamespaced, ToNsName as _};
    let folder = std::path::absolute(data_dir)?;
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, folder.to_string_lossy().to_lowercase().as_bytes());
    format!("hallmonitor-{id}").to_ns_name::<GenericNamespaced>()
}

/// Connects to whoever holds the folder.
pub(super) async fn connect(data_dir: &Path) -> io::Result<Stream> {
    Stream::connect(name(data_dir)?).await
}

/// Whether a failed connect means that nobody listens.
pub(super) fn nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Listens in the folder, with mode 0600. A socket file whose owner is gone is replaced, one that answers is not.
pub(super) async fn bind(data_dir: &Path) -> io::Result<Listener> {
    match create(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match connect(data_dir).await {
                Ok(_) => return Err(error),
                Err(refused) if nobody_there(&refused) => {}
                Err(other) => return Err(other),
            }
            tracing::debug!(socket = %path(data_dir).display(), "replacing the socket of a process that is gone");
            remove(data_dir)?;
            create(data_dir)
        }
        other => other,
    }
}

#[cfg(unix)]
fn create(data_dir: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::PermissionsExt as _;

    use interprocess::os::unix::local_socket::ListenerOptionsExt as _;

    let options = || Ok::<_, io::Error>(ListenerOptions::new().name(name(data_dir)?).reclaim_name(false));
    match options()?.mode(0o600).create_tokio() {
        // Where a socket's mode cannot be set before it is bound, the folder's own mode covers the moment between.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let listener = options()?.create_tokio()?;
            std::fs::set_permissions(path(data_dir), std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        }
        other => other,
    }
}

#[cfg(windows)]
fn create(data_dir: &Path) -> io::Result<Listener> {
    ListenerOptions::new().name(name(data_dir)?).create_tokio()
}

/// Removes the socket file; nothing there is fine.
pub(super) fn remove(data_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
