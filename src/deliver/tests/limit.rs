//! The journal's limit: whatever it is, after delivery each hour of a monitor has all of its results, or a rollup equal
//! to the one that they make; and nothing but results ever goes.

use std::collections::BTreeMap;

use super::*;
use crate::journal::{self, fixture::known};
use crate::model::{Evidence, Gap, GapReason, Incident, IncidentId, Rollup, Seen, Verdict, rollup_of};

const HOUR_S: u64 = 3_600;

/// What a life of some monitors produced.
#[derive(Debug, Clone)]
struct Life {
    rows: Vec<Row>,
    results: BTreeMap<(MonitorId, UnixMicros), CheckResult>,
    gaps: Vec<Gap>,
    incidents: BTreeMap<IncidentId, Incident>,
    hours: u64,
}

/// Monitors that are checked every `step` seconds for some hours; `failures` are hours in which they go down, `pauses`
/// are hours with a gap.
fn life(monitors: u64, hours: u64, step: u64, failures: &[u64], pauses: &[u64]) -> Life {
    let mut life =
        Life { rows: Vec::new(), results: BTreeMap::new(), gaps: Vec::new(), incidents: BTreeMap::new(), hours };
    (0..monitors).for_each(|number| life.rows.push(Row::Monitor(known(number))));
    for tick in 0..hours * HOUR_S / step {
        let seconds = tick * step;
        let hour = seconds / HOUR_S;
        if pauses.contains(&hour) && seconds % HOUR_S < step {
            let gap = Gap {
                monitor: MonitorId::ALL,
                span: Span::new(at(seconds + 100), at(seconds + 900)),
                reason: GapReason::Asleep,
            };
            life.gaps.push(gap);
            life.rows.push(Row::Gap(gap));
        }
        for number in 0..monitors {
            let mut result = check_result(number, seconds);
            result.interval_us = step * 1_000_000;
            // The second half of the hour and the first half of the next.
            let into = seconds % HOUR_S;
            let fails = (failures.contains(&hour) && into >= HOUR_S / 2)
                || (hour > 0 && failures.contains(&(hour - 1)) && into < HOUR_S / 2);
            if fails && number % 2 == 0 {
                result.verdict = Verdict::Down;
                let starts = failures.contains(&hour) && into < HOUR_S / 2 + step;
                if starts && into >= HOUR_S / 2 {
                    let opened = incident(number, seconds, IncidentEnd::Open);
                    life.incidents.insert(opened.id, opened.clone());
                    life.rows.push(Row::Incident(opened));
                }
            } else if let Some(open) = life.incidents.values_mut().find(|i| i.monitor == result.monitor && i.is_open())
            {
                open.end = IncidentEnd::Recovered(result.time);
                life.rows.push(Row::Incident(open.clone()));
            }
            life.results.insert((result.monitor, result.time), result.clone());
            life.rows.push(Row::Result(result));
        }
    }
    life
}

impl Life {
    /// The rollup that the results of an hour make.
    fn rollup(&self, monitor: MonitorId, hour: UnixMicros, now: UnixMicros) -> Rollup {
        let results: Vec<Seen> = self
            .results
            .range((monitor, UnixMicros::MIN)..(monitor, Tier::Hour.bucket(hour).to))
            .map(|(_, result)| Seen::from(result))
            .collect();
        let incidents: Vec<Incident> = self.incidents.values().filter(|i| i.monitor == monitor).cloned().collect();
        let evidence = Evidence { results: &results, gaps: &self.gaps, incidents: &incidents, now };
        rollup_of(monitor, Tier::Hour, hour, &evidence)
    }

    /// Every hour of every monitor in the store is whole, or summed up rightly; gives how many are summed up.
    fn check(&self, store: &MemoryStore, monitors: u64, now: UnixMicros) -> Result<u64, TestCaseError> {
        let kept = store.kept();
        let mut summed = 0;
        for number in 0..monitors {
            let id = monitor(number);
            let mut hour = Tier::Hour.bucket(at(0));
            while hour.from < at(self.hours * HOUR_S) {
                let produced: Vec<&CheckResult> =
                    self.results.range((id, hour.from)..(id, hour.to)).map(|(_, result)| result).collect();
                let stored: Vec<&CheckResult> =
                    produced.iter().filter_map(|result| kept.results.get(&(result.time, id))).collect();
                if stored != produced {
                    summed += 1;
                    let rollup = kept.rollups.get(&(id, Tier::Hour, hour.from));
                    prop_assert_eq!(rollup, Some(&self.rollup(id, hour.from, now)), "monitor {} {}", number, hour.from);
                }
                hour = Tier::Hour.bucket(hour.to);
            }
        }
        prop_assert_eq!(kept.gaps.len(), self.gaps.len());
        prop_assert_eq!(kept.incidents.len(), self.incidents.len());
        for (id, incident) in &self.incidents {
            prop_assert_eq!(kept.incidents.get(id), Some(incident), "the last version");
        }
        prop_assert_eq!(kept.monitors.len() as u64, monitors);
        Ok(summed)
    }
}

fn limited(dir: &Path, limit: u64, now_s: u64) -> DeliveryOptions {
    let mut options = options(dir);
    options.clock = Arc::new(Shifted(now_s));
    options.journal.segment_bytes = 8_000;
    options.head_bytes = 4_000;
    options.journal_limit = Some(limit);
    options
}

fn produce(delivery: &Delivery, rows: &[Row]) {
    for some in rows.chunks(50) {
        some.iter().for_each(|row| delivery.journal().push(row));
        assert!(delivery.journal().flush(LONG));
    }
}

#[test]
fn a_full_journal_is_summed_up_by_the_hour_and_told() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 100));
    store.shut.store(true, Ordering::SeqCst);
    let life = life(3, 40, 60, &[3, 7, 20], &[5, 21]);
    let now_s = 60 * HOUR_S;
    let options = limited(dir.path(), 150_000, now_s);
    let mut told = options.events.listen();
    let delivery = start(options, &store);
    produce(&delivery, &life.rows);
    until("it is below its limit", || {
        journal::size(&dir.path().join("journal")).expect("lists") <= 150_000 && delivery.metrics().condensed > 0
    });
    let condensed = delivery.metrics().condensed;
    let mut announced = 0;
    while announced < condensed {
        if let Event::JournalCondensed { results } = told.blocking_recv().expect("told") {
            announced += results;
        }
    }
    assert_eq!(delivery.journal_limit(), (Some(150_000), false));
    // What is summed up is read meanwhile.
    let asked = crate::storage::RollupQuery { monitor: monitor(1), tier: Tier::Hour, span: ALWAYS };
    let rollups = block(delivery.history().rollups(&asked)).expect("reads");
    assert!(rollups.len() > 5, "{}", rollups.len());
    assert_eq!(rollups[3], life.rollup(monitor(1), rollups[3].start, at(now_s)));
    // A restart in between changes nothing.
    assert!(delivery.stop(LONG));
    let delivery = start(limited(dir.path(), 150_000, now_s), &store);
    store.shut.store(false, Ordering::SeqCst);
    until("delivered", || delivery.status().backlog_rows == 0);
    let summed = life.check(&store, 3, at(now_s)).expect("holds");
    assert!(summed > 30, "{summed}");
    // Upkeep makes the hours and days that are missing, and leaves those alone that are final.
    let day = Tier::Day.bucket(at(0)).to;
    let made = |number| store.kept().rollups.get(&(monitor(number), Tier::Day, day)).map(|rollup| rollup.checks);
    until("the day is made", || made(2) == Some(1_440));
    assert_eq!(life.check(&store, 3, at(now_s)).expect("holds"), summed);
    assert!(delivery.stop(LONG));
}

#[test]
fn an_hour_that_is_not_decided_or_partly_delivered_keeps_its_results() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 100));
    let life = life(2, 12, 30, &[], &[]);
    let mut options = limited(dir.path(), 20_000, 30 * HOUR_S);
    let open = monitor(1);
    options.undecided = Arc::new(move |id| (id == open).then(|| at(4 * HOUR_S)));
    let delivery = start(options, &store);
    // An hour and a half is delivered, then the store is away.
    produce(&delivery, &life.rows[..360]);
    until("delivered", || delivery.status().backlog_rows == 0);
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    produce(&delivery, &life.rows[360..]);
    until("some is summed up, and it is told that the rest cannot be", || {
        delivery.journal_limit().1 && delivery.metrics().condensed > 0
    });
    store.set_mood(Mood::Well);
    until("delivered", || delivery.status().backlog_rows == 0);
    life.check(&store, 2, at(30 * HOUR_S)).expect("holds");
    let kept = store.kept();
    let undecided = life.results.range((open, at(5 * HOUR_S))..(open, UnixMicros::MAX));
    assert!(undecided.into_iter().all(|((_, time), _)| kept.results.contains_key(&(*time, open))));
    drop(kept);
    assert!(delivery.stop(LONG));
}

#[test]
fn rows_of_a_store_that_nobody_can_open_are_kept_within_the_limit_too() {
    let dir = TempDir::new().expect("folder");
    let away = Arc::new(MemoryStore::new(1, 100));
    away.shut.store(true, Ordering::SeqCst);
    let life = life(2, 30, 60, &[2], &[]);
    let delivery = start(limited(dir.path(), 60_000, 50 * HOUR_S), &away);
    produce(&delivery, &life.rows[..1_000]);
    assert!(delivery.stop(LONG));
    // Its settings are gone.
    let other = switch::store_of("b", 1);
    other.1.shut.store(true, Ordering::SeqCst);
    let (delivery, _) =
        Delivery::start(limited(dir.path(), 60_000, 50 * HOUR_S), Arc::new(other.clone())).expect("starts");
    produce(&delivery, &life.rows[1_000..]);
    until("it is below its limit", || journal::size(&dir.path().join("journal")).expect("lists") <= 60_000);
    other.1.shut.store(false, Ordering::SeqCst);
    away.shut.store(false, Ordering::SeqCst);
    delivery.know(&[Arc::new(Opener(Arc::clone(&away)))]);
    until("delivered", || {
        delivery.status().backlog_rows == 0
            && delivery.history().former_stores().iter().all(|former| former.backlog_rows == 0)
    });
    assert!(delivery.stop(LONG));
    // The stores have the rows of their time, no more; together they have it all.
    let both = MemoryStore::new(1, 100);
    for store in [&away, &other.1] {
        let from = store.kept();
        let mut kept = both.kept();
        for (key, rollup) in &from.rollups {
            assert!(kept.rollups.insert(*key, rollup.clone()).is_none_or(|known| known.checks != rollup.checks));
        }
        for (key, result) in &from.results {
            assert!(kept.results.insert(*key, result.clone()).is_none(), "in two stores");
        }
        kept.gaps.extend(from.gaps.iter().map(|(key, gap)| (*key, *gap)));
        kept.incidents.extend(from.incidents.iter().map(|(key, incident)| (*key, incident.clone())));
        kept.monitors.extend(from.monitors.iter().map(|(key, known)| (*key, known.clone())));
    }
    assert!(life.check(&both, 2, at(50 * HOUR_S)).expect("holds") > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_the_limit_each_hour_is_whole_or_summed_up_rightly(
        limit in 10_000u64..200_000,
        monitors in 1u64..5,
        hours in 3u64..30,
        step in prop::sample::select(vec![30u64, 60, 300]),
        failures in prop::collection::vec(0u64..30, 0..4),
        pauses in prop::collection::vec(0u64..30, 0..3),
        delivered in 0usize..300,
        slices in prop::sample::select(vec![1u16, 8]),
        restart in any::<bool>(),
    ) {
        let dir = TempDir::new().expect("folder");
        let store = Arc::new(MemoryStore::new(slices, 60));
        let life = life(monitors, hours, step, &failures, &pauses);
        let now_s = (hours + 2) * HOUR_S;
        let delivery = start(limited(dir.path(), limit, now_s), &store);
        let first = delivered.min(life.rows.len());
        produce(&delivery, &life.rows[..first]);
        until("delivered", || delivery.status().backlog_rows == 0);
        store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
        produce(&delivery, &life.rows[first..]);
        until("as far as it can be", || {
            journal::size(&dir.path().join("journal")).expect("lists") <= limit || delivery.journal_limit().1
        });
        let delivery = if restart {
            prop_assert!(delivery.stop(LONG));
            drop(delivery);
            start(limited(dir.path(), limit, now_s), &store)
        } else {
            delivery
        };
        store.set_mood(Mood::Well);
        until("delivered", || delivery.status().backlog_rows == 0);
        life.check(&store, monitors, at(now_s))?;
        prop_assert!(delivery.stop(LONG));
    }
}
