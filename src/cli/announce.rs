//! `run` without a table: one line for each change of state.

use std::collections::HashMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::args::LogFormat;
use super::words;
use crate::clock::Clock;
use crate::control::{Answer, Answers, Request};
use crate::event::Event;
use crate::model::{Failure, GapReason, MonitorId, State, UnixMicros};

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum News {
    StateChanged {
        monitor_id: MonitorId,
        monitor: String,
        from: State,
        to: State,
        since: UnixMicros,
        failure: Option<Failure>,
        message: String,
    },
    GapStarted {
        at: UnixMicros,
        reason: GapReason,
    },
    GapEnded {
        at: UnixMicros,
        reason: GapReason,
    },
    ConfigurationRead {
        problems: usize,
    },
    JournalState {
        fault: Option<String>,
    },
    JournalCondensed {
        results: u64,
    },
    StorageState {
        fault: Option<String>,
    },
    Watchdog {
        stuck: bool,
    },
    Missed {
        events: u64,
    },
}

/// A line as JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: UnixMicros,
    #[serde(flatten)]
    news: &'a News,
}

/// How and where lines are written.
pub(super) struct Announcer<'a, W> {
    /// Where to.
    pub(super) out: &'a mut W,
    /// How.
    pub(super) format: LogFormat,
    /// When it is.
    pub(super) clock: &'a dyn Clock,
    /// Where it is.
    pub(super) zone: &'a TimeZone,
    /// Who knows what monitors are called.
    pub(super) answers: &'a dyn Answers,
}

/// What was told of a monitor.
#[derive(Debug)]
struct Told {
    name: String,
    state: State,
}

impl<W: Write> Announcer<'_, W> {
    /// Writes lines until the core ends.
    pub(super) async fn follow(&mut self, mut events: Receiver<Event>) -> io::Result<()> {
        let mut told = HashMap::new();
        // What happened before anybody listened.
        self.catch_up(&mut told).await?;
        loop {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(events)) => {
                    self.write(&News::Missed { events })?;
                    self.catch_up(&mut told).await?;
                    continue;
                }
                Err(RecvError::Closed) => return Ok(()),
            };
            match &event {
                Event::MonitorsChanged => self.catch_up(&mut told).await?,
                Event::StateChanged { monitor, .. } if !told.contains_key(monitor) => self.catch_up(&mut told).await?,
                _ => {}
            }
            let Some(news) = news(event, &told) else { continue };
            if let News::StateChanged { monitor_id, to, .. } = &news
                && let Some(told) = told.get_mut(monitor_id)
            {
                // Catching up may have told it already.
                if std::mem::replace(&mut told.state, *to) == *to {
                    continue;
                }
            }
            self.write(&news)?;
        }
    }

    /// Tells every state that is another one than was told last. Restored states are no news.
    async fn catch_up(&mut self, told: &mut HashMap<MonitorId, Told>) -> io::Result<()> {
        let Ok(Answer::Status(status)) = self.answers.answer(Request::Status { newer_than: None }).await else {
            return Ok(());
        };
        let mut now_told = HashMap::with_capacity(status.monitors.len());
        for monitor in status.monitors {
            let name = words::clean(&monitor.name);
            let unseen = if monitor.stale { monitor.state } else { State::Pending };
            let from = told.get(&monitor.id).map_or(unseen, |told| told.state);
            if from != monitor.state {
                self.write(&News::StateChanged {
                    monitor_id: monitor.id,
                    monitor: name.clone(),
                    from,
                    to: monitor.state,
                    since: monitor.since.unwrap_or_else(|| self.clock.wall()),
                    failure: monitor.failure,
                    message: words::clean(&monitor.message),
                })?;
            }
            now_told.insert(monitor.id, Told { name, state: monitor.state });
        }
        *told = now_told;
        Ok(())
    }

    fn write(&mut self, news: &News) -> io::Result<()> {
        let time = self.clock.wall();
        match self.format {
            LogFormat::Json => {
                serde_json::to_writer(&mut *self.out, &Line { time, news })?;
                self.out.write_all(b"\n")?;
            }
            LogFormat::Text => writeln!(self.out, "{}  {}", words::local(time, self.zone), text(news))?,
        }
        self.out.flush()
    }
}

/// What of an event is worth a line.
fn news(event: Event, told: &HashMap<MonitorId, Told>) -> Option<News> {
    Some(match event {
        Event::StateChanged { monitor, from, to, since, failure, message } => News::StateChanged {
            monitor_id: monitor,
            monitor: told.get(&monitor).map_or_else(|| monitor.to_string(), |told| told.name.clone()),
            from,
            to,
            since,
            failure,
            message: words::clean(&message),
        },
        Event::GapStarted { monitor, at, reason } if monitor.is_all() => News::GapStarted { at, reason },
        Event::GapEnded { monitor, at, reason } if monitor.is_all() => News::GapEnded { at, reason },
        Event::ConfigRead { problems } => News::ConfigurationRead { problems },
        Event::JournalState { fault } => News::JournalState { fault: fault.as_deref().map(words::clean) },
        Event::JournalCondensed { results } => News::JournalCondensed { results },
        Event::StorageState { fault } => News::StorageState { fault: fault.as_deref().map(words::clean) },
        Event::Watchdog { stuck } => News::Watchdog { stuck },
        // Incidents and a monitor's own gaps show in its state.
        Event::Checked { .. }
        | Event::IncidentOpened { .. }
        | Event::IncidentClosed { .. }
        | Event::GapStarted { .. }
        | Event::GapEnded { .. }
        | Event::MonitorsChanged => return None,
    })
}

/// The line for people: a word to search for, then whom it concerns, then why.
fn text(news: &News) -> String {
    let about = |what: &str, fault: &Option<String>| match fault {
        Some(fault) => format!("fault         {what}: {fault}"),
        None => format!("fault over    {what}"),
    };
    match news {
        News::StateChanged { monitor, from, to, failure, message, .. } => {
            let shape = words::shape(*to);
            let reason = words::reason(*failure, message);
            let reason = if reason.is_empty() { reason } else { format!(" · {reason}") };
            format!("{shape} {to:<11} {monitor} (was {from}){reason}")
        }
        News::GapStarted { reason, .. } => format!("gap           nobody is looking: {reason}"),
        News::GapEnded { reason, .. } => format!("gap over      looking again after: {reason}"),
        News::ConfigurationRead { problems: 0 } => "configuration read again, in force".to_owned(),
        News::ConfigurationRead { problems } => {
            let problems = words::plural(*problems, "problem", "problems");
            format!("configuration refused with {problems}; the former one stays in force (see `hallmonitor validate`)")
        }
        News::JournalState { fault } => about("journal", fault),
        News::JournalCondensed { results } => {
            format!("journal       is at its limit: {results} results that wait were summed up by the hour")
        }
        News::StorageState { fault } => about("storage", fault),
        News::Watchdog { stuck: true } => "fault         no check finishes any more".to_owned(),
        News::Watchdog { stuck: false } => "fault over    checks finish again".to_owned(),
        News::Missed { events } => {
            format!("missed        {events} events came faster than they could be written")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use crate::clock::SetClock;
    use crate::control::{AnswerError, MonitorStatus, Status};
    use crate::event::Events;

    /// One monitor in this state, checked or not.
    struct Known(State, bool);

    #[async_trait]
    impl Answers for Known {
        async fn answer(&self, _: Request) -> Result<Answer, AnswerError> {
            let monitor = words::tests::monitor("router\u{1b}[2J", self.0);
            let monitors = vec![MonitorStatus { stale: self.1, ..monitor }];
            Ok(Answer::Status(Status { monitors, ..Status::default() }))
        }
    }

    async fn lines(format: LogFormat, sent: Vec<Event>) -> String {
        lines_of(&Known(State::Up, true), format, sent).await
    }

    async fn lines_of(answers: &Known, format: LogFormat, sent: Vec<Event>) -> String {
        let events = Events::new();
        let listening = events.listen();
        for event in sent {
            events.send(event);
        }
        drop(events);
        let clock = Arc::new(SetClock::at(UnixMicros::new(1_700_000_000_000_000)));
        let mut out = Vec::new();
        let zone = TimeZone::UTC;
        let mut announcer = Announcer { out: &mut out, format, clock: &*clock, zone: &zone, answers };
        announcer.follow(listening).await.expect("writes");
        String::from_utf8(out).expect("text")
    }

    fn went_down() -> Event {
        Event::StateChanged {
            monitor: MonitorId::ALL,
            from: State::Up,
            to: State::Down,
            since: UnixMicros::new(1_699_999_999_000_000),
            failure: Some(Failure::Connect),
            message: "refused\n\u{7}".into(),
        }
    }

    #[tokio::test]
    async fn a_change_is_one_clean_line() {
        let said = lines(LogFormat::Text, vec![went_down()]).await;
        assert_eq!(said, "2023-11-14 22:13:20  ✕ down        router [2J (was up) · connect: refused\n");
    }

    #[tokio::test]
    async fn what_happened_before_anybody_listened_is_told_once() {
        let known = Known(State::Down, false);
        let said = lines_of(&known, LogFormat::Text, vec![went_down()]).await;
        assert_eq!(said, "2023-11-14 22:13:20  ✕ down        router [2J (was pending)\n");
        let restored = Known(State::Down, true);
        assert_eq!(lines_of(&restored, LogFormat::Text, vec![]).await, "");
    }

    #[tokio::test]
    async fn who_listens_too_slowly_is_told_what_it_missed() {
        let many: Vec<_> = (0..5_000).map(|_| Event::MonitorsChanged).collect();
        let said = lines(LogFormat::Text, many).await;
        assert!(said.contains("missed        904 events"), "{said}");
    }

    #[tokio::test]
    async fn json_has_the_same_in_fields() {
        let said = lines(LogFormat::Json, vec![went_down()]).await;
        let line: serde_json::Value = serde_json::from_str(&said).expect("one line of json");
        assert_eq!(line["event"], "state_changed");
        assert_eq!(line["monitor"], "router [2J");
        assert_eq!((&line["from"], &line["to"]), (&"up".into(), &"down".into()));
        assert_eq!(line["since"], "2023-11-14T22:13:19.000000Z");
        assert_eq!(line["time"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(line["failure"], "connect");
    }

    #[tokio::test]
    async fn our_own_troubles_are_told_and_those_of_one_monitor_are_not_told_twice() {
        let at = UnixMicros::MIN;
        let own = MonitorId::of_name(crate::model::InstanceId::new(uuid::Uuid::nil()), "a");
        let said = lines(
            LogFormat::Text,
            vec![
                Event::GapStarted { monitor: MonitorId::ALL, at, reason: GapReason::Offline },
                Event::GapStarted { monitor: own, at, reason: GapReason::Fault },
                Event::GapEnded { monitor: MonitorId::ALL, at, reason: GapReason::Offline },
                Event::ConfigRead { problems: 2 },
                Event::JournalState { fault: Some("disk full".into()) },
                Event::StorageState { fault: None },
            ],
        )
        .await;
        let words: Vec<_> = said.lines().map(|line| line.split("  ").nth(1).expect("a word").trim()).collect();
        assert_eq!(words.len(), 5, "{said}");
        assert!(said.contains("nobody is looking: offline"));
        assert!(said.contains("refused with 2 problems"));
        assert!(said.contains("journal: disk full"));
    }
}
