//! `run`: watches until asked to stop.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::broadcast;

use super::announce::Announcer;
use super::args::{LogFormat, Run};
use super::desk::Desk;
use super::exit::{Exit, Trouble};
use super::live;
use super::logs::{LogLines, LogSink};
use super::open::{self, Running};
use super::validate;
use crate::config::{self, LogOutput, Logging};
use crate::control::Answers;
use crate::event::Event;
use crate::telemetry;

/// Longest time that draining may take; less than the 5 seconds in which the process is to end.
const DRAIN: Duration = Duration::from_millis(4_800);
/// Draining that takes less is not spoken of.
const UNNOTICED: Duration = Duration::from_millis(500);

/// Watches: with a table on a terminal, with lines elsewhere.
pub(super) async fn run(desk: &mut Desk, args: &Run) -> Result<Exit, Trouble> {
    let table = args.log_format.is_none() && !desk.json && desk.out.is_terminal && io::stdin().is_terminal();
    let config = open::load(desk, &desk.config).map_err(|refused| validate::trouble(&desk.config, &refused))?;
    let format = match (args.log_format, config.logging.format) {
        (Some(format), _) => format,
        (None, _) if desk.json => LogFormat::Json,
        (None, Some(config::LogFormat::Json)) => LogFormat::Json,
        (None, Some(config::LogFormat::Text) | None) => LogFormat::Text,
    };
    let log = start_log(args, format, table, &config.logging)?;
    let mut stop = StopSignals::listen(table)?;
    let Running { answers, events, stop: end } = open::start(desk, &config)?;
    drop(config);
    let ended = if table {
        show_table(desk, answers, &mut stop).await
    } else {
        follow(desk, &*answers, events, format, &mut stop).await
    };
    let drained = drain(end, stop).await;
    for line in log.take() {
        io::stderr().write_all(line.as_bytes())?;
    }
    ended?;
    drained
}

/// What the arguments say comes first, then the configuration.
fn start_log(args: &Run, format: LogFormat, table: bool, logging: &Logging) -> Result<LogSink, Trouble> {
    let file = match (&args.log_file, &logging.output) {
        (Some(file), _) | (None, Some(LogOutput::File(file))) => Some(file),
        (None, Some(LogOutput::Stdout | LogOutput::Stderr) | None) => None,
    };
    let log = match file {
        Some(file) => LogSink::file(file)
            .map_err(|error| Trouble::Wrong(format!("cannot write the log file {}: {error}", file.display())))?,
        None if table => LogSink::kept(),
        None => LogSink::Stderr,
    };
    let usual = if table { "warn" } else { logging.level };
    let level = args.log_level.as_deref().unwrap_or(usual);
    let format = match format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    let lines = LogLines::new(log.clone(), &logging.fields, format == telemetry::LogFormat::Json);
    telemetry::start(format, level, lines);
    Ok(log)
}

/// Shows the table on a thread of its own, until it is left or a signal comes.
async fn show_table(desk: &Desk, answers: Arc<dyn Answers>, stop: &mut StopSignals) -> Result<(), Trouble> {
    let leave = Arc::new(AtomicBool::new(false));
    let table = live::Table {
        answers,
        clock: desk.clock.clone(),
        zone: desk.zone.clone(),
        colour: desk.paint.is_on(),
        config: desk.config.clone(),
    };
    let runtime = tokio::runtime::Handle::current();
    let left = leave.clone();
    let mut screen = tokio::task::spawn_blocking(move || table.show(&runtime, &left));
    let shown = tokio::select! {
        shown = &mut screen => shown,
        () = stop.wait() => {
            leave.store(true, Ordering::Relaxed);
            screen.await
        }
    };
    match shown {
        Ok(shown) => Ok(shown?),
        Err(error) => Err(Trouble::Unable(format!("the table ended by a fault: {error}"))),
    }
}

/// Writes a line for each change, until a signal comes, the core ends or nobody reads any more.
async fn follow(
    desk: &mut Desk,
    answers: &dyn Answers,
    events: broadcast::Receiver<Event>,
    format: LogFormat,
    stop: &mut StopSignals,
) -> Result<(), Trouble> {
    let mut announcer = Announcer { out: &mut desk.out, format, clock: &*desk.clock, zone: &desk.zone, answers };
    tokio::select! {
        written = announcer.follow(events) => Ok(written?),
        () = stop.wait() => Ok(()),
    }
}

/// Lets the core finish. A second signal ends the process at once.
async fn drain(end: Box<dyn FnOnce() + Send>, mut stop: StopSignals) -> Result<Exit, Trouble> {
    let mut ending = tokio::task::spawn_blocking(end);
    let done = async {
        if let Ok(done) = tokio::time::timeout(UNNOTICED, &mut ending).await {
            return Ok(done);
        }
        if io::stderr().is_terminal() {
            // Only a hint: where it cannot be written nobody misses it.
            let _ = writeln!(io::stderr(), "Writing what is left; Ctrl-C ends it at once.");
        }
        tokio::time::timeout(DRAIN - UNNOTICED, ending).await
    };
    tokio::select! {
        done = done => match done {
            Ok(Ok(())) => Ok(Exit::Fine),
            Ok(Err(error)) => Err(Trouble::Unable(format!("the core ended by a fault: {error}"))),
            Err(_) => Err(Trouble::Unable(format!(
                "not everything could be written within {} ms; what was acknowledged is kept", DRAIN.as_millis()
            ))),
        },
        () = stop.wait() => Err(Trouble::Unable("ended at once, as asked; the last second may be missing".to_owned())),
    }
}

/// What asks a process to stop: Ctrl-C and SIGTERM, and under the table also SIGHUP: its terminal is gone. Elsewhere
/// SIGHUP keeps its meaning, so that `nohup` works.
struct StopSignals {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl StopSignals {
    #[cfg(unix)]
    fn listen(table: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if table {
            kinds.push(SignalKind::hangup());
        }
        let signals = kinds.into_iter().map(signal).collect::<io::Result<_>>()?;
        Ok(Self { signals })
    }

    #[cfg(unix)]
    async fn wait(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[cfg(not(unix))]
    fn listen(_table: bool) -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn wait(&mut self) {
        // Fails only where the system has no such signal: then nothing ever asks.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
