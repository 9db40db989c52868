//! Packing for many monitors at once, on more than one processor.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use super::frame::Packer;

/// Most threads: more would only wait for the one that writes.
const MOST: usize = 4;
/// Fewer rows than this are packed before a thread has begun.
const WORTH_A_THREAD: usize = 1_024;

/// Does some work with each item; the answers are in the items' order. `rows` says how much there is to do in all.
pub(super) fn spread<T: Send, R: Send>(
    mut items: Vec<T>,
    rows: usize,
    work: impl Fn(&mut Packer, T) -> R + Sync,
) -> Vec<R> {
    let some = |items: Vec<T>| {
        let mut packer = Packer::default();
        items.into_iter().map(|item| work(&mut packer, item)).collect::<Vec<R>>()
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let parts = processors.min(MOST).min(rows / WORTH_A_THREAD).min(items.len()).max(1);
    let each = items.len().div_ceil(parts).max(1);
    let mut others = Vec::new();
    while items.len() > each {
        others.push(items.split_off(items.len() - each));
    }
    thread::scope(|scope| {
        let others: Vec<_> = others.into_iter().map(|part| scope.spawn(|| some(part))).collect();
        let mut answers = some(items);
        for other in others.into_iter().rev() {
            answers.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        answers
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_however_many_there_are() {
        for count in [0, 1, 2, 3, 5, 31, 32, 33, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            let answers = spread(items, usize::MAX, |_, item| item * 2);
            assert_eq!(answers, (0..count).map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_is_passed_on() {
        let panics = || spread(vec![1, 2, 3, 4], usize::MAX, |_, item| assert!(item < 4, "four"));
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
