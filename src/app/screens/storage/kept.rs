//! How long history is kept.

use std::time::Duration;

use super::super::Screens;
use super::super::form::{Desk, base_of};
use crate::app::storage::expected_of;
use crate::config::{Config, SaveError, SectionValues};
use crate::screen::{Failed, FieldError, KeptTier, Number, RetentionCheck, RetentionDraft, RetentionForm, SaveOutcome};
use crate::storage::Retention;

/// Longest wait for a store that drops rows.
const PATIENCE: Duration = Duration::from_secs(60);
/// The section that says so, below `storage`.
const SECTION: &str = "retention";
/// The keys of its tiers, the finest first.
const TIERS: [&str; 4] = ["raw", "fiveMinutes", "hour", "day"];

fn days_of(retention: &Retention, key: &str) -> Option<u32> {
    match key {
        "raw" => retention.raw_days,
        "fiveMinutes" => retention.five_minutes_days,
        "hour" => retention.hour_days,
        _ => retention.day_days,
    }
}

fn values_of(form: &RetentionForm) -> Result<SectionValues, Failed> {
    let values = form.values.iter().map(|(key, value)| {
        let known = TIERS.contains(&key.as_str());
        let value = value.clone().filter(|value| !value.is_empty());
        if known { Ok((key.clone(), value)) } else { Err(Failed::BadRequest { why: "that is no tier".to_owned() }) }
    });
    values.collect()
}

fn errors_of(error: &SaveError) -> Option<Vec<FieldError>> {
    let SaveError::Refused { refusal, .. } = error else { return None };
    Some(super::form::errors_of(&refusal.problems, SECTION))
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
    fn with_retention(&self, form: &RetentionForm) -> Result<crate::config::Document, Failed> {
        let edited = self.read()?.set_storage(SECTION, &values_of(form)?);
        edited.map_err(|error| self.failed(error.into()))
    }
}

impl Screens {
    /// Drops what is older than it is kept, now; gives how many rows went.
    ///
    /// # Errors
    /// The store takes longer than a person waits: it goes on, or is done once the store can.
    pub async fn prune_storage(&self) -> Result<u64, Failed> {
        let why = || "the store takes its time; what is older goes once it can".to_owned();
        self.core.delivery.prune_now(PATIENCE).await.ok_or_else(|| Failed::Busy { why: why() })
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
            let tiers = TIERS.iter().map(|key| KeptTier {
                key: (*key).to_owned(),
                days: days_of(&now, key),
                usual: days_of(&usual, key),
                written: written.get(*key).cloned(),
            });
            Ok(RetentionDraft {
                tiers: tiers.collect(),
                with_own: u32::try_from(now.own.len()).unwrap_or(u32::MAX),
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
            let edited = desk.with_retention(&form)?;
            match desk.file.check(&edited, &desk.core.vars, &*desk.core.vault) {
                Ok(config) => Ok(checked(Vec::new(), Some(&config))),
                Err(error) => match errors_of(&error) {
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
            let edited = desk.with_retention(&form)?;
            match desk.file.check(&edited, &desk.core.vars, &*desk.core.vault) {
                Ok(_) => desk.save(&edited, &current, &form.base).map(without_texts),
                Err(error) => match errors_of(&error) {
                    Some(errors) => Ok(SaveOutcome::Refused { errors }),
                    None => Err(desk.failed(error)),
                },
            }
        })
        .await
    }
}
