//! Whole sequences through the recorder: what it writes, what it says, what the board shows, and that a restart gives
//! the same again.

#![allow(clippy::expect_used, unreachable_pub, reason = "a test that cannot go on fails; modules share a crate")]

mod house;
mod restart;

use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::Clock;
use hallmonitor::event::Event;
use hallmonitor::model::{
    Coverage, Evidence, FactKey, Failure, Gap, GapReason, IncidentEnd, MonitorId, Row, Seen, Span, State, Thresholds,
    UnixMicros, Verdict,
};
use hallmonitor::probe::Observation;
use house::{House, MINUTE, SECOND, START, edited, minute, monitor, seen};
use uuid::Uuid;

#[test]
fn one_and_one_as_in_hallmonitor() {
    let web = monitor(1, 1, 1);
    let mut house = House::with(&[&web]);
    house.minutes(&web, "uduud");
    use State::{Down, Pending, Up};
    assert_eq!(house.heard_states(), [(Pending, Up), (Up, Down), (Down, Up), (Up, Down)]);
    let incidents = house.rows.incidents();
    assert_eq!(incidents.len(), 2);
    assert_eq!(incidents[0].span(START), Span::new(minute(2), minute(3)));
    assert_eq!(incidents[0].message, "refused");
    assert!(incidents[1].is_open());
}

#[test]
fn by_default_down_after_two_and_up_after_one() {
    let web = monitor(1, Thresholds::default().failures, Thresholds::default().recoveries);
    let mut house = House::with(&[&web]);
    house.minutes(&web, "u");
    assert_eq!(house.after(MINUTE, &web, seen('d')), Some(Duration::from_secs(10)));
    assert_eq!(house.state(&web), State::Up, "not confirmed");
    assert_eq!(house.row(&web).failures_in_row, 1);
    assert!(house.rows.incidents().is_empty());
    assert_eq!(house.after(10 * SECOND, &web, seen('d')), None, "confirmed");
    let row = house.row(&web);
    assert_eq!((row.state, row.since), (State::Down, minute(2)));
    let incident = house.rows.incidents()[0].clone();
    assert_eq!(row.incident, Some(incident.id));
    assert_eq!((incident.opened, incident.confirmed), (minute(2), minute(2).plus_us(10 * SECOND)));
    house.after(50 * SECOND, &web, seen('u'));
    assert_eq!(house.state(&web), State::Up);
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Recovered(minute(3)));
    let kinds: Vec<&str> = house
        .heard()
        .iter()
        .map(|event| match event {
            Event::StateChanged { .. } => "state",
            Event::IncidentOpened { .. } => "opened",
            Event::IncidentClosed { .. } => "closed",
            Event::MonitorsChanged => "monitors",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["monitors", "state", "state", "opened", "state", "closed"]);
    assert_eq!(house.checked(), 4, "results go a way of their own");
}

#[test]
fn flapping_never_alarms_below_the_threshold() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, &"ud".repeat(100));
    assert!(house.rows.incidents().is_empty());
    assert_eq!(house.rows.results().len(), 200);
}

#[test]
fn degraded_is_shown_and_is_no_incident() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "uggg");
    assert_eq!(house.state(&web), State::Degraded);
    assert_eq!(house.row(&web).last.expect("checked").message.as_ref(), "10 days left");
    assert!(house.rows.incidents().is_empty());
}

#[test]
fn a_storm_of_inconclusive_results_blames_nobody() {
    let monitors: Vec<_> = (1..=50).map(|number| monitor(number, 1, 1)).collect();
    let mut house = House::with(&monitors.iter().collect::<Vec<_>>());
    for monitor in &monitors {
        house.after(1, monitor, seen('u'));
    }
    for _ in 0..10 {
        house.clock.advance_us(MINUTE);
        for monitor in &monitors {
            assert_eq!(house.after(1, monitor, seen('i')), None);
        }
    }
    assert_eq!(house.board.counts().unobserved, 50);
    assert_eq!(house.row(&monitors[0]).gap, Some(GapReason::Offline));
    assert!(house.rows.incidents().is_empty());
    assert!(house.rows.gaps().is_empty(), "coverage derives these from the results");
    let started = house.heard().iter().filter(|event| matches!(event, Event::GapStarted { .. })).count();
    assert_eq!(started, 50);
    house.minutes(&monitors[0], "u");
    assert_eq!(house.state(&monitors[0]), State::Up);
    assert_eq!(house.row(&monitors[0]).gap, None);
    assert!(house.heard().iter().any(|event| matches!(event, Event::GapEnded { reason: GapReason::Offline, .. })));
}

#[test]
fn a_sleep_in_the_middle_of_a_failure_run_confirms_nothing() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "ud");
    house.clock.sleep_us(8 * 60 * MINUTE);
    let woke = house.clock.wall();
    house.recorder.gap_ended(minute(2), woke, GapReason::Asleep);
    house.recorder.interrupted();
    house.minutes(&web, "d");
    assert_eq!(house.state(&web), State::Up, "the run starts anew");
    house.minutes(&web, "d");
    let incident = house.rows.incidents()[0].clone();
    assert_eq!(incident.opened, woke.plus_us(MINUTE));
    let asleep = Gap { monitor: MonitorId::ALL, span: Span::new(minute(2), woke), reason: GapReason::Asleep };
    assert_eq!(house.rows.gaps(), [asleep]);
}

#[test]
fn a_clock_that_is_set_gives_no_negative_times_and_no_result_twice() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "uuud");
    // Back onto the very instants that are taken.
    house.clock.set_wall(START);
    house.minutes(&web, "duuuddd");
    house.clock.set_wall(START.plus_us(3_000 * MINUTE));
    house.minutes(&web, "dud");
    house.clock.set_wall(START.plus_us(2 * MINUTE));
    house.minutes(&web, "dduu");
    let mut times: Vec<_> = house.rows.results().iter().map(|result| result.time).collect();
    let count = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), count, "two results have one key");
    assert_eq!(count, 18);
    let now = house.clock.wall();
    assert_eq!(house.rows.incidents().len(), 3);
    for incident in house.rows.incidents() {
        assert!(incident.opened <= incident.confirmed, "{incident:?}");
        let span = incident.span(now);
        assert!(incident.confirmed <= span.to, "{incident:?}");
    }
}

#[test]
fn an_outage_counts_as_down_after_the_clock_was_set_back() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    let hour = 60 * MINUTE;
    let down_us = |house: &House, from: UnixMicros| {
        let results: Vec<_> = house.rows.results().iter().map(Seen::from).collect();
        let (incidents, now) = (house.rows.incidents(), house.clock.wall());
        let evidence = Evidence { results: &results, gaps: &[], incidents: &incidents, now };
        let window = Span::new(from, now);
        (Coverage::of(&evidence, window).times(window), window.us())
    };
    // An outage is over before the clock is set back; another one follows.
    house.clock.advance_us(3 * hour);
    house.minutes(&web, "uddu");
    house.clock.set_wall(house.clock.wall().minus_us(hour));
    house.minutes(&web, "d");
    let first = house.clock.wall();
    house.minutes(&web, "dddd");
    let (times, all) = down_us(&house, first);
    assert_eq!((times.down_us, times.observed_us()), (all, all));
    assert_eq!(house.row(&web).since, first, "not in the future");
    // The clock is set back in the middle of that one.
    house.clock.set_wall(house.clock.wall().minus_us(hour));
    house.minutes(&web, "d");
    let again = house.clock.wall();
    house.minutes(&web, "dddd");
    let (times, all) = down_us(&house, again);
    assert_eq!((times.down_us, times.observed_us()), (all, all));
    assert_eq!((house.state(&web), house.row(&web).since), (State::Down, again));
    house.minutes(&web, "u");
    assert_eq!(house.rows.incidents()[0].span(START), Span::new(again, house.clock.wall()));
}

#[test]
fn hours_without_a_network_confirm_nothing() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "ud");
    house.minutes(&web, &"i".repeat(180));
    house.minutes(&web, "d");
    assert!(house.rows.incidents().is_empty(), "the failures are three hours apart");
    house.minutes(&web, "d");
    assert_eq!(house.rows.incidents()[0].opened, minute(183));
}

#[test]
fn results_of_removed_paused_and_retargeted_monitors_are_dropped() {
    let (web, mail) = (monitor(1, 1, 1), monitor(2, 1, 1));
    let house = House::with(&[&web, &mail]);
    house.recorder.pause(&[web.id], None);
    assert_eq!(house.after(SECOND, &web, seen('d')), None);
    house.recorder.resume(&[web.id]);
    let moved = edited(&web, |monitor| monitor.target = "localhost:99".into());
    house.set(&[&moved]);
    house.after(SECOND, &web, seen('d'));
    house.after(SECOND, &mail, seen('d'));
    assert!(house.rows.results().is_empty() && house.rows.incidents().is_empty());
    assert_eq!(house.board.row(mail.id), None);
    // A check that began before an edit of the interval is one of this monitor.
    let slower = edited(&moved, |monitor| monitor.interval = Duration::from_secs(600));
    house.set(&[&slower]);
    house.after(SECOND, &moved, seen('u'));
    assert_eq!(house.rows.results().len(), 1);
}

#[test]
fn no_result_slips_into_a_pause_that_comes_from_another_thread() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    let (recorder, clock) = (&house.recorder, &house.clock);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_000 {
                recorder.record(&web, clock.wall(), 5_000, seen(if number % 3 == 0 { 'd' } else { 'u' }));
            }
        });
        for _ in 0..500 {
            assert_eq!(recorder.pause(&[web.id], None), [web.id]);
            clock.advance_us(SECOND);
            assert_eq!(recorder.resume(&[web.id]), [web.id]);
        }
    });
    let mut paused = false;
    for row in house.rows.all() {
        match row {
            Row::Gap(_) => paused = !paused,
            Row::Result(result) => assert!(!paused, "{result:?} was written within a pause"),
            _ => {}
        }
    }
    assert_eq!(house.rows.gaps().len(), 500);
}

#[test]
fn removal_and_a_new_target_end_an_incident_unknown() {
    let (web, mail, dns) = (monitor(1, 1, 1), monitor(2, 1, 1), monitor(3, 1, 1));
    let mut house = House::with(&[&web, &mail, &dns]);
    for _ in 0..3 {
        house.minutes(&web, "d");
        house.after(0, &mail, seen('d'));
        house.after(0, &dns, seen('d'));
    }
    house.clock.advance_us(20 * SECOND);
    let moved = edited(&mail, |monitor| monitor.target = "localhost:99".into());
    let renamed = edited(&dns, |monitor| monitor.name = "another name".into());
    house.heard();
    house.set(&[&moved, &renamed]);
    let ends: Vec<_> = house.rows.incidents().into_iter().map(|incident| (incident.monitor, incident.end)).collect();
    assert!(ends.contains(&(web.id, IncidentEnd::Unknown(minute(3)))), "{ends:?}");
    assert!(ends.contains(&(mail.id, IncidentEnd::Unknown(minute(3)))), "{ends:?}");
    assert!(ends.contains(&(dns.id, IncidentEnd::Open)), "a rename changes nothing");
    assert_eq!(house.state(&moved), State::Pending);
    assert_eq!(house.row(&moved).last, None);
    assert_eq!(house.row(&renamed).monitor.name, "another name");
    let closed = house.heard().iter().filter(|event| matches!(event, Event::IncidentClosed { .. })).count();
    assert_eq!(closed, 2);
}

#[test]
fn a_pause_is_a_gap_that_grows_and_ends() {
    let (web, mail) = (monitor(1, 2, 1), monitor(2, 2, 1));
    let mut house = House::with(&[&web, &mail]);
    house.minutes(&web, "ud");
    let paused_at = house.clock.wall();
    let until = paused_at.plus_us(10 * MINUTE);
    assert_eq!(house.recorder.pause(&[web.id, MonitorId::new(Uuid::from_u128(77))], Some(until)), [web.id]);
    assert!(house.recorder.pause(&[web.id], Some(until)).is_empty(), "paused already");
    let row = house.row(&web);
    assert_eq!((row.state, row.paused_until, row.gap), (State::Paused, Some(until), Some(GapReason::Paused)));
    let gap = |to| Gap { monitor: web.id, span: Span::new(paused_at, to), reason: GapReason::Paused };
    assert_eq!(house.rows.gaps(), [gap(paused_at)]);
    for _ in 0..130 {
        house.clock.advance_us(SECOND);
        house.recorder.heartbeat(house.clock.wall());
        assert!(house.recorder.expire_pauses(house.clock.wall()).is_empty());
    }
    assert_eq!(house.rows.gaps(), [gap(paused_at.plus_us(2 * MINUTE))], "written once a minute");
    assert_eq!(house.rows.all().len(), 5, "two results, the gap three times");
    house.clock.advance_us(20 * MINUTE);
    assert_eq!(house.recorder.expire_pauses(house.clock.wall()), [web.id]);
    assert_eq!(house.rows.gaps(), [gap(until)]);
    assert_eq!(house.state(&web), State::Up, "as it was");
    house.minutes(&web, "d");
    assert_eq!(house.state(&web), State::Up, "the failure before the pause counts no more");
    assert!(house.recorder.resume(&[web.id]).is_empty(), "not paused");
    let up_and_paused = [(State::Pending, State::Up), (State::Up, State::Paused), (State::Paused, State::Up)];
    assert_eq!(house.heard_states(), up_and_paused);
}

#[test]
fn instance_wide_gaps_grow_and_never_share_a_key() {
    let web = monitor(1, 2, 1);
    let mut house = House::with(&[&web]);
    house.recorder.gap_started(START, GapReason::Offline);
    house.recorder.gap_started(START.plus_us(9), GapReason::Offline);
    house.recorder.gap_ended(START, START.plus_us(5 * SECOND), GapReason::Overload);
    house.clock.advance_us(MINUTE);
    house.recorder.heartbeat(house.clock.wall());
    assert_eq!(house.row(&web).gap, Some(GapReason::Offline));
    let of = |from: u64, to: u64, reason| Gap {
        monitor: MonitorId::ALL,
        span: Span::new(START.plus_us(from), START.plus_us(to)),
        reason,
    };
    let overload = of(1, 5 * SECOND, GapReason::Overload);
    assert_eq!(house.rows.gaps(), [of(0, MINUTE, GapReason::Offline), overload]);
    // The clock was set back: the end is not before what was written.
    house.recorder.gap_ended(START, START.minus_us(MINUTE), GapReason::Offline);
    assert_eq!(house.rows.gaps(), [of(0, MINUTE, GapReason::Offline), overload]);
    assert_eq!(house.row(&web).gap, None);
    house.recorder.gap_ended(START, START.minus_us(5), GapReason::Clock);
    assert_eq!(house.rows.gaps().len(), 2, "no gap of negative length");
    let heard = house.heard();
    let count = |wanted: fn(&Event) -> bool| heard.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::GapStarted { .. })), 2);
    assert_eq!(count(|event| matches!(event, Event::GapEnded { .. })), 2);
}

#[test]
fn a_monitor_that_cannot_run_is_pending_and_says_why() {
    let (web, mail) = (monitor(1, 1, 1), monitor(2, 1, 1));
    let mut house = House::with(&[&web, &mail]);
    house.minutes(&web, "d");
    let unfilled = edited(&web, |monitor| monitor.target = "${secret:host}".into());
    let reason = "the vault holds no secret named `host`";
    house.recorder.set_monitors(vec![Arc::clone(&mail)], vec![(unfilled, reason.into())]);
    let row = house.row(&web);
    assert_eq!((row.state, row.pending_reason.as_deref()), (State::Pending, Some(reason)));
    assert_eq!(house.heard_states().last(), Some(&(State::Down, State::Pending)));
    assert!(house.rows.incidents()[0].is_open());
    house.set(&[&web, &mail]);
    assert_eq!(house.state(&web), State::Down, "it watches the same as before");
    house.minutes(&web, "u");
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Recovered(minute(2)));
}

#[test]
fn what_a_probe_says_is_cleaned_and_made_consistent() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    let mut hostile = Observation::failed(Failure::Protocol, format!("a\0b\u{202e}{}", "x".repeat(5_000)));
    hostile.duration_us = Some(7);
    hostile.facts.set(FactKey::HttpStatus, 500);
    house.after(SECOND, &web, hostile);
    let down_by_us = Observation { verdict: Verdict::Down, ..seen('i') };
    house.after(SECOND, &web, down_by_us);
    house.after(SECOND, &web, Observation { verdict: Verdict::Down, ..Observation::up() });
    house.after(SECOND, &web, Observation { verdict: Verdict::Up, ..seen('d') });
    let results = house.rows.results();
    assert!(results[0].message.starts_with("a b xxx") && results[0].message.len() <= 512);
    assert_eq!((results[0].duration_us, results[1].duration_us), (7, 5_000));
    let said: Vec<_> = results.iter().map(|result| (result.verdict, result.failure)).collect();
    assert_eq!(
        said,
        [
            (Verdict::Down, Some(Failure::Protocol)),
            (Verdict::Inconclusive, Some(Failure::Resolver)),
            (Verdict::Down, Some(Failure::Protocol)),
            (Verdict::Up, None),
        ]
    );
}

#[test]
fn the_board_speaks_documented_json() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    let before = house.board.revision();
    house.minutes(&web, "u");
    assert!(house.board.revision() > before);
    let rows = serde_json::to_value(house.board.snapshot()).expect("json");
    let row = &rows[0];
    assert_eq!(row["monitor"], "monitor 1");
    assert_eq!(row["monitor_id"], web.id.to_string());
    assert_eq!((&row["kind"], &row["state"]), (&"tcp".into(), &"up".into()));
    assert_eq!(row["interval_us"], 60_000_000);
    assert_eq!(row["labels"]["Owner"], "ops");
    assert_eq!(row["since"], minute(1).to_string());
    assert_eq!(row["spark"][0]["duration_us"], 5_000);
    assert_eq!(row["last"]["verdict"], "up");
}
