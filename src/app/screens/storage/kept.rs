//! How long history is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Screens;
use super::super::form::{Desk, base_of};
use crate::app::core::lock;
use crate::app::storage::expected_of;
use crate::config::{Config, Document, EditError, FieldProblem, SaveError, SectionValues, Severity, Which};
use crate::deliver::PruneNow;
use crate::model::{MonitorId, clean_text};
use crate::record::BoardRow;
use crate::screen::{
    Failed, FieldError, KeptTier, Number, OwnTimes, PruneShown, RetentionCheck, RetentionDraft, RetentionForm,
    SaveOutcome,
};
use crate::storage::Retention;

/// Longest wait for a store that drops rows.
const PATIENCE: Duration = Duration::from_secs(60);
/// The section that says so, below `storage`.
const SECTION: &str = "retention";
/// The keys of its tiers, the finest first.
const TIERS: [&str; 4] = ["raw", "fiveMinutes", "hour", "day"];
/// The key of the limit beside them.
const MAX_SIZE: &str = "maxSize";
/// Most monitors that one form changes.
const MOST_OWN: usize = 1_000;

fn days_of(retention: &Retention, key: &str) -> Option<u32> {
    match key {
        "raw" => retention.raw_days,
        "fiveMinutes" => retention.five_minutes_days,
        "hour" => retention.hour_days,
        _ => retention.day_days,
    }
}

/// Values by tier; nothing else is let through.
fn of_tiers(values: &BTreeMap<String, Option<String>>) -> Result<SectionValues, Failed> {
    let values = values.iter().map(|(key, value)| {
        let known = TIERS.contains(&key.as_str());
        if known { Ok((key.clone(), given(value))) } else { Err(bad("that is no tier")) }
    });
    values.collect()
}

fn given(value: &Option<String>) -> Option<String> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn bad(why: &str) -> Failed {
    Failed::BadRequest { why: why.to_owned() }
}

/// A document with a form in it, and whose times it changes: the names as they are written, with the ids.
struct Edited {
    document: Document,
    own: Vec<(String, String)>,
}

impl Edited {
    /// What is wrong with it, at which field; none where the file as a whole cannot be saved.
    fn errors_of(&self, error: &SaveError) -> Option<Vec<FieldError>> {
        let SaveError::Refused { fields, .. } = error else { return None };
        let errors = fields.iter().filter(|field| field.problem.severity == Severity::Error);
        Some(errors.map(|field| self.at_monitor(field).unwrap_or_else(|| elsewhere(field))).collect())
    }

    fn at_monitor(&self, field: &FieldProblem) -> Option<FieldError> {
        let tier = field.field.as_deref()?.strip_prefix("retention.")?;
        let (_, id) = self.own.iter().find(|(name, _)| Some(name.as_str()) == field.monitor.as_deref())?;
        let sentence = field.problem.sentence();
        let what = sentence.strip_prefix(&format!("`{tier}`: ")).unwrap_or(&sentence).to_owned();
        Some(FieldError { key: format!("own.{id}.{tier}"), what })
    }
}

fn elsewhere(field: &FieldProblem) -> FieldError {
    let found = super::form::errors_of(std::slice::from_ref(&field.problem), SECTION).pop();
    found.unwrap_or_else(|| FieldError { key: String::new(), what: field.problem.sentence() })
}

#[allow(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
fn checked(errors: Vec<FieldError>, config: Option<&Config>) -> RetentionCheck {
    let expected = config.and_then(expected_of);
    RetentionCheck {
        errors,
        expected_bytes: expected.map(|expected| Number(expected.bytes as f64)),
        expected_monitors: expected.map_or(0, |expected| expected.monitors),
    }
}

/// Nobody merges a file here, and secrets may stand in it.
fn without_texts(outcome: SaveOutcome) -> SaveOutcome {
    match outcome {
        SaveOutcome::Conflict { their_base, .. } => {
            SaveOutcome::Conflict { their_base, theirs: String::new(), mine: String::new() }
        }
        other => other,
    }
}

impl Desk<'_> {
    fn with_retention(&self, document: &Document, form: &RetentionForm) -> Result<Edited, Failed> {
        if form.own.len() > MOST_OWN {
            return Err(bad("too many monitors at once"));
        }
        let edit = |error: EditError| self.failed(error.into());
        let mut values = of_tiers(&form.values)?;
        values.insert(MAX_SIZE.to_owned(), given(&form.max_size));
        let mut document = document.set_storage(SECTION, &values).map_err(edit)?;
        let mut own = Vec::with_capacity(form.own.len());
        for (id, values) in &form.own {
            let name = self.name_in(&document, id)?;
            document = document.set_own_retention(Which::Name(&name), &of_tiers(values)?).map_err(edit)?;
            own.push((name, id.clone()));
        }
        Ok(Edited { document, own })
    }

    /// What a monitor is called in the file.
    fn name_in(&self, document: &Document, id: &str) -> Result<String, Failed> {
        let unknown = || Failed::UnknownMonitor { name: clean_text(id, 100) };
        let known: MonitorId = id.parse().map_err(|_| unknown())?;
        if let Ok(draft) = document.draft(Which::Id(known)) {
            return Ok(draft.name().to_owned());
        }
        let name = self.core.recorder.board().row(known).ok_or_else(unknown)?.monitor.name.to_string();
        if document.draft(Which::Name(&name)).is_ok() {
            return Ok(name);
        }
        // The name is written as something that stands for it.
        let found = self.find(document, id)?;
        let draft = document.draft(found.which()).map_err(|error| self.failed(error.into()))?;
        Ok(draft.name().to_owned())
    }

    /// The monitors that set times of their own, as far as they are watched.
    fn own_times(&self, document: &Document) -> Vec<OwnTimes> {
        let board = self.core.recorder.board().snapshot();
        let own = document.own_retention().into_iter().filter_map(|own| {
            let is_it = |row: &&BoardRow| match own.id {
                Some(id) => row.monitor.id == id,
                None => *row.monitor.name == *own.name,
            };
            let row = board.iter().find(is_it)?;
            Some(OwnTimes { id: row.monitor.id.to_string(), name: row.monitor.name.to_string(), values: own.values })
        });
        own.collect()
    }
}

impl Screens {
    /// Drops what is older than it is kept, now; gives how many rows went. [`Screens::pruning`] tells how far that is.
    ///
    /// # Errors
    /// The store cannot, or does not get any further for longer than a person waits: it is done once the store can.
    pub async fn prune_storage(&self) -> Result<u64, Failed> {
        match self.core.delivery.prune_now(PATIENCE).await {
            PruneNow::Done(rows) => Ok(rows),
            PruneNow::Failed(why) => Err(Failed::Storage { what: format!("{why}; it is tried again in ten minutes") }),
            PruneNow::Waits => {
                Err(Failed::Busy { why: "the store takes its time; what is older goes once it can".to_owned() })
            }
        }
    }

    /// How far a prune is that is at work, whoever asked for it.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of rows are below 2^53")]
    pub fn pruning(&self) -> Option<PruneShown> {
        self.core.delivery.pruning().map(|pruning| PruneShown {
            step: pruning.left.map(|left| left.step),
            share: Number(pruning.left.map_or(0.0, |left| left.done as f64 / left.of.max(1) as f64)),
            rows: Number((pruning.results + pruning.rollups) as f64),
        })
    }

    /// How long history is kept, as it is written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn retention(&self) -> Result<RetentionDraft, Failed> {
        self.at_desk(|desk| {
            let document = desk.read()?;
            let written = document.storage_values(SECTION);
            let (now, usual) = (desk.core.delivery.retention(), Retention::default());
            let own = desk.own_times(&document);
            let elsewhere = now.own.keys().filter(|id| own.iter().all(|own| own.id != id.to_string())).count();
            let tiers = TIERS.iter().map(|key| KeptTier {
                key: (*key).to_owned(),
                days: days_of(&now, key),
                usual: days_of(&usual, key),
                written: written.get(*key).cloned(),
            });
            Ok(RetentionDraft {
                tiers: tiers.collect(),
                own,
                elsewhere: u32::try_from(elsewhere).unwrap_or(u32::MAX),
                max_size: written.get(MAX_SIZE).cloned(),
                can_limit: lock(&desk.core.in_force).storage.frees_room(),
                base: base_of(document.base()),
            })
        })
        .await
    }

    /// What a form of retention comes to: its faults, and how much room history would need.
    ///
    /// # Errors
    /// The file cannot be read or edited.
    pub async fn check_retention(&self, form: RetentionForm) -> Result<RetentionCheck, Failed> {
        self.at_desk(move |desk| {
            let edited = desk.with_retention(&desk.read()?, &form)?;
            match desk.file.check(&edited.document, &desk.core.vars, &*desk.core.vault) {
                Ok(config) => Ok(checked(Vec::new(), Some(&config))),
                Err(error) => match edited.errors_of(&error) {
                    Some(errors) => Ok(checked(errors, None)),
                    None => Err(desk.failed(error)),
                },
            }
        })
        .await
    }

    /// Saves how long history is kept; it is in force at once.
    ///
    /// # Errors
    /// The file cannot be read, edited or written.
    pub async fn save_retention(&self, form: RetentionForm) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let current = desk.read()?;
            let edited = desk.with_retention(&current, &form)?;
            match desk.file.check(&edited.document, &desk.core.vars, &*desk.core.vault) {
                Ok(_) => desk.save(&edited.document, &current, &form.base).map(without_texts),
                Err(error) => match edited.errors_of(&error) {
                    Some(errors) => Ok(SaveOutcome::Refused { errors }),
                    None => Err(desk.failed(error)),
                },
            }
        })
        .await
    }
}
