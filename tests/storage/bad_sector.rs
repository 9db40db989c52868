//! A disk that cannot read some of its sectors any more. The system's `read` is replaced in a process of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hallmonitor::model::CheckResult;
use hallmonitor::storage::StoreErrorKind;
use libtest_mimic::{Failed, Trial};

use super::runtime;
use super::sealed::{
    DAY, HOUR, append, kept_aside, later, life, opened, read, scanned, sealed, start, tend, with_sealed_days,
};

const NAME: &str = "embedded::sealed::a_bad_sector_costs_only_what_is_on_it";
/// Results of a monitor in the day that is damaged.
const A_BLOCK: usize = 24 * 60;
/// Names the file that says what is bad.
const VARIABLE: &str = "HM_BAD_SECTORS";

/// The test of this file.
pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test(NAME, || match std::env::var_os(VARIABLE) {
        Some(told) => on_a_bad_disk(Path::new(&told)),
        None => again_with_another_read(),
    })]
}

fn again_with_another_read() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let library = folder.path().join("bad_sector.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage/bad_sector.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).args([library.as_os_str(), source.as_os_str(), OsStr::new("-ldl")]);
    let compiled = compile.output()?;
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let mut again = Command::new(std::env::current_exe()?);
    again.args(["--exact", NAME]).env("LD_PRELOAD", &library).env(VARIABLE, folder.path().join("bad"));
    let output = again.output()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    Ok(())
}

/// What cannot be read of which file, from now on.
struct Bad<'a>(&'a Path);

impl Bad<'_> {
    fn is(&self, path: &Path, from: u64, to: u64) {
        let name = path.file_name().expect("name").to_string_lossy();
        fs::write(self.0, format!("{name} {from} {to}")).expect("writes");
        let read = fs::read(path);
        assert_eq!(read.expect_err("it is bad").raw_os_error(), Some(5));
    }

    fn none(&self) {
        fs::remove_file(self.0).expect("removes");
    }
}

fn length(path: &PathBuf) -> u64 {
    fs::metadata(path).expect("is there").len()
}

fn on_a_bad_disk(told: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (rows, bad) = (life(), Bad(told));
    let day = |number: u64| start().plus_us(number * DAY);
    let late = |row: &CheckResult| row.time >= day(3).minus_us(HOUR) && row.time < day(3);
    let (late, early): (Vec<CheckResult>, Vec<CheckResult>) = rows.into_iter().partition(late);
    runtime().block_on(async {
        with_sealed_days(folder.path(), &early).await?.close().await?;

        // The end of a file with its index: what is before the sector is found again at the next start.
        let first = sealed(folder.path())[0].clone();
        bad.is(&first, length(&first) - 100, length(&first));
        let store = opened(folder.path()).await?;
        let found = read(&*store, None).await?;
        assert!(found.len() + A_BLOCK >= early.len() && kept_aside(folder.path()).len() == 1, "{}", found.len());
        bad.none();
        assert!(store.verify().await?.damaged.is_empty());
        store.close().await?;

        // The same while the store is open: the day is left out, and back once house is kept.
        let store = opened(folder.path()).await?;
        let second = sealed(folder.path())[1].clone();
        bad.is(&second, length(&second) - 100, length(&second));
        let others: Vec<CheckResult> =
            found.iter().filter(|row| row.time < day(1) || row.time >= day(2)).cloned().collect();
        assert!(read(&*store, None).await? == others, "a day is left out");
        tend(&*store, later().plus_us(DAY)).await?;
        let found = read(&*store, None).await?;
        assert!(found.len() + 2 * A_BLOCK >= early.len() && kept_aside(folder.path()).len() == 2, "{}", found.len());
        bad.none();

        // A block: it is left out and named, what comes late for its day is merged with the rest, nothing else suffers.
        let third = sealed(folder.path())[2].clone();
        bad.is(&third, 100, 101);
        let readable = read(&*store, None).await?;
        assert!(readable.len() < found.len() && readable.len() + A_BLOCK >= found.len(), "{}", readable.len());
        assert!(scanned(&*store).await? == readable, "a scan finds as much");
        assert_eq!(store.verify().await?.damaged.len(), 1);
        append(&*store, &late).await?;
        tend(&*store, later().plus_us(2 * DAY)).await?;
        assert_eq!(scanned(&*store).await?.len(), readable.len() + late.len());
        let verified = store.verify().await?;
        assert_eq!((verified.damaged.len(), verified.kept_aside.len()), (0, 3));
        store.close().await?;
        bad.none();

        // A whole file: nothing is given up, and it is said which.
        let second = sealed(folder.path())[1].clone();
        bad.is(&second, 0, length(&second));
        let error = opened(folder.path()).await.expect_err("a disk that may come back");
        let name = second.file_name().expect("name").to_string_lossy().into_owned();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(error.to_string().contains(&name) && error.to_string().contains("see to the disk"), "{error}");
        bad.none();
        let store = opened(folder.path()).await?;
        assert_eq!(scanned(&*store).await?.len(), readable.len() + late.len());
        Ok(())
    })
}
