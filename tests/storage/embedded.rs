//! What is true of the embedded backend only: damaged files, a full disk, two owners, version stamps.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hallmonitor::model::{CheckResult, MonitorId, Span, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Batch, ResultQuery, ResultStore, SeriesQuery, StoreError, StoreErrorKind, UptimeQuery};
use libtest_mimic::{Failed, Trial};

use super::{open, runtime};

/// First argument of the child that fills a small disk; the second is where it is mounted.
pub(crate) const FULL_DISK_CHILD: &str = "--full-disk-child";

type Tested = Result<(), Failed>;

/// The tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("embedded::file::damaged_files_are_kept_aside", damaged_files_are_kept_aside),
        Trial::test("embedded::file::a_newer_layout_is_left_alone", a_newer_layout_is_left_alone),
        Trial::test("embedded::file::a_second_open_is_refused_and_says_why", a_second_open_is_refused_and_says_why),
        Trial::test("embedded::file::the_first_open_names_the_store", the_first_open_names_the_store),
        Trial::test("embedded::file::an_unclean_end_loses_nothing", an_unclean_end_loses_nothing),
        Trial::test("embedded::file::a_damaged_block_hides_no_other", a_damaged_block_hides_no_other),
        Trial::test("embedded::file::life_takes_few_bytes", life_takes_few_bytes),
        Trial::test("embedded::file::reads_do_not_wait_for_a_write", reads_do_not_wait_for_a_write),
    ];
    if cfg!(target_os = "linux") {
        trials.push(Trial::test("embedded::file::a_full_disk_is_told_and_got_over", a_full_disk_is_told_and_got_over));
    }
    trials
}

fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

async fn opened(folder: &Path) -> Result<Arc<dyn ResultStore>, StoreError> {
    open("embedded")(folder.to_path_buf()).await
}

fn live(folder: &Path) -> PathBuf {
    folder.join("embedded").join("live.db")
}

fn rows(seed: u64, count: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let monitor = fixture.monitor();
    fixture.results(monitor, start(), 60_000_000, count)
}

fn batch(results: &[CheckResult]) -> Batch {
    Batch { results: results.to_vec(), ..Batch::default() }
}

async fn read(store: &dyn ResultStore, monitor: Option<MonitorId>) -> Result<Vec<CheckResult>, StoreError> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let mut results = store.results(&ResultQuery { monitor, span, limit: 1_000_000, after: None }).await?.results;
    results.reverse();
    Ok(results)
}

fn damaged_files_are_kept_aside() -> Tested {
    type Damage = fn(&Path) -> std::io::Result<()>;
    let damages: [(&str, Damage); 5] = [
        ("rubbish", |path| fs::write(path, vec![0x5a; 100_000])),
        ("short", |path| fs::write(path, b"hello")),
        ("cut off", |path| OpenOptions::new().write(true).open(path)?.set_len(fs::metadata(path)?.len() / 2)),
        ("no magic", |path| OpenOptions::new().write(true).open(path)?.write_all(&[0; 64])),
        ("pages of zeros", |path| {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.seek(SeekFrom::Start(4_096))?;
            file.write_all(&vec![0; 400_000])
        }),
    ];
    for (name, damage) in damages {
        let folder = tempfile::tempdir()?;
        let rows = rows(1, 2_000);
        runtime().block_on(async {
            let store = opened(folder.path()).await?;
            store.append(&batch(&rows)).await?;
            store.close().await
        })?;
        damage(&live(folder.path()))?;
        let damaged = fs::read(live(folder.path()))?;
        runtime().block_on(async {
            let store = opened(folder.path()).await.map_err(|error| format!("{name}: {error}"))?;
            let aside = store.metadata("set_aside").await?.ok_or(format!("{name}: not told"))?;
            let aside = PathBuf::from(String::from_utf8(aside)?);
            assert!(aside.to_string_lossy().contains("live.db.corrupt-"), "{name}: {}", aside.display());
            assert_eq!(fs::read(&aside)?.len(), damaged.len(), "{name}: nothing is deleted");
            store.append(&batch(&rows)).await?;
            assert_eq!(read(&*store, None).await?, rows, "{name}: goes on with a new file");
            Ok::<_, Failed>(())
        })?;
    }
    Ok(())
}

fn a_newer_layout_is_left_alone() -> Tested {
    let folder = tempfile::tempdir()?;
    runtime().block_on(async { opened(folder.path()).await?.close().await })?;
    // The layout stands in the file as the name `layout` and four bytes, once in each copy of its page.
    let mut bytes = fs::read(live(folder.path()))?;
    let mark = b"layout\0\0\0\x02";
    let places: Vec<usize> = (0..bytes.len() - mark.len()).filter(|at| &bytes[*at..at + mark.len()] == mark).collect();
    assert!(!places.is_empty(), "the layout is in the file");
    for at in places {
        bytes[at + mark.len() - 1] = 3;
    }
    fs::write(live(folder.path()), &bytes)?;
    let error = runtime().block_on(opened(folder.path())).expect_err("is refused");
    assert_eq!(error.kind, StoreErrorKind::Incompatible, "{error}");
    assert!(error.to_string().contains("newer Hall Monitor"), "{error}");
    assert!(live(folder.path()).exists());
    assert_eq!(fs::read_dir(folder.path().join("embedded"))?.count(), 1, "nothing is set aside");
    Ok(())
}

fn a_second_open_is_refused_and_says_why() -> Tested {
    let folder = tempfile::tempdir()?;
    runtime().block_on(async {
        let first = opened(folder.path()).await?;
        let error = opened(folder.path()).await.expect_err("is refused");
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("held by another process"), "{error}");
        first.close().await?;
        opened(folder.path()).await?;
        Ok(())
    })
}

fn the_first_open_names_the_store() -> Tested {
    let folder = tempfile::tempdir()?;
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        let id = store.metadata("store_id").await?.ok_or("no store id")?;
        assert!(uuid::Uuid::try_parse_ascii(&id).is_ok());
        assert!(store.metadata("instance").await?.is_some());
        store.close().await?;
        let again = opened(folder.path()).await?;
        assert_eq!(again.metadata("store_id").await?, Some(id), "it is written once");
        Ok(())
    })
}

/// A copy of the file taken while it is open is what a killed process leaves.
fn an_unclean_end_loses_nothing() -> Tested {
    let (folder, copy) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let rows = rows(2, 5_000);
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        for part in rows.chunks(500) {
            store.append(&batch(part)).await?;
        }
        fs::create_dir_all(copy.path().join("embedded"))?;
        fs::copy(live(folder.path()), live(copy.path()))?;
        let left = opened(copy.path()).await?;
        assert_eq!(read(&*left, None).await?, rows);
        assert_eq!(left.metadata("set_aside").await?, None);
        Ok(())
    })
}

/// One bit of the newest block turns over: what else there is can be read, and new results can be written.
fn a_damaged_block_hides_no_other() -> Tested {
    let folder = tempfile::tempdir()?;
    let rows = rows(7, 1_300);
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        for part in rows.chunks(100) {
            store.append(&batch(part)).await?;
        }
        store.close().await
    })?;
    // A head has the time of its first row after format, kind and count.
    let mut bytes = fs::read(live(folder.path()))?;
    let first = rows[1_200].time.micros().to_le_bytes();
    let heads =
        (4..bytes.len() - 64).filter(|at| bytes[*at..].starts_with(&first) && bytes[*at - 4..*at - 2] == [2, 1]);
    let heads: Vec<usize> = heads.collect();
    assert!(!heads.is_empty(), "the block is in the file");
    for at in heads {
        bytes[at + 40] ^= 1;
    }
    fs::write(live(folder.path()), &bytes)?;
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        assert_eq!(read(&*store, None).await?, rows[..1_200]);
        // Rows that belong into the damaged block get a new one.
        store.append(&batch(&rows[1_250..])).await?;
        assert_eq!(read(&*store, None).await?, [&rows[..1_200], &rows[1_250..]].concat());
        Ok(())
    })
}

/// Thirty days of minutes of ten HTTP monitors, brought an hour at a time.
fn life_takes_few_bytes() -> Tested {
    const DAYS: usize = 30;
    let folder = tempfile::tempdir()?;
    let mut fixture = Fixture::new(3);
    let monitors: Vec<_> = (0..10).map(|_| fixture.monitor()).collect();
    let rows: Vec<_> =
        monitors.iter().map(|monitor| fixture.results(*monitor, start(), 60_000_000, DAYS * 1_440)).collect();
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        for day in 0..DAYS {
            for hour in (0..24).step_by(4) {
                let from = day * 1_440 + hour * 60;
                let part: Vec<_> = rows.iter().flat_map(|rows| rows[from..from + 240].to_vec()).collect();
                store.append(&batch(&part)).await?;
            }
        }
        let size = store.check().await?.size_bytes.ok_or("no size")?;
        let results = (monitors.len() * DAYS * 1_440) as u64;
        assert!(size / results < 40, "{} bytes a result", size / results);
        let now = start().plus_us(DAYS as u64 * 86_400_000_000);
        let span = Span::new(start(), now);
        let uptime = store.uptime(&UptimeQuery { monitors: monitors.clone(), span, now }).await?;
        assert!(uptime.iter().all(|uptime| uptime.coverage().is_some_and(|coverage| coverage > 0.98)));
        let query = SeriesQuery { monitor: monitors[0], span, buckets: 90, now };
        let checks: u64 = store.series(&query).await?.buckets.iter().map(|bucket| bucket.checks).sum();
        assert_eq!(checks, DAYS as u64 * 1_440);
        Ok(())
    })
}

fn reads_do_not_wait_for_a_write() -> Tested {
    let folder = tempfile::tempdir()?;
    let mut fixture = Fixture::new(4);
    let small = rows(5, 10);
    let large: Vec<_> = (0..40)
        .flat_map(|_| {
            let monitor = fixture.monitor();
            fixture.results(monitor, start(), 10_000_000, 1_000)
        })
        .collect();
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        store.append(&batch(&small)).await?;
        let large = batch(&large);
        let write = store.append(&large);
        tokio::pin!(write);
        let (asked, now) = ([small[0].monitor], start().plus_us(86_400_000_000));
        let mut reads = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut write => {
                    done?;
                    break;
                }
                latest = store.latest(&asked, now) => {
                    assert_eq!(latest?, small[9..]);
                    reads += 1;
                }
            }
        }
        assert!(reads > 0, "a read came back while the write went on");
        Ok(())
    })
}

/// Runs [`fill_disk`] in a mount namespace of its own, on a disk of 4 MiB.
fn a_full_disk_is_told_and_got_over() -> Tested {
    let folder = tempfile::tempdir()?;
    let script = "mount -t tmpfs -o size=4m tmpfs \"$1\" && exec \"$0\" \"$2\" \"$1\"";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(std::env::current_exe()?)
        .arg(folder.path())
        .arg(FULL_DISK_CHILD)
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// Fills a small disk, sees the store say so, makes room, and sees the same store go on.
pub(crate) fn fill_disk(folder: &Path) -> Tested {
    let filler = folder.join("filler");
    runtime().block_on(async {
        let store = opened(folder).await?;
        fs::write(&filler, vec![1; 1 << 20])?;
        let mut fixture = Fixture::new(6);
        let mut kept: Vec<CheckResult> = Vec::new();
        // It gets full, stays so, and says so each time.
        let mut refused = Vec::new();
        for _ in 0..1_000 {
            let monitor = fixture.monitor();
            let rows = fixture.results(monitor, start(), 60_000_000, 1_000);
            match store.append(&batch(&rows)).await {
                Ok(()) => kept.extend(rows),
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
                    assert!(error.is_transient());
                    refused.push(rows);
                }
            }
            if refused.len() == 3 {
                break;
            }
        }
        assert!(refused.len() == 3 && !kept.is_empty(), "the disk got full after something was kept");
        fs::remove_file(&filler)?;
        for rows in refused {
            store.append(&batch(&rows)).await?;
            kept.extend(rows);
        }
        kept.sort_by_key(|row| (row.time, row.monitor));
        assert_eq!(read(&*store, None).await?, kept, "nothing acknowledged is lost");
        Ok(())
    })
}
