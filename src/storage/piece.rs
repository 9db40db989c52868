//! A prune in pieces: how long a call may take, what it leaves for the next one, and where that goes on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Retention;
use crate::clock::{Clock, Mono};
use crate::model::{Tier, UnixMicros};

/// How long a call may take before it stops, having done something of what is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a>(Kind<'a>);

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Whole,
    Least,
    Until(&'a dyn Clock, Mono),
}

impl<'a> Piece<'a> {
    /// All there is to do.
    #[must_use]
    pub fn whole() -> Self {
        Self(Kind::Whole)
    }

    /// As little as a call can do.
    #[must_use]
    pub fn least() -> Self {
        Self(Kind::Least)
    }

    /// About so much time from now on.
    #[must_use]
    pub fn of(clock: &'a dyn Clock, time: Duration) -> Self {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self(Kind::Until(clock, clock.mono().plus_us(us)))
    }

    /// Whether to stop, now that something was done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.0 {
            Kind::Whole => false,
            Kind::Least => true,
            Kind::Until(clock, until) => clock.mono() >= until,
        }
    }
}

/// What a prune does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "camelCase")]
pub enum PruneStep {
    /// Makes the rollups of what goes.
    SummingUp,
    /// Drops what nobody reads any more.
    Dropping,
}

/// How far a prune is that has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneLeft {
    /// What it is at.
    pub step: PruneStep,
    /// How much of this step is done, in a unit of the store's own.
    pub done: u64,
    /// How much there is to do in it, in the same unit.
    pub of: u64,
}

/// Where the next piece of a prune goes on. It holds for one policy and the floors of one day: under others it begins
/// anew, and what is done already is found to be.
#[derive(Debug)]
pub(crate) struct Resume<S>(Mutex<Option<(Retention, UnixMicros, S)>>);

impl<S> Default for Resume<S> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<S: Clone> Resume<S> {
    /// Where to go on; none where it is to begin.
    pub(crate) fn stage(&self, policy: &Retention, now: UnixMicros) -> Option<S> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(known, day, _): &&(Retention, UnixMicros, S)| *known == *policy && *day == day_of(now);
        held.as_ref().filter(is_same).map(|(.., stage)| stage.clone())
    }

    /// So far it is.
    pub(crate) fn note(&self, policy: &Retention, now: UnixMicros, stage: S) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((policy.clone(), day_of(now), stage));
    }

    /// It is done, or has to begin anew.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Floors are whole days.
fn day_of(now: UnixMicros) -> UnixMicros {
    Tier::Day.bucket(now).from
}
