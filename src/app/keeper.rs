//! The thread beside the checks: control socket, file watch, heartbeat, state file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::answers::Live;
use super::core::{Core, lock};
use crate::clock::Mono;
use crate::config::FileWatch;
use crate::control::Listener;
use crate::record::AliveFile;

const BEAT: Duration = Duration::from_secs(1);
/// The state file is written at most this often.
const SAVE_EVERY_US: u64 = 5_000_000;
/// What waits for a variable, a file or a secret is tried again after this time.
const RETRY: Duration = Duration::from_secs(30);

/// Runs until it is told to stop; then ends the scheduler and writes the state file.
pub(super) async fn run(core: Arc<Core>, mut stopping: watch::Receiver<bool>) {
    let doors = tokio::spawn(serve(Arc::clone(&core), stopping.clone()));
    let mut alive = AliveFile::new(core.folder.path(), core.presence.run());
    let file = tokio::spawn(follow(Arc::clone(&core)));
    // The instance's id and the ids of its monitors are durable from the first second on.
    core.save();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = core.clock.mono();
    loop {
        tokio::select! {
            () = told(&mut stopping) => break,
            _ = beat.tick() => on_beat(&core, &mut alive, &mut saved),
        }
    }
    file.abort();
    core.runner.stop().await;
    core.save();
    core.presence.leave().await;
    if let Err(error) = alive.write(core.clock.wall()) {
        tracing::warn!(%error, "the last sign of life cannot be written");
    }
    // Ends by the same signal.
    let _ = doors.await;
}

/// Waits for the word to stop; an app that is gone has said it.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await.map(drop);
}

/// Puts each new content of the configuration file in force, and the same content again while something in it waits
/// for a variable, a file or a secret. One task for both, so that an older content never comes after a newer one.
async fn follow(core: Arc<Core>) {
    let mut file = FileWatch::new(&core.config_path, lock(&core.in_force).hash);
    let mut text = None;
    loop {
        match tokio::time::timeout(RETRY, file.changed()).await {
            Ok(bytes) => text = Some(bytes),
            Err(_) if !lock(&core.in_force).waiting => continue,
            Err(_) => {}
        }
        let bytes = match &text {
            Some(bytes) => bytes.clone(),
            None => lock(&core.in_force).text.as_bytes().to_vec(),
        };
        reload(&core, bytes).await;
    }
}

fn on_beat(core: &Arc<Core>, alive: &mut AliveFile, saved: &mut Mono) {
    core.beat();
    // A full disk is told by the journal; a stamp that is missing makes a gap longer, no more.
    let _ = alive.beat(core.clock.wall());
    let watching = Arc::clone(core);
    core.presence.beat(move || watching.reopen_store());
    let now = core.clock.mono();
    if now.since_us(*saved) >= SAVE_EVERY_US && core.recorder.dirty() {
        core.save();
        *saved = now;
    }
}

/// Reads the configuration where blocking is allowed: on files and on the vault.
async fn reload(core: &Arc<Core>, bytes: Vec<u8>) {
    let core = Arc::clone(core);
    if let Err(error) = tokio::task::spawn_blocking(move || core.reload(&bytes)).await {
        tracing::error!(%error, "reading the configuration ended by a fault");
    }
}

async fn serve(core: Arc<Core>, mut stopping: watch::Receiver<bool>) {
    let listener = match Listener::bind(core.folder.path()).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "nobody can ask: the control socket cannot be opened");
            return;
        }
    };
    listener.serve(Arc::new(Live(core)), async move { told(&mut stopping).await }).await;
}
