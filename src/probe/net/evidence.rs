//! Whether a look-up that failed is the resolver's fault or the name's: what happened to other names lately decides.

use crate::clock::Mono;

/// How long an answer for another name speaks for the resolver, in µs.
const SPEAKS_US: u64 = 30_000_000;

/// An answer that came faster was not asked for outside: hosts file or a cache on this machine, which work without a
/// resolver. In µs.
const OUTSIDE_US: u64 = 1_000;

/// When something last happened to the two names to which it happened last.
#[derive(Debug, Default)]
struct Latest([Option<(Box<str>, Mono)>; 2]);

impl Latest {
    fn note(&mut self, name: &str, now: Mono) {
        match &mut self.0[0] {
            Some((known, at)) if &**known == name => *at = now,
            _ => {
                self.0.swap(0, 1);
                self.0[0] = Some((name.into(), now));
            }
        }
    }

    /// When it last happened to a name other than this one.
    fn to_other(&self, name: &str) -> Option<Mono> {
        self.0.iter().flatten().filter(|(known, _)| &**known != name).map(|(_, at)| *at).max()
    }
}

/// What the resolver did lately.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    answered: Latest,
    failed: Latest,
}

impl Evidence {
    /// The resolver gave an answer about a name, within `took_us`.
    pub(super) fn answered(&mut self, name: &str, now: Mono, took_us: u64) {
        if took_us >= OUTSIDE_US {
            self.answered.note(name, now);
        }
    }

    /// The resolver could not say, or said nothing.
    pub(super) fn failed(&mut self, name: &str, now: Mono) {
        self.failed.note(name, now);
    }

    /// Whether the resolver works, as far as names other than this one tell: one was answered within 30 s, and none
    /// has failed since.
    pub(super) fn resolver_works(&self, name: &str, now: Mono) -> bool {
        self.answered.to_other(name).is_some_and(|answered| {
            now.since_us(answered) <= SPEAKS_US && self.failed.to_other(name).is_none_or(|failed| failed < answered)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn another_name_speaks_for_the_resolver_for_a_while() {
        let mut evidence = Evidence::default();
        assert!(!evidence.resolver_works("a", Mono(S)));
        evidence.answered("a", Mono(S), 5_000);
        assert!(!evidence.resolver_works("a", Mono(S)), "a name does not speak for itself");
        assert!(evidence.resolver_works("b", Mono(31 * S)));
        assert!(!evidence.resolver_works("b", Mono(31 * S + 1)));
        evidence.answered("b", Mono(2 * S), 5_000);
        evidence.answered("b", Mono(3 * S), 5_000);
        assert!(evidence.resolver_works("b", Mono(4 * S)), "`a` is remembered");
    }

    #[test]
    fn answers_from_this_machine_prove_nothing() {
        let mut evidence = Evidence::default();
        evidence.answered("localhost", Mono(S), 80);
        assert!(!evidence.resolver_works("b", Mono(S)));
    }

    #[test]
    fn failing_for_other_names_too_is_the_resolvers_fault() {
        let mut evidence = Evidence::default();
        evidence.answered("a", Mono(S), 5_000);
        evidence.failed("b", Mono(2 * S));
        assert!(evidence.resolver_works("b", Mono(2 * S)), "only this name fails");
        assert!(!evidence.resolver_works("c", Mono(3 * S)), "two names fail");
        evidence.answered("a", Mono(4 * S), 5_000);
        assert!(evidence.resolver_works("c", Mono(4 * S)));
    }
}
