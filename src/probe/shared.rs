//! Things of which one is enough for all probes, found by their type, so that a kind brings its own without a line
//! elsewhere.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Things = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// One of each type, made at first use.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Things>>);

impl Shared {
    /// The one of this type, made by `make` at first use.
    pub fn get_or_make<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let thing = things.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make())).clone();
        drop(things);
        match thing.downcast() {
            Ok(thing) => thing,
            Err(_) => unreachable!("a thing is kept under its own type"),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Shared").field("things", &things.len()).finish()
    }
}
