//! What the program says of itself: tracing, to a stream that the caller names.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            // `console` is what HallMonitor called text for people.
            "text" | "console" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("unknown log format `{text}`; allowed: text, json")),
        }
    }
}

/// Starts logging for the whole process. `level` is one of `trace`, `debug`, `info`, `warn`, `error`, `off`, or a
/// tracing filter. A second call changes nothing.
pub fn start<W>(format: LogFormat, level: &str, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false);
    // Fails only when a subscriber is set already, as in a process that holds two apps: the first one stays.
    let _ = match format {
        LogFormat::Text => builder.with_writer(writer).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_writer(writer).try_init(),
    };
}
