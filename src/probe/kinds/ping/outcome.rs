//! From what became of the requests to what the check says.

use std::net::IpAddr;
use std::time::Duration;

use super::echo::{Fate, Method, Undelivered};
use super::icmp::NETWORK_UNREACHABLE;
use crate::model::{FactKey, Facts, Failure, Verdict};
use crate::probe::Observation;
use crate::probe::net::fault::spell;

/// What a run saw.
pub(super) struct Outcome<'a> {
    /// Address that was asked.
    pub(super) peer: IpAddr,
    /// How it was asked.
    pub(super) method: Method,
    /// What became of each request.
    pub(super) fates: &'a [Fate],
    /// The time the address had.
    pub(super) time: Duration,
    /// How long the run took, µs.
    pub(super) waited_us: u64,
}

impl Outcome<'_> {
    /// Whether nothing came back.
    pub(super) fn is_silence(&self) -> bool {
        self.round_trips().next().is_none()
    }

    /// The check's verdict with its facts. The value is the mean round trip; on silence, the time that was waited.
    pub(super) fn observation(&self) -> Observation {
        let sent = self.fates.iter().filter(|fate| !matches!(fate, Fate::Unsent)).count();
        let received = self.round_trips().count();
        let mut observation = self.verdict(sent, received);
        let facts = &mut observation.facts;
        facts.set(FactKey::PingSent, number(sent));
        facts.set(FactKey::PingReceived, number(received));
        facts.set_text(FactKey::PingMethod, self.method.as_str());
        facts.set_text(FactKey::Peer, &self.peer.to_string());
        observation.duration_us = Some(self.set_round_trips(facts).unwrap_or(self.waited_us));
        observation
    }

    fn verdict(&self, sent: usize, received: usize) -> Observation {
        if sent == 0 {
            return Observation::failed(Failure::Resources, "this machine was too busy to send a request in time");
        }
        let lost = sent - received;
        if lost == 0 {
            return Observation::up();
        }
        if received == 0 {
            return match self.given_up() {
                // A router near us that knows no way says this, also where it says so once for several requests: as
                // for a connection, it is not the target's fault.
                Some(why) if self.is_without_route() => {
                    Observation::failed(Failure::NoRoute, format!("no route to {}: {why}", self.peer))
                }
                // Nobody was silent: all that could be known came back before the time-out.
                Some(why) if !self.fates.iter().any(|fate| matches!(fate, Fate::Sent(_))) => {
                    Observation::failed(Failure::Connect, format!("100% packet loss: {why}"))
                }
                why => {
                    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                    let text = format!("no answer from {} in {}{why}", self.peer, spell(self.time));
                    Observation::failed(Failure::Timeout, format!("100% packet loss: {text}"))
                }
            };
        }
        #[allow(clippy::cast_precision_loss, reason = "at most 100 requests")]
        let percent = 100.0 * lost as f64 / sent as f64;
        let why = self.given_up().map(|why| format!("; {why}")).unwrap_or_default();
        let counts = format!("({received} of {sent} answered{why})");
        if lost * 2 >= sent {
            Observation::failed(Failure::Assertion, format!("high packet loss: {percent:.1}% {counts}"))
        } else {
            Observation {
                verdict: Verdict::Degraded,
                ..Observation::failed(Failure::Assertion, format!("{percent:.1}% packet loss {counts}"))
            }
        }
    }

    /// What somebody said who gave a request up.
    fn given_up(&self) -> Option<String> {
        self.fates.iter().find_map(|fate| match fate {
            Fate::Undelivered(Undelivered { what, says: Some(says) }) => Some(format!("{what}, says {says}")),
            Fate::Undelivered(Undelivered { what, says: None }) => Some(format!("{what}, says this machine")),
            _ => None,
        })
    }

    /// Whether all who gave a request up know no way to the network of the target.
    fn is_without_route(&self) -> bool {
        self.fates.iter().all(|fate| match fate {
            Fate::Undelivered(undelivered) => undelivered.what == NETWORK_UNREACHABLE,
            _ => true,
        })
    }

    fn round_trips(&self) -> impl Iterator<Item = u64> {
        self.fates.iter().filter_map(|fate| match fate {
            Fate::Answered(us) => Some(*us),
            _ => None,
        })
    }

    /// Sets minimum, mean, maximum and population standard deviation, and gives the mean; nothing on silence.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "round trips are shorter than a time-out, which is far below 2^53 µs"
    )]
    fn set_round_trips(&self, facts: &mut Facts) -> Option<u64> {
        let (min, max) = (self.round_trips().min()?, self.round_trips().max()?);
        let count = self.round_trips().count() as f64;
        let mean = self.round_trips().sum::<u64>() as f64 / count;
        let variance = self.round_trips().map(|us| (us as f64 - mean).powi(2)).sum::<f64>() / count;
        facts.set(FactKey::PingMin, min as i64);
        facts.set(FactKey::PingAvg, mean.round() as i64);
        facts.set(FactKey::PingMax, max as i64);
        facts.set(FactKey::PingStddev, variance.sqrt().round() as i64);
        Some(mean.round() as u64)
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;

    const LOST: Fate = Fate::Sent(Mono(0));
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    fn said(fates: &[Fate]) -> Observation {
        let time = Duration::from_secs(3);
        Outcome { peer: PEER, method: Method::Raw, fates, time, waited_us: 3_000_000 }.observation()
    }

    fn unreachable(says: Option<[u8; 4]>) -> Fate {
        Fate::Undelivered(Undelivered { what: "host unreachable", says: says.map(IpAddr::from) })
    }

    #[test]
    fn the_value_is_the_mean_round_trip() {
        let observation = said(&[Fate::Answered(100), Fate::Answered(200), Fate::Answered(600)]);
        assert_eq!((observation.verdict, observation.failure), (Verdict::Up, None));
        assert_eq!(observation.duration_us, Some(300));
        let number = |key| observation.facts.number(key);
        assert_eq!(number(FactKey::PingSent), Some(3));
        assert_eq!(number(FactKey::PingReceived), Some(3));
        assert_eq!(number(FactKey::PingMin), Some(100));
        assert_eq!(number(FactKey::PingAvg), Some(300));
        assert_eq!(number(FactKey::PingMax), Some(600));
        // sqrt((200² + 100² + 300²) / 3)
        assert_eq!(number(FactKey::PingStddev), Some(216));
    }

    #[test]
    fn loss_decides_the_verdict() {
        let up = Fate::Answered(500);
        for (fates, verdict, failure, message) in [
            (vec![up, up, LOST], Verdict::Degraded, Failure::Assertion, "33.3% packet loss (2 of 3 answered)"),
            (vec![up, LOST], Verdict::Down, Failure::Assertion, "high packet loss: 50.0% (1 of 2 answered)"),
            (vec![up, LOST, LOST], Verdict::Down, Failure::Assertion, "high packet loss: 66.7% (1 of 3 answered)"),
            (vec![LOST; 3], Verdict::Down, Failure::Timeout, "100% packet loss: no answer from 10.0.0.9 in 3 s"),
        ] {
            let observation = said(&fates);
            assert_eq!((observation.verdict, observation.failure), (verdict, Some(failure)), "{message}");
            assert_eq!(observation.message, message);
        }
        assert_eq!(said(&[Fate::Unsent; 3]).verdict, Verdict::Inconclusive, "nothing was asked");
        assert_eq!(said(&[LOST; 3]).duration_us, Some(3_000_000), "the time that was waited");
        assert_eq!(said(&[LOST; 3]).facts.number(FactKey::PingAvg), None);
    }

    #[test]
    fn a_network_that_nobody_knows_a_way_to_is_not_the_targets_fault() {
        let says = Some(IpAddr::from([10, 0, 0, 1]));
        let no_way = Fate::Undelivered(Undelivered { what: NETWORK_UNREACHABLE, says });
        for fates in [[no_way; 3], [LOST, no_way, LOST]] {
            let observation = said(&fates);
            assert_eq!((observation.verdict, observation.failure), (Verdict::Inconclusive, Some(Failure::NoRoute)));
            assert_eq!(observation.message, "no route to 10.0.0.9: network unreachable, says 10.0.0.1");
        }
        let mixed = said(&[no_way, no_way, unreachable(Some([10, 0, 0, 2]))]);
        assert_eq!(mixed.failure, Some(Failure::Connect));
    }

    #[test]
    fn who_gave_up_is_said() {
        let router = Some([10, 0, 0, 1]);
        let observation = said(&[unreachable(router); 3]);
        assert_eq!(observation.failure, Some(Failure::Connect));
        assert_eq!(observation.message, "100% packet loss: host unreachable, says 10.0.0.1");
        let observation = said(&[unreachable(None), LOST]);
        assert_eq!(observation.failure, Some(Failure::Timeout));
        assert!(observation.message.ends_with("(host unreachable, says this machine)"), "{}", observation.message);
        let observation = said(&[Fate::Answered(9), unreachable(router), LOST]);
        assert_eq!(observation.message, "high packet loss: 66.7% (1 of 3 answered; host unreachable, says 10.0.0.1)");
    }
}
