//! Sealed files of the embedded backend: what is in them is found, whatever happens to them and around them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hallmonitor::model::{CheckResult, MonitorId, Rollup, Span, Tier, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Batch, ResultQuery, ResultStore, Retention, RollupQuery, StoreError};
use libtest_mimic::{Failed, Trial};

use super::{open, runtime};

type Tested = Result<(), Failed>;

pub(super) const MINUTE: u64 = 60_000_000;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
/// Three of them, with a quarter of the last day.
const ROWS: usize = 3 * 1_440 + 360;

/// The tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("embedded::sealed::days_that_are_over_become_files", days_that_are_over_become_files),
        Trial::test("embedded::sealed::a_crash_at_any_step_loses_nothing", a_crash_at_any_step_loses_nothing),
        Trial::test(
            "embedded::sealed::late_rows_are_merged_and_the_first_stays",
            late_rows_are_merged_and_the_first_stays,
        ),
        Trial::test("embedded::sealed::what_was_forgotten_leaves_the_files", what_was_forgotten_leaves_the_files),
        Trial::test("embedded::sealed::a_day_is_dropped_by_unlinking_its_file", a_day_is_dropped_by_unlinking_its_file),
        Trial::test("embedded::sealed::the_live_file_gives_its_room_back", the_live_file_gives_its_room_back),
        Trial::test("embedded::sealed::damaged_files_give_what_can_be_read", damaged_files_give_what_can_be_read),
        Trial::test(
            "embedded::sealed::what_cannot_be_merged_is_kept_aside_and_nothing_else_suffers",
            what_cannot_be_merged_is_kept_aside_and_nothing_else_suffers,
        ),
        Trial::test("embedded::sealed::a_damaged_month_of_hours_is_sealed_on", a_damaged_month_of_hours_is_sealed_on),
        Trial::test(
            "embedded::sealed::the_number_of_a_file_that_is_gone_is_not_used_again",
            numbers_are_not_used_again,
        ),
        Trial::test("embedded::sealed::a_new_live_file_keeps_sealed_days", a_new_live_file_keeps_sealed_days),
        Trial::test("embedded::sealed::an_index_that_rots_costs_nothing", an_index_that_rots_costs_nothing),
        Trial::test(
            "embedded::sealed::unfinished_and_replaced_files_are_removed",
            unfinished_and_replaced_files_are_removed,
        ),
    ]
}

/// Midnight of a day in UTC.
pub(super) fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

/// When the first three days are over.
pub(super) fn later() -> UnixMicros {
    start().plus_us(3 * DAY + 6 * HOUR)
}

pub(super) async fn opened(folder: &Path) -> Result<Arc<dyn ResultStore>, StoreError> {
    open("embedded")(folder.to_path_buf()).await
}

/// Results of three monitors, by time.
pub(super) fn life() -> Vec<CheckResult> {
    let mut fixture = Fixture::new(77);
    let mut rows: Vec<CheckResult> = (0..3)
        .flat_map(|_| {
            let monitor = fixture.monitor();
            fixture.results(monitor, start(), MINUTE, ROWS)
        })
        .collect();
    rows.sort_by_key(|row| (row.time, row.monitor));
    rows
}

pub(super) async fn append(store: &dyn ResultStore, rows: &[CheckResult]) -> Result<(), StoreError> {
    for part in rows.chunks(1_000) {
        store.append(&Batch { results: part.to_vec(), ..Batch::default() }).await?;
    }
    Ok(())
}

pub(super) async fn read(store: &dyn ResultStore, monitor: Option<MonitorId>) -> Result<Vec<CheckResult>, StoreError> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let mut query = ResultQuery { monitor, span, limit: 700, after: None };
    let mut all = Vec::new();
    loop {
        let page = store.results(&query).await?;
        all.extend(page.results);
        query.after = page.next;
        if query.after.is_none() {
            all.reverse();
            return Ok(all);
        }
    }
}

pub(super) async fn scanned(store: &dyn ResultStore) -> Result<Vec<CheckResult>, StoreError> {
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let page = store.scan(cursor).await?;
        all.extend(page.batch.results);
        cursor = page.next;
        if cursor.is_none() {
            all.sort_by_key(|row: &CheckResult| (row.time, row.monitor));
            return Ok(all);
        }
    }
}

/// Keeps house until there is nothing more to do; gives the number of steps.
pub(super) async fn tend(store: &dyn ResultStore, now: UnixMicros) -> Result<usize, StoreError> {
    let mut steps = 1;
    while store.tend(now).await? {
        steps += 1;
    }
    Ok(steps)
}

/// A store with rows, of which all days are sealed that are over.
pub(super) async fn with_sealed_days(folder: &Path, rows: &[CheckResult]) -> Result<Arc<dyn ResultStore>, StoreError> {
    let store = opened(folder).await?;
    append(&*store, rows).await?;
    tend(&*store, later()).await?;
    Ok(store)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("embedded")).expect("lists");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
}

pub(super) fn sealed(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "sealed")).collect()
}

fn days_that_are_over_become_files() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        assert_eq!(sealed(folder.path()).len(), 3, "{:?}", files(folder.path()));
        assert_eq!(read(&*store, None).await?, rows);
        assert_eq!(scanned(&*store).await?, rows, "each once");
        let status = store.check().await?;
        assert_eq!((status.oldest, status.newest), (Some(rows[0].time), rows.last().map(|row| row.time)));
        // Soon after midnight the last rows of the day may be on their way.
        tend(&*store, start().plus_us(4 * DAY + 10 * MINUTE)).await?;
        assert_eq!(sealed(folder.path()).len(), 3);
        tend(&*store, start().plus_us(4 * DAY + 40 * MINUTE)).await?;
        assert_eq!(sealed(folder.path()).len(), 4);
        store.close().await?;
        let store = opened(folder.path()).await?;
        assert_eq!(read(&*store, None).await?, rows);
        for row in rows.iter().step_by(997) {
            let last = store.last_before(row.monitor, row.time.plus_us(1)).await?;
            assert_eq!(last.as_ref(), Some(row));
        }
        Ok::<_, Failed>(())
    })
}

fn a_crash_at_any_step_loses_nothing() -> Tested {
    let rows = life();
    let whole = tempfile::tempdir()?;
    let steps = runtime().block_on(async {
        let store = opened(whole.path()).await?;
        append(&*store, &rows).await?;
        tend(&*store, later()).await
    })?;
    assert!(steps > 6, "{steps} steps");
    for crash in 1..steps {
        let folder = tempfile::tempdir()?;
        runtime().block_on(async {
            let store = opened(folder.path()).await?;
            append(&*store, &rows).await?;
            for _ in 0..crash {
                store.tend(later()).await?;
            }
            assert_eq!(read(&*store, None).await?, rows, "between two steps, after {crash}");
            // Nothing is said to it: as after a crash.
            drop(store);
            let store = opened(folder.path()).await?;
            assert_eq!(read(&*store, None).await?, rows, "after a crash after step {crash}");
            append(&*store, &rows[..100]).await?;
            tend(&*store, later()).await?;
            assert_eq!(scanned(&*store).await?, rows, "and all is sealed after {crash}");
            Ok::<_, Failed>(())
        })?;
    }
    Ok(())
}

fn late_rows_are_merged_and_the_first_stays() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    let (mut late, mut early) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        if at % 10 == 3 { late.push(row.clone()) } else { early.push(row.clone()) }
    }
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &early).await?;
        append(&*store, &late).await?;
        let others: Vec<CheckResult> =
            early.iter().step_by(50).map(|row| CheckResult { duration_us: 1, ..row.clone() }).collect();
        append(&*store, &others).await?;
        assert_eq!(read(&*store, None).await?, rows, "before the next pass");
        // A pass a day, and one after every start.
        let store = {
            store.close().await?;
            opened(folder.path()).await?
        };
        tend(&*store, later()).await?;
        assert_eq!(read(&*store, None).await?, rows, "after it");
        assert_eq!(scanned(&*store).await?, rows, "each once");
        assert_eq!(sealed(folder.path()).len(), 3, "one file a day");
        Ok::<_, Failed>(())
    })
}

fn what_was_forgotten_leaves_the_files() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    let monitor = rows[0].monitor;
    let others: Vec<CheckResult> = rows.iter().filter(|row| row.monitor != monitor).cloned().collect();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        let before: u64 = sealed(folder.path()).iter().map(|path| fs::metadata(path).expect("size").len()).sum();
        store.forget(monitor).await?;
        assert_eq!(read(&*store, None).await?, others, "gone at once");
        drop(store);
        let store = opened(folder.path()).await?;
        assert_eq!(read(&*store, None).await?, others, "after a crash too");
        // It comes back, with a time that was there before.
        let again: Vec<CheckResult> = rows.iter().filter(|row| row.monitor == monitor).take(1).cloned().collect();
        append(&*store, &again).await?;
        assert_eq!(read(&*store, Some(monitor)).await?, again);
        tend(&*store, later()).await?;
        assert_eq!(read(&*store, Some(monitor)).await?, again, "after the files were written anew");
        assert_eq!(read(&*store, None).await?.len(), others.len() + 1);
        let after: u64 = sealed(folder.path()).iter().map(|path| fs::metadata(path).expect("size").len()).sum();
        assert!(after < before * 3 / 4, "space comes back: {before} bytes, then {after}");
        Ok::<_, Failed>(())
    })
}

fn a_day_is_dropped_by_unlinking_its_file() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        let policy = Retention { raw_days: Some(2), ..Retention::default() };
        let pruned = store.prune_all(&policy, later()).await?;
        assert_eq!(pruned.results, 3 * 1_440, "a day of three monitors");
        assert_eq!(sealed(folder.path()).len(), 2);
        let kept: Vec<CheckResult> = rows.iter().filter(|row| row.time >= start().plus_us(DAY)).cloned().collect();
        assert_eq!(read(&*store, None).await?, kept);
        Ok::<_, Failed>(())
    })
}

fn the_live_file_gives_its_room_back() -> Tested {
    let folder = tempfile::tempdir()?;
    let mut fixture = Fixture::new(5);
    let monitors: Vec<MonitorId> = (0..40).map(|_| fixture.monitor()).collect();
    let live = || fs::metadata(folder.path().join("embedded").join("live.db")).expect("size").len();
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        let mut rows = Vec::new();
        for monitor in &monitors {
            rows.extend(fixture.results(*monitor, start(), 10_000_000, 8_640));
        }
        rows.sort_by_key(|row| (row.time, row.monitor));
        for part in rows.chunks(8_000) {
            store.append(&Batch { results: part.to_vec(), ..Batch::default() }).await?;
        }
        store.set_metadata("mine", b"kept").await?;
        let name = store.metadata("store_id").await?;
        let full = live();
        tend(&*store, start().plus_us(2 * DAY)).await?;
        assert!(live() < full / 3, "{full} bytes, then {}", live());
        assert_eq!(store.metadata("mine").await?.as_deref(), Some(&b"kept"[..]));
        assert_eq!(store.metadata("store_id").await?, name, "it is the same store");
        assert_eq!(read(&*store, Some(monitors[7])).await?.len(), 8_640);
        // It goes on in the new file, and that is the one that is there after a start.
        let late = fixture.results(monitors[0], start().plus_us(2 * DAY), MINUTE, 10);
        append(&*store, &late).await?;
        store.close().await?;
        let store = opened(folder.path()).await?;
        assert_eq!(read(&*store, Some(monitors[0])).await?.len(), 8_650);
        Ok::<_, Failed>(())
    })
}

/// What a damage does to a file of so many bytes.
type Damage = fn(&mut fs::File, u64) -> std::io::Result<()>;

fn damaged_files_give_what_can_be_read() -> Tested {
    let rows = life();
    let whole = tempfile::tempdir()?;
    runtime().block_on(async {
        let store = with_sealed_days(whole.path(), &rows).await?;
        store.close().await
    })?;
    let damages: [(&str, Damage, bool); 7] = [
        ("no end", |file, long| file.set_len(long - 10), true),
        ("half", |file, long| file.set_len(long / 2), true),
        ("empty", |file, _| file.set_len(0), true),
        ("a bit of the head", |file, _| flip(file, 13), true),
        ("a bit of the index", |file, long| flip(file, long - 60), true),
        ("a bit of the first block", |file, _| flip(file, 200), false),
        ("a bit of a record", |file, _| flip(file, 40), false),
    ];
    for (name, damage, set_aside) in damages {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("embedded"))?;
        for path in files(whole.path()) {
            fs::copy(&path, folder.path().join("embedded").join(path.file_name().expect("name")))?;
        }
        let path = sealed(folder.path())[1].clone();
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let long = file.metadata()?.len();
        damage(&mut file, long)?;
        drop(file);
        runtime().block_on(async {
            let store = opened(folder.path()).await.map_err(|error| format!("{name}: {error}"))?;
            let found = read(&*store, None).await?;
            let all: BTreeSet<_> = rows.iter().map(|row| (row.time, row.monitor)).collect();
            assert!(found.iter().all(|row| all.contains(&(row.time, row.monitor))), "{name}: nothing is made up");
            assert!(found.len() >= rows.len() - 3 * 1_440, "{name}: other days are whole");
            if name.starts_with("a bit of the") {
                assert!(found.len() >= rows.len() - 1_440, "{name}: {} of {} rows", found.len(), rows.len());
            }
            let aside = kept_aside(folder.path()).len();
            assert_eq!(aside, usize::from(set_aside), "{name}: {:?}", files(folder.path()));
            // What is lost can be given again.
            append(&*store, &rows).await?;
            tend(&*store, later()).await?;
            let mended = read(&*store, None).await?;
            if set_aside {
                assert_eq!(mended, rows, "{name}: mended");
            }
            Ok::<_, Failed>(())
        })?;
    }
    Ok(())
}

fn flip(file: &mut fs::File, at: u64) -> std::io::Result<()> {
    use std::io::Read;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[byte[0] ^ 4])
}

pub(super) fn kept_aside(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|path| path.to_string_lossy().contains(".corrupt-")).collect()
}

/// Late rows come for a day of which a block is damaged: the rest is merged, the block is kept, the live file stays.
fn what_cannot_be_merged_is_kept_aside_and_nothing_else_suffers() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    let (late, early): (Vec<CheckResult>, Vec<CheckResult>) = rows.iter().cloned().partition(|row| {
        // Around midnight, so that a live block has rows of two days.
        row.time >= start().plus_us(DAY - HOUR) && row.time < start().plus_us(DAY + HOUR)
    });
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &early).await?;
        store.close().await?;
        let path = sealed(folder.path())[0].clone();
        flip(&mut OpenOptions::new().read(true).write(true).open(&path)?, 200)?;
        let damaged = fs::read(&path)?;
        let store = opened(folder.path()).await?;
        let readable = read(&*store, None).await?.len();
        assert!(readable < early.len(), "something is damaged");
        assert_eq!(store.verify().await?.damaged.len(), 1, "and named");
        append(&*store, &late).await?;
        tend(&*store, later()).await?;
        assert_eq!(read(&*store, None).await?.len(), readable + late.len());
        assert_eq!(scanned(&*store).await?.len(), readable + late.len(), "all is sealed, each once");
        let [aside] = &kept_aside(folder.path())[..] else {
            return Err(format!("one is kept aside: {:?}", files(folder.path())).into());
        };
        assert_eq!(fs::read(aside)?, damaged);
        let verified = store.verify().await?;
        let name = aside.file_name().expect("name").to_string_lossy().into_owned();
        assert_eq!((verified.damaged, verified.kept_aside), (vec![], vec![name]));
        // What is lost can be given again.
        append(&*store, &rows).await?;
        store.close().await?;
        let store = opened(folder.path()).await?;
        tend(&*store, later()).await?;
        assert_eq!(scanned(&*store).await?, rows);
        Ok::<_, Failed>(())
    })
}

/// The index of a day is damaged while the store is open. The day is left out of reads; once house is kept all of it is
/// there again, and what was forgotten is not.
fn an_index_that_rots_costs_nothing() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    let late = |row: &CheckResult| row.time >= start().plus_us(DAY - HOUR) && row.time < start().plus_us(DAY);
    let (late, early): (Vec<CheckResult>, Vec<CheckResult>) = rows.iter().cloned().partition(late);
    runtime().block_on(async {
        with_sealed_days(folder.path(), &early).await?.close().await?;
        let store = opened(folder.path()).await?;
        let path = sealed(folder.path())[0].clone();
        let length = fs::metadata(&path)?.len();
        flip(&mut OpenOptions::new().read(true).write(true).open(&path)?, length - 40)?;
        let in_day = |row: &&CheckResult| row.time < start().plus_us(DAY);
        let others: Vec<CheckResult> = early.iter().filter(|row| !in_day(row)).cloned().collect();
        assert!(read(&*store, None).await? == others, "a day is left out");
        let forgotten = rows[0].monitor;
        store.forget(forgotten).await?;
        let kept = |rows: &[CheckResult]| -> Vec<CheckResult> {
            rows.iter().filter(|row| row.monitor != forgotten).cloned().collect()
        };
        append(&*store, &kept(&late)).await?;
        store.prune_all(&Retention::everything(), later()).await?;
        tend(&*store, later().plus_us(DAY)).await?;
        assert!(read(&*store, None).await? == kept(&rows), "the day is back");
        assert!(matches!(&kept_aside(folder.path())[..], [aside] if fs::metadata(aside)?.len() == length));
        store.close().await?;
        let store = opened(folder.path()).await?;
        assert!(scanned(&*store).await? == kept(&rows), "and stays");
        assert!(store.verify().await?.damaged.is_empty());
        Ok::<_, Failed>(())
    })
}

/// A chunk of a month that goes on is damaged: later hours are sealed all the same, and the live file stays.
fn a_damaged_month_of_hours_is_sealed_on() -> Tested {
    let folder = tempfile::tempdir()?;
    let mut fixture = Fixture::new(8);
    let monitor = fixture.monitor();
    let day = |fixture: &mut Fixture, day: u64| -> Vec<Rollup> {
        let starts = (0..24).map(|hour| start().plus_us(day * DAY + hour * HOUR));
        starts.map(|at| fixture.rollup(monitor, Tier::Hour, at)).collect()
    };
    let query = RollupQuery { monitor, tier: Tier::Hour, span: Span::new(start(), start().plus_us(30 * DAY)) };
    let at = |day: u64| start().plus_us(day * DAY + 2 * HOUR);
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        // Twelve days are one full chunk, which is copied as it is from then on.
        let first: Vec<Rollup> = (0..12).flat_map(|number| day(&mut fixture, number)).collect();
        store.append(&Batch { rollups: first, ..Batch::default() }).await?;
        tend(&*store, at(12)).await?;
        store.close().await?;
        let path = sealed(folder.path())[0].clone();
        flip(&mut OpenOptions::new().read(true).write(true).open(&path)?, 200)?;
        let store = opened(folder.path()).await?;
        assert_eq!(store.rollups(&query).await?, []);
        let mut later = Vec::new();
        for number in 12..18 {
            let rollups = day(&mut fixture, number);
            store.append(&Batch { rollups: rollups.clone(), ..Batch::default() }).await?;
            later.extend(rollups);
            tend(&*store, at(number + 1)).await?;
            assert_eq!(store.rollups(&query).await?, later, "day {number}");
        }
        let aside = kept_aside(folder.path());
        assert!(aside.len() == 1 && aside[0].to_string_lossy().contains("hours-"), "{aside:?}");
        // Hours of the damaged chunk are made anew.
        let again = day(&mut fixture, 0);
        store.append(&Batch { rollups: again.clone(), ..Batch::default() }).await?;
        tend(&*store, at(19)).await?;
        assert_eq!(store.rollups(&query).await?, [again, later].concat());
        assert_eq!(kept_aside(folder.path()), aside);
        assert!(store.verify().await?.damaged.is_empty());
        Ok::<_, Failed>(())
    })
}

/// Indexes are remembered by the numbers of files.
fn numbers_are_not_used_again() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        let before = sealed(folder.path());
        // All files are read, and go; the next ones have another index.
        assert_eq!(read(&*store, None).await?, rows);
        store.prune_all(&Retention { raw_days: Some(0), ..Retention::default() }, later()).await?;
        tend(&*store, start().plus_us(4 * DAY + HOUR)).await?;
        let kept: Vec<CheckResult> = rows.iter().filter(|row| row.time >= start().plus_us(3 * DAY)).cloned().collect();
        assert_eq!(read(&*store, None).await?, kept);
        let number = |path: &PathBuf| {
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            name.split('.').nth(1).expect("a number").parse::<u64>().expect("a number")
        };
        let greatest = before.iter().map(number).max();
        let after = sealed(folder.path());
        assert!(after.iter().map(number).min() > greatest, "{before:?} {after:?}");
        assert!(store.verify().await?.damaged.is_empty());
        Ok::<_, Failed>(())
    })
}

fn a_new_live_file_keeps_sealed_days() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        store.close().await?;
        fs::write(folder.path().join("embedded").join("live.db"), vec![0x5a; 50_000])?;
        let store = opened(folder.path()).await?;
        let kept: Vec<CheckResult> = rows.iter().filter(|row| row.time < start().plus_us(3 * DAY)).cloned().collect();
        assert_eq!(read(&*store, None).await?, kept);
        Ok::<_, Failed>(())
    })
}

fn unfinished_and_replaced_files_are_removed() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = life();
    runtime().block_on(async {
        let store = with_sealed_days(folder.path(), &rows).await?;
        store.close().await?;
        let first = sealed(folder.path())[0].clone();
        let name = first.file_name().expect("name").to_string_lossy().into_owned();
        let other = |name: &str| folder.path().join("embedded").join(name);
        fs::copy(&first, other(&format!("{name}.new")))?;
        let newer = name.replace(".1.sealed", ".900.sealed");
        assert_ne!(newer, name);
        // An older file of a day whose newer one was put in place just before a crash.
        fs::write(other(&newer), b"cut off at once")?;
        let store = opened(folder.path()).await?;
        assert_eq!(read(&*store, None).await?, rows, "the damaged newer one hides nothing");
        assert_eq!(sealed(folder.path()).len(), 3, "{:?}", files(folder.path()));
        assert!(!other(&format!("{name}.new")).exists());
        Ok::<_, Failed>(())
    })
}
