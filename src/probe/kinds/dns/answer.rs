//! What a server answered: its response code and the records of the asked type, as text.

use std::net::IpAddr;

use hickory_proto::op::{Header, Message, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};
use thiserror::Error;

use super::question::Question;

/// Aliases that are followed from the asked name; resolvers follow about as many. Together with [`MOST_RECORDS`] it
/// bounds the work that a hostile server can make.
const LONGEST_CHAIN: usize = 16;
/// Records of one answer that are read.
const MOST_RECORDS: u16 = 1000;

/// Why an answer cannot be read.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    /// Its bytes are no answer.
    #[error(transparent)]
    Broken(#[from] DecodeError),
    /// It is longer than any that is meant well.
    #[error("it has {0} records, at most {MOST_RECORDS} are read")]
    TooLong(u16),
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its response code.
    pub(super) code: ResponseCode,
    /// Whether it speaks for the zone itself.
    pub(super) authoritative: bool,
    /// The records of the asked type, along the chain of aliases from the asked name, in their order.
    pub(super) records: Vec<RData>,
    /// Smallest time to live among them, s.
    pub(super) ttl_s: Option<u32>,
    /// Size of the message.
    pub(super) bytes: usize,
}

/// Whether a message says that it was cut off (TC).
pub(super) fn is_cut_off(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0b10 != 0)
}

/// Whether a message refuses the query in a way that servers without EDNS do (RFC 6891 section 7).
pub(super) fn rejects_edns(message: &[u8]) -> bool {
    let code = message.get(3).map(|flags| flags & 0x0f);
    let additional = message.get(10..12);
    matches!(code, Some(1 | 4)) && additional == Some(&[0, 0])
}

/// Reads a message that answers the question.
///
/// # Errors
/// The answer records cannot be read, or there are too many. What stands behind them is not needed and may be anything.
pub(super) fn read(question: &Question, message: &[u8]) -> Result<Answer, Unreadable> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder)?;
    if header.counts.answers > MOST_RECORDS {
        return Err(Unreadable::TooLong(header.counts.answers));
    }
    if header.counts.queries > 0 {
        // The question was compared byte by byte before.
        decoder.read_slice(question.end().saturating_sub(decoder.index()))?;
    }
    let mut answers = Vec::with_capacity(usize::from(header.counts.answers).min(8));
    for _ in 0..header.counts.answers {
        answers.push(Record::read(&mut decoder)?);
    }
    let mut code = header.metadata.response_code;
    // Codes above 15 have their upper bits in EDNS; none of them comes with answers.
    if answers.is_empty()
        && header.counts.authorities <= MOST_RECORDS
        && header.counts.additionals <= MOST_RECORDS
        && let Ok(high) = upper_bits(&mut decoder, &header)
    {
        code = ResponseCode::from(high, code.low());
    }
    let bytes = message.len();
    let (records, ttl_s) = along_aliases(answers, question.name(), question.record_type());
    Ok(Answer { code, authoritative: header.metadata.authoritative, records, ttl_s, bytes })
}

fn upper_bits(decoder: &mut BinDecoder<'_>, header: &Header) -> Result<u8, DecodeError> {
    let counts = header.counts;
    Message::read_records(decoder, counts.authorities.into(), false, OpCode::Query)?;
    let (_, edns, _) = Message::read_records(decoder, counts.additionals.into(), true, OpCode::Query)?;
    Ok(edns.map_or(0, |edns| edns.rcode_high()))
}

/// The records of a type under a name or under what it is an alias for, and their smallest time to live.
fn along_aliases(answers: Vec<Record>, asked: &Name, wanted: RecordType) -> (Vec<RData>, Option<u32>) {
    let mut owner = asked.clone();
    if wanted != RecordType::CNAME {
        for _ in 0..LONGEST_CHAIN {
            let next = answers.iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if is_under(record, &owner) => Some(&alias.0),
                _ => None,
            });
            match next {
                Some(next) => owner = next.clone(),
                None => break,
            }
        }
    }
    let mut ttl_s: Option<u32> = None;
    let mut records = Vec::new();
    for record in answers {
        if record.record_type() == wanted && is_under(&record, &owner) {
            ttl_s = Some(ttl_s.map_or(record.ttl, |least| least.min(record.ttl)));
            records.push(record.data);
        }
    }
    (records, ttl_s)
}

fn is_under(record: &Record, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name.eq_ignore_root(owner)
}

/// A record as HallMonitor writes it: names with their last dot, `MX` as `preference host.`.
pub(super) fn text(record: &RData) -> String {
    match record {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(name) => name.0.to_ascii(),
        RData::NS(name) => name.0.to_ascii(),
        RData::PTR(name) => name.0.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target.to_ascii()),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname.to_ascii(),
            soa.rname.to_ascii(),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        other => other.to_string(),
    }
}

/// Whether a record's text is the expected one: exactly, or for records made of names in any case and with or without
/// last dots, or for addresses in any way of writing them.
pub(super) fn is_expected(record: &RData, text: &str, expected: &str) -> bool {
    let expected = expected.trim();
    if text == expected {
        return true;
    }
    match record {
        RData::A(_) | RData::AAAA(_) => expected.parse::<IpAddr>().is_ok_and(|address| text.parse() == Ok(address)),
        RData::CNAME(_) | RData::NS(_) | RData::PTR(_) | RData::MX(_) | RData::SRV(_) | RData::SOA(_) => {
            words(text).eq(words(expected))
        }
        _ => false,
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(|word| word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, MX, TXT};
    use proptest::prelude::*;

    use super::*;
    use crate::probe::kinds::dns::question;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("is a name")
    }

    fn asked() -> Question {
        let name = question::name("a.example", RecordType::A).expect("is a name");
        Question::new(name, RecordType::A).expect("builds")
    }

    fn alias(from: &str, to: &str) -> Record {
        Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))))
    }

    fn address(of: &str, last: u8, ttl: u32) -> Record {
        Record::from_rdata(name(of), ttl, RData::A(A::new(10, 0, 0, last)))
    }

    #[test]
    fn the_chain_of_aliases_is_followed_in_any_order_and_nothing_else() {
        let answers = vec![
            address("c.example.", 1, 30),
            alias("B.example.", "c.example."),
            alias("a.example.", "b.EXAMPLE."),
            address("other.example.", 2, 1),
            address("c.example.", 3, 20),
        ];
        let (records, ttl) = along_aliases(answers.clone(), &name("a.example."), RecordType::A);
        assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["10.0.0.1", "10.0.0.3"]);
        assert_eq!(ttl, Some(20));
        let (records, _) = along_aliases(answers.clone(), &name("a.example."), RecordType::CNAME);
        assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["b.EXAMPLE."]);
        let (records, ttl) = along_aliases(answers, &name("a.example."), RecordType::AAAA);
        assert_eq!((records.len(), ttl), (0, None));
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let answers = vec![alias("a.example.", "b.example."), alias("b.example.", "a.example.")];
        assert_eq!(along_aliases(answers, &name("a.example."), RecordType::A), (vec![], None));
    }

    #[test]
    fn a_chain_that_is_too_long_is_not_followed() {
        for (aliases, found) in [(LONGEST_CHAIN, 1), (LONGEST_CHAIN + 1, 0)] {
            let mut answers = vec![address(&format!("n{aliases}.example."), 1, 30)];
            answers
                .extend((0..aliases).rev().map(|n| alias(&format!("n{n}.example."), &format!("n{}.example.", n + 1))));
            assert_eq!(along_aliases(answers, &name("n0.example."), RecordType::A).0.len(), found, "{aliases}");
        }
    }

    #[test]
    fn expected_is_exact_or_the_same_name() {
        let mx = RData::MX(MX::new(10, name("Mail.example.")));
        assert_eq!(text(&mx), "10 Mail.example.");
        for (expected, is_it) in [
            ("10 Mail.example.", true),
            ("10 mail.EXAMPLE", true),
            ("10  mail.example", true),
            ("20 mail.example.", false),
            ("mail.example.", false),
        ] {
            assert_eq!(is_expected(&mx, &text(&mx), expected), is_it, "{expected}");
        }
        let txt = RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()]));
        assert!(is_expected(&txt, &text(&txt), "v=spf1 -all"));
        assert!(!is_expected(&txt, &text(&txt), "V=SPF1 -ALL"));
        let v6 = RData::AAAA("2001:db8::1".parse().expect("is one"));
        assert!(is_expected(&v6, &text(&v6), "2001:0DB8:0:0::1"));
    }

    proptest! {
        #[test]
        fn any_bytes_behind_a_right_question_are_read_without_harm(
            tail in prop::collection::vec(any::<u8>(), 0..300),
            counts in any::<[u8; 6]>(),
        ) {
            let question = asked();
            let mut message = question.message(1, false);
            message[2] |= 0x80;
            message[6..12].copy_from_slice(&counts);
            message.extend_from_slice(&tail);
            prop_assert!(question.is_answered_by(1, &message).is_ok());
            if let Ok(answer) = read(&question, &message) {
                answer.records.iter().for_each(|record| { text(record); });
            }
        }
    }
}
