//! The question as it goes out, made once for a monitor, and whether a message answers it.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};

/// Types that can be asked for: HallMonitor's, and those behind.
pub(super) const TYPES: &[&str] = &["A", "AAAA", "CNAME", "MX", "TXT", "NS", "PTR", "SRV", "SOA", "CAA"];

/// Largest answer we take over UDP, told to the server (RFC 6891); 1232 bytes pass without fragments nearly anywhere
/// (DNS flag day 2020).
pub(super) const UDP_LIMIT: u16 = 1232;

/// Bytes of the header of a message (RFC 1035 section 4.1.1).
const HEADER_LEN: usize = 12;

/// A question, with everything but the id of a message in place.
#[derive(Clone, Debug)]
pub(super) struct Question {
    name: Name,
    record_type: RecordType,
    /// The whole message, with recursion desired and EDNS.
    message: Box<[u8]>,
    /// Where the question ends and EDNS begins.
    end: usize,
}

/// The type with this name, in any case.
pub(super) fn record_type(text: &str) -> Option<RecordType> {
    let upper = text.trim().to_ascii_uppercase();
    TYPES.contains(&upper.as_str()).then(|| upper.parse().ok()).flatten()
}

/// The name that is asked for. An address asked for its `PTR` stands for its name under `arpa`.
///
/// # Errors
/// Text that cannot be a name, with the reason.
pub(super) fn name(text: &str, record_type: RecordType) -> Result<Name, String> {
    let text = text.trim();
    if record_type == RecordType::PTR
        && let Ok(address) = text.parse::<IpAddr>()
    {
        return Ok(Name::from(address));
    }
    if text == "." {
        return Ok(Name::root());
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.len() > 253 {
        return Err(format!("a name has at most 253 bytes, this one has {}", bare.len()));
    }
    if let Some(wrong) = bare.chars().find(|c| !c.is_ascii_graphic()) {
        let hint = if wrong.is_ascii() { "" } else { "; write it in its xn-- form" };
        return Err(format!("{wrong:?} cannot be in a name{hint}"));
    }
    if bare.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err("the parts between the dots of a name have 1 to 63 bytes".to_owned());
    }
    let mut name = Name::from_labels(bare.split('.').map(str::as_bytes)).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

impl Question {
    /// Builds the message.
    ///
    /// # Errors
    /// The name cannot be written in a message.
    pub(super) fn new(name: Name, record_type: RecordType) -> Result<Self, String> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), record_type));
        let end = message.to_vec().map_err(|error| error.to_string())?.len();
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_LIMIT);
        message.set_edns(edns);
        let message = message.to_vec().map_err(|error| error.to_string())?.into_boxed_slice();
        Ok(Self { name, record_type, message, end })
    }

    /// The name that is asked for.
    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// The type that is asked for.
    pub(super) fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Where the answers begin in a message that repeats the question.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The message with this id; without EDNS for servers that do not know it.
    pub(super) fn message(&self, id: u16, edns: bool) -> Vec<u8> {
        let mut bytes = if edns { self.message.to_vec() } else { self.message[..self.end].to_vec() };
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        // The number of additional records: EDNS is one.
        bytes[HEADER_LEN - 1] = u8::from(edns);
        bytes
    }

    /// Whether a message is an answer to this question under this id, else why not.
    pub(super) fn is_answered_by(&self, id: u16, message: &[u8]) -> Result<(), &'static str> {
        let header = message.first_chunk::<HEADER_LEN>().ok_or("too short for a DNS message")?;
        if header[..2] != id.to_be_bytes() {
            return Err("another id");
        }
        // Response flag set, and the operation of our query: 0.
        if header[2] & 0b1111_1000 != 0b1000_0000 {
            return Err("not an answer to a query");
        }
        match u16::from_be_bytes([header[4], header[5]]) {
            1 if self.is_repeated_in(message) => Ok(()),
            // Servers that could not read the question leave it out, with a response code that says so.
            0 if header[3] & 0x0f != 0 => Ok(()),
            _ => Err("another question"),
        }
    }

    fn is_repeated_in(&self, message: &[u8]) -> bool {
        let Some(theirs) = message.get(HEADER_LEN..self.end) else { return false };
        let ours = &self.message[HEADER_LEN..self.end];
        // Lengths of labels stay below `A`, so that ignoring the case of letters compares them exactly.
        let (name, kind) = ours.split_at(ours.len() - 4);
        theirs[..name.len()].eq_ignore_ascii_case(name) && theirs[name.len()..] == *kind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(text: &str) -> Question {
        Question::new(name(text, RecordType::A).expect("is a name"), RecordType::A).expect("builds")
    }

    #[test]
    fn the_message_is_what_rfc_1035_and_6891_say() {
        let bytes = question("a.Example").message(0xbeef, true);
        let read = Message::from_vec(&bytes).expect("reads");
        assert_eq!(read.id, 0xbeef);
        assert!(read.recursion_desired);
        assert_eq!(read.queries[0].name().to_ascii(), "a.Example.");
        assert_eq!(read.max_payload(), UDP_LIMIT);
        let plain = Message::from_vec(&question("a.Example").message(1, false)).expect("reads");
        assert!(plain.edns.is_none());
        assert_eq!(plain.queries, read.queries);
    }

    #[test]
    fn only_answers_to_this_question_are_taken() {
        let question = question("a.example");
        let mut answer = question.message(7, false);
        assert_eq!(question.is_answered_by(7, &answer), Err("not an answer to a query"));
        answer[2] |= 0x80;
        assert_eq!(question.is_answered_by(7, &answer), Ok(()));
        assert_eq!(question.is_answered_by(8, &answer), Err("another id"));
        assert_eq!(question.is_answered_by(7, &answer.to_ascii_uppercase()), Ok(()), "case does not matter");
        let mut other = answer.clone();
        other[13] = b'b';
        assert_eq!(question.is_answered_by(7, &other), Err("another question"));
        let mut other_type = answer.clone();
        let at = question.end() - 3;
        other_type[at] = 28;
        assert_eq!(question.is_answered_by(7, &other_type), Err("another question"));
        let bare = [0, 7, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(question.is_answered_by(7, &bare), Ok(()), "FORMERR may leave the question out");
        assert_eq!(question.is_answered_by(7, &bare[..11]), Err("too short for a DNS message"));
    }

    #[test]
    fn names_are_checked() {
        for good in ["example", "a.example.", "_dmarc.example", "0/25.2.0.192.in-addr.arpa", "*.example", "."] {
            assert!(name(good, RecordType::A).is_ok(), "{good}");
        }
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for bad in ["", "a..b", ".a", "a b", "bücher.example", &"a".repeat(64), &long] {
            assert!(name(bad, RecordType::A).is_err(), "{bad}");
        }
        let pointer = name("10.0.0.9", RecordType::PTR).expect("is a name");
        assert_eq!(pointer.to_ascii(), "9.0.0.10.in-addr.arpa.");
    }

    #[test]
    fn types_are_read_in_any_case() {
        assert_eq!(record_type("aaaa"), Some(RecordType::AAAA));
        assert_eq!(record_type(" Mx "), Some(RecordType::MX));
        assert_eq!(record_type("AXFR"), None);
        assert!(TYPES.iter().all(|text| record_type(text).is_some()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100), id: u16) {
            let _ = question("a.example").is_answered_by(id, &bytes);
        }
    }
}
