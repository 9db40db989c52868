//! `storage test`.

use std::io::Write as _;
use std::time::Duration;

use crate::cli::columns::{Columns, Lean};
use crate::cli::desk::Desk;
use crate::cli::exit::{Exit, Trouble};
use crate::cli::open;
use crate::cli::paint::Tone;
use crate::model::error_chain;
use crate::storage::{Step, StepOutcome};

/// Looks at the way to the store, step by step.
pub(super) async fn test(desk: &mut Desk) -> Result<Exit, Trouble> {
    let (backend, env) = open::store(desk)?;
    let steps = backend.diagnose(&env).await;
    let failed = steps.iter().any(|step| matches!(step.outcome, StepOutcome::Failed { .. }));
    if desk.json {
        for step in &steps {
            desk.out.json(&line(step))?;
        }
    } else {
        writeln!(desk.out, "{}", backend.contact())?;
        table(&steps).write(desk.paint, &mut desk.out)?;
        for step in &steps {
            if let StepOutcome::Failed { error } = &step.outcome {
                writeln!(desk.out, "{}: {}", step.name, error_chain(error))?;
            }
        }
    }
    Ok(if failed { Exit::Down } else { Exit::Fine })
}

fn table(steps: &[Step]) -> Columns {
    let mut columns = Columns::new(&[Lean::Left, Lean::Left, Lean::Right, Lean::Left]);
    for step in steps {
        let (tone, word, took, detail) = match &step.outcome {
            StepOutcome::Ok { detail, took } => (Tone::Good, "ok", shown(*took), detail.clone()),
            StepOutcome::Failed { .. } => (Tone::Bad, "failed", String::new(), String::new()),
            StepOutcome::Skipped => (Tone::Muted, "skipped", String::new(), String::new()),
        };
        let name = (Tone::Plain, step.name.to_owned());
        columns.row(vec![name, (tone, word.to_owned()), (Tone::Muted, took), (Tone::Plain, detail)]);
    }
    columns
}

fn shown(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
}

fn line(step: &Step) -> serde_json::Value {
    let (outcome, detail, took, kind, error) = match &step.outcome {
        StepOutcome::Ok { detail, took } => ("ok", Some(detail.as_str()), Some(took.as_micros()), None, None),
        StepOutcome::Failed { error } => ("failed", None, None, Some(error.kind.as_str()), Some(error_chain(error))),
        StepOutcome::Skipped => ("skipped", None, None, None, None),
    };
    serde_json::json!({
        "step": step.name,
        "outcome": outcome,
        "detail": detail,
        "took_us": took.and_then(|us| u64::try_from(us).ok()),
        "kind": kind,
        "error": error,
    })
}
