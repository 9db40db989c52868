//! A binary heap of due times that knows where each key stands, so that a key moves or leaves at once and nothing
//! stale is ever left behind.

/// Marks a key that is not in the heap.
const ABSENT: u32 = u32::MAX;

/// Keys by due time, the earliest first. Every operation costs O(log n); `peek` costs nothing.
#[derive(Debug, Default)]
pub(super) struct DueHeap {
    /// The heap: (due, key), the smallest first.
    items: Vec<(u64, u32)>,
    /// Where each key stands in `items`.
    places: Vec<u32>,
}

impl DueHeap {
    /// The earliest due time and its key.
    pub(super) fn peek(&self) -> Option<(u64, u32)> {
        self.items.first().copied()
    }

    /// Puts a key in, or moves it to another due time.
    pub(super) fn set(&mut self, key: u32, due: u64) {
        let slot = key as usize;
        if slot >= self.places.len() {
            self.places.resize(slot + 1, ABSENT);
        }
        if self.places[slot] == ABSENT {
            self.items.push((due, key));
            self.rise(self.items.len() - 1);
        } else {
            let at = self.places[slot] as usize;
            self.items[at].0 = due;
            let at = self.rise(at);
            self.fall(at);
        }
    }

    /// Takes a key out; a key that is not in is fine.
    pub(super) fn remove(&mut self, key: u32) {
        let Some(&place) = self.places.get(key as usize).filter(|place| **place != ABSENT) else { return };
        let at = place as usize;
        self.items.swap_remove(at);
        self.places[key as usize] = ABSENT;
        if at < self.items.len() {
            let at = self.rise(at);
            self.fall(at);
        }
    }

    /// Number of keys in the heap.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    fn settle(&mut self, at: usize) {
        // The heap holds at most as many items as there are keys, and keys are u32.
        #[allow(clippy::cast_possible_truncation, reason = "positions are below the number of u32 keys")]
        {
            self.places[self.items[at].1 as usize] = at as u32;
        }
    }

    fn rise(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.items[parent] <= self.items[at] {
                break;
            }
            self.items.swap(parent, at);
            self.settle(at);
            at = parent;
        }
        self.settle(at);
        at
    }

    fn fall(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.items.len() && self.items[child] < self.items[least] {
                    least = child;
                }
            }
            if least == at {
                break;
            }
            self.items.swap(least, at);
            self.settle(at);
            at = least;
        }
        self.settle(at);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_sorted_map_of_keys(steps in prop::collection::vec((0u32..12, prop::option::weighted(0.7, 0u64..100)), 0..200)) {
            let mut heap = DueHeap::default();
            let mut model = BTreeMap::new();
            for (key, due) in steps {
                match due {
                    Some(due) => {
                        heap.set(key, due);
                        model.insert(key, due);
                    }
                    None => {
                        heap.remove(key);
                        model.remove(&key);
                    }
                }
                prop_assert_eq!(heap.len(), model.len());
                prop_assert_eq!(heap.peek(), model.iter().map(|(key, due)| (*due, *key)).min());
            }
            while let Some((due, key)) = heap.peek() {
                prop_assert_eq!(model.iter().map(|(key, due)| (*due, *key)).min(), Some((due, key)));
                heap.remove(key);
                model.remove(&key);
            }
            prop_assert!(model.is_empty());
        }
    }
}
