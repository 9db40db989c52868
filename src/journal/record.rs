//! One row as bytes: `length u32 | check u32 | postcard(Row)`, little-endian.
//!
//! The check is the CRC32C (RFC 3720) of the length and the payload, XORed with the sequence number times an odd
//! constant. So a good record proves its own place in the sequence, and after a damaged place the next good record
//! says by itself how many are missing.

use postcard::ser_flavors::Flavor;

use crate::model::{MonitorId, Row, UnixMicros};

/// Bytes before the payload.
pub(super) const FRAME: usize = 8;
/// Largest payload; a row is far smaller, so a larger length is damage.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;

/// Spreads neighbouring sequence numbers over all bits, so that a flipped bit never looks like a near one.
const SPREAD: u32 = 0x9E37_79B1;
/// Its inverse modulo 2^32.
const UNSPREAD: u32 = inverse(SPREAD);

/// Newton's iteration: each round doubles the number of right bits.
const fn inverse(odd: u32) -> u32 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

/// Puts encoded bytes at the end of a vector.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends a row with its length; the check is filled in by [`stamp`] once its place is known. A row that does not
/// fit leaves the vector as it was and gives false.
pub(super) fn encode(row: &Row, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME]);
    let encoded = postcard::serialize_with_flavor(row, Append(out)).is_ok();
    let length = out.len() - start - FRAME;
    match u32::try_from(length) {
        Ok(short) if encoded && length <= MAX_PAYLOAD => {
            out[start..start + 4].copy_from_slice(&short.to_le_bytes());
            true
        }
        _ => {
            out.truncate(start);
            false
        }
    }
}

/// Reads a row back.
///
/// # Errors
/// Bytes that are no row of this version.
pub fn decode(payload: &[u8]) -> Result<Row, postcard::Error> {
    postcard::from_bytes(payload)
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is what is mixed in")]
fn spread(sequence: u64) -> u32 {
    (sequence as u32).wrapping_mul(SPREAD)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(word))
}

fn crc(length: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload)
}

/// The first four bytes of a frame: how long its payload is; none where no record can be that long.
pub(super) fn payload_len(frame: &[u8]) -> Option<usize> {
    let length = usize::try_from(word(frame, 0)?).ok()?;
    (length > 0 && length <= MAX_PAYLOAD).then_some(length)
}

/// Whether frame and payload belong together at this place.
pub(super) fn is_good(frame: &[u8], payload: &[u8], sequence: u64) -> bool {
    match (word(frame, 0), word(frame, 4)) {
        (Some(length), Some(check)) => check == crc(length, payload) ^ spread(sequence),
        _ => false,
    }
}

/// Fills in the checks of encoded rows, the first of which has the number `first`; gives the number after the last.
pub(super) fn stamp(rows: &mut [u8], first: u64) -> u64 {
    let mut sequence = first;
    let mut rest = rows;
    while rest.len() >= FRAME {
        let Some(length) = payload_len(rest) else { break };
        let (record, after) = rest.split_at_mut(FRAME + length);
        #[allow(clippy::cast_possible_truncation, reason = "at most MAX_PAYLOAD")]
        let check = crc(length as u32, &record[FRAME..]) ^ spread(sequence);
        record[4..FRAME].copy_from_slice(&check.to_le_bytes());
        sequence += 1;
        rest = after;
    }
    sequence
}

/// The payloads in encoded rows that are known to be whole.
pub(crate) fn payloads(mut rows: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = payload_len(rows)?;
        let payload = rows.get(FRAME..FRAME + length)?;
        rows = &rows[FRAME + length..];
        Some(payload)
    })
}

/// The good record at `at`, which must have the number `sequence`: its payload.
pub(super) fn good_at(bytes: &[u8], at: usize, sequence: u64) -> Option<&[u8]> {
    let frame = bytes.get(at..at + FRAME)?;
    let payload = bytes.get(at + FRAME..at + FRAME + payload_len(frame)?)?;
    is_good(frame, payload, sequence).then_some(payload)
}

/// The record at `at`, if there is one with a number in `after..after + room`: its number and payload.
pub(super) fn any_at(bytes: &[u8], at: usize, after: u64, room: u64) -> Option<(u64, &[u8])> {
    let frame = bytes.get(at..at + FRAME)?;
    let length = payload_len(frame)?;
    let payload = bytes.get(at + FRAME..at + FRAME + length)?;
    // The cheapest test first: the first byte is the row's kind.
    if payload[0] > kind::LAST {
        return None;
    }
    let low = (word(frame, 4)? ^ crc(word(frame, 0)?, payload)).wrapping_mul(UNSPREAD);
    #[allow(clippy::cast_possible_truncation, reason = "the low half is what is known")]
    let ahead = u64::from(low.wrapping_sub(after as u32));
    (ahead < room).then_some((after + ahead, payload))
}

/// The first byte of a payload: which variant of [`Row`] it is.
pub(crate) mod kind {
    /// A result.
    pub(crate) const RESULT: u8 = 0;
    /// A gap.
    pub(crate) const GAP: u8 = 1;
    /// An incident.
    pub(crate) const INCIDENT: u8 = 2;
    /// A monitor.
    pub(crate) const MONITOR: u8 = 3;
    /// A rollup.
    pub(crate) const ROLLUP: u8 = 4;
    /// A monitor to be forgotten.
    pub(crate) const FORGET: u8 = 5;
    /// The last of them.
    pub(super) const LAST: u8 = FORGET;
}

/// Bytes of an id: its length and 16 bytes.
const ID: usize = 17;

/// What can be told about a row without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peek {
    /// Which variant.
    pub(crate) kind: u8,
    /// Whose.
    pub(crate) monitor: MonitorId,
    /// Its time: start of the check, of the gap or of the incident; none for other rows.
    pub(crate) time: Option<UnixMicros>,
}

/// Looks at the first fields of a payload; none for bytes that are no row.
pub(crate) fn peek(payload: &[u8]) -> Option<Peek> {
    let kind = *payload.first()?;
    // An incident starts with its own id, all others with the monitor's.
    let at = if kind == kind::INCIDENT { 1 + ID } else { 1 };
    let (monitor, rest) = postcard::take_from_bytes::<MonitorId>(payload.get(at..)?).ok()?;
    let time = match kind {
        kind::RESULT | kind::GAP | kind::INCIDENT => Some(postcard::take_from_bytes::<UnixMicros>(rest).ok()?.0),
        _ => None,
    };
    Some(Peek { kind, monitor, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture;

    #[test]
    fn every_kind_of_row_reads_back_and_can_be_peeked() {
        for (code, row) in fixture::one_of_each().into_iter().enumerate() {
            let mut bytes = Vec::new();
            assert!(encode(&row, &mut bytes));
            assert_eq!(stamp(&mut bytes, 7), 8);
            let payload = good_at(&bytes, 0, 7).expect("good");
            assert_eq!(decode(payload).expect("decodes"), row);
            let peek = peek(payload).expect("peeks");
            assert_eq!(usize::from(peek.kind), code);
            assert_eq!(peek.monitor, row.monitor());
            let time = match &row {
                Row::Result(result) => Some(result.time),
                Row::Gap(gap) => Some(gap.span.from),
                Row::Incident(incident) => Some(incident.opened),
                _ => None,
            };
            assert_eq!(peek.time, time);
        }
    }

    #[test]
    fn a_record_proves_its_number() {
        let mut bytes = Vec::new();
        assert!(encode(&fixture::result(1, 1), &mut bytes));
        stamp(&mut bytes, 1_000);
        assert!(good_at(&bytes, 0, 1_000).is_some());
        assert!(good_at(&bytes, 0, 1_001).is_none());
        assert_eq!(any_at(&bytes, 0, 990, 100).map(|(sequence, _)| sequence), Some(1_000));
        assert!(any_at(&bytes, 0, 990, 10).is_none());
        assert!(any_at(&bytes, 0, 1_001, 100).is_none());
    }

    #[test]
    fn a_row_that_is_too_large_is_refused_and_leaves_nothing() {
        let mut monitor = match &fixture::one_of_each()[3] {
            Row::Monitor(monitor) => monitor.clone(),
            other => panic!("{other:?}"),
        };
        monitor.name = "x".repeat(MAX_PAYLOAD);
        let mut bytes = vec![1, 2, 3];
        assert!(!encode(&Row::Monitor(monitor), &mut bytes));
        assert_eq!(bytes, [1, 2, 3]);
    }
}
