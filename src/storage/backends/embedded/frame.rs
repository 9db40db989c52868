//! The outer form of everything that is stored. Blocks have a head that can be read without unpacking, a checksum and
//! a packed body; single rows are too short for packing and have a checksum only. The layout is described in
//! `docs/embedded-format.md`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};

use super::column::Effort;

/// Version of the layout of heads and bodies.
const FORMAT: u8 = 2;
/// Length of a head in bytes.
const HEAD: usize = 32;
/// Where the checksum stands in a head.
const SUM_AT: usize = 28;
/// Longest body before packing; a block that would be longer is split.
pub(super) const BODY_LIMIT: usize = 4 << 20;
/// zstd level: 3 is as small as 9 within a few percent, and several times as fast.
fn level(effort: Effort) -> i32 {
    match effort {
        Effort::Quick => 1,
        Effort::Thorough => 3,
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Results of one monitor.
    Results = 1,
    /// Rollups of one monitor and tier.
    Rollups = 2,
}

/// What stands where blocks have their kind.
const ROW: u8 = 3;
/// Length of what stands before a row: format, kind, checksum.
const ROW_HEAD: usize = 6;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    /// Written by another version.
    #[error("it has format {0}, and this version reads format {FORMAT}; use a newer Hall Monitor")]
    Format(u8),
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// What a frame says before it is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of rows.
    pub(super) count: u16,
    /// Time of the first row, µs since 1970.
    pub(super) first: u64,
    /// Time of the last row, µs since 1970.
    pub(super) last: u64,
}

/// Packs and unpacks frames; keeps its working memory, so make one for many frames. Making one costs nothing yet.
#[derive(Default)]
pub(super) struct Packer {
    pack: Option<Compressor<'static>>,
    unpack: Option<Decompressor<'static>>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// Makes a frame of a body that is no longer than [`BODY_LIMIT`] and numbers that are packed already.
    pub(super) fn seal(
        &mut self,
        kind: Kind,
        effort: Effort,
        head: Head,
        body: &[u8],
        numbers: &[u8],
    ) -> std::io::Result<Vec<u8>> {
        let length = u32::try_from(body.len())
            .ok()
            .filter(|_| body.len() <= BODY_LIMIT)
            .ok_or_else(|| std::io::Error::other("a body is longer than a frame may be"))?;
        let pack = match &mut self.pack {
            Some(pack) => pack,
            None => self.pack.insert(Compressor::default()),
        };
        pack.set_compression_level(level(effort))?;
        let packed = pack.compress(body)?;
        let mut frame = Vec::with_capacity(HEAD + packed.len() + numbers.len());
        frame.extend([FORMAT, kind as u8]);
        frame.extend(head.count.to_le_bytes());
        frame.extend(head.first.to_le_bytes());
        frame.extend(head.last.to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend(u32::try_from(packed.len()).map_err(std::io::Error::other)?.to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&frame), &packed), numbers);
        frame.extend(sum.to_le_bytes());
        frame.extend(packed);
        frame.extend(numbers);
        Ok(frame)
    }

    /// Reads a frame, proving its checksum: its head, its body, its packed numbers.
    pub(super) fn open<'f>(&mut self, kind: Kind, frame: &'f [u8]) -> Result<(Head, Vec<u8>, &'f [u8]), FrameError> {
        let head = head(kind, frame)?;
        prove(frame)?;
        let (start, rest) = frame.split_at(HEAD);
        let packed = usize::try_from(u32_at(start, 24)).ok().and_then(|length| rest.split_at_checked(length));
        let (packed, numbers) = packed.ok_or(FrameError::Damaged("its body is longer than it is"))?;
        let length = usize::try_from(u32_at(start, 20)).unwrap_or(usize::MAX);
        if length > BODY_LIMIT {
            return Err(FrameError::Damaged("it claims to be too long"));
        }
        let broken = |_| FrameError::Damaged("its body does not unpack");
        let unpack = match &mut self.unpack {
            Some(unpack) => unpack,
            None => self.unpack.insert(Decompressor::new().map_err(broken)?),
        };
        let body = unpack.decompress(packed, length).map_err(broken)?;
        if body.len() != length {
            return Err(FrameError::Damaged("its body has another length than it claims"));
        }
        Ok((head, body, numbers))
    }
}

/// Proves the checksum of a frame of any kind.
pub(super) fn prove(frame: &[u8]) -> Result<(), FrameError> {
    let (start, rest) = frame.split_at_checked(HEAD).ok_or(FrameError::Damaged("it is cut off"))?;
    if crc32c::crc32c_append(crc32c::crc32c(&start[..SUM_AT]), rest) != u32_at(start, SUM_AT) {
        return Err(FrameError::Damaged("its checksum is another one"));
    }
    Ok(())
}

/// Reads the head of a frame; says nothing of its body.
pub(super) fn head(kind: Kind, frame: &[u8]) -> Result<Head, FrameError> {
    if frame.len() < HEAD {
        return Err(FrameError::Damaged("it is cut off"));
    }
    if frame[0] != FORMAT {
        // One that fits but for this byte was written by this version.
        let is_ours = prove(&[&[FORMAT], &frame[1..]].concat()).is_ok();
        return Err(if is_ours { FrameError::Damaged("its format") } else { FrameError::Format(frame[0]) });
    }
    if frame[1] != kind as u8 {
        return Err(FrameError::Damaged("it holds something else"));
    }
    Ok(Head { count: u16::from_le_bytes([frame[2], frame[3]]), first: u64_at(frame, 4), last: u64_at(frame, 12) })
}

/// Makes a frame of one row.
pub(super) fn seal_row<T: Serialize>(row: &T) -> std::io::Result<Vec<u8>> {
    let body = postcard::to_stdvec(row).map_err(std::io::Error::other)?;
    let mut frame = vec![FORMAT, ROW];
    frame.extend(crc32c::crc32c(&body).to_le_bytes());
    frame.extend(body);
    Ok(frame)
}

/// Reads a frame of one row.
pub(super) fn open_row<T: DeserializeOwned>(frame: &[u8]) -> Result<T, FrameError> {
    if frame.len() < ROW_HEAD {
        return Err(FrameError::Damaged("it is cut off"));
    }
    let (head, body) = frame.split_at(ROW_HEAD);
    if head[0] != FORMAT {
        return Err(FrameError::Format(head[0]));
    }
    if head[1] != ROW || crc32c::crc32c(body) != u32_at(head, 2) {
        return Err(FrameError::Damaged("its checksum is another one"));
    }
    postcard::from_bytes(body).map_err(|_| FrameError::Damaged("its fields cannot be read"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD_OF: Head = Head { count: 3, first: 10, last: 30 };

    proptest! {
        #[test]
        fn reads_back_and_notices_every_flipped_bit(body in prop::collection::vec(any::<u8>(), 0..500), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut packer = Packer::default();
            let mut frame = packer.seal(Kind::Rollups, Effort::Quick, HEAD_OF, &body, &body).expect("seals");
            let opened = packer.open(Kind::Rollups, &frame).map(|(head, body, numbers)| (head, body, numbers.to_vec()));
            prop_assert_eq!(opened, Ok((HEAD_OF, body.clone(), body)));
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            prop_assert!(packer.open(Kind::Rollups, &frame).is_err());
        }

        #[test]
        fn rubbish_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Packer::default().open(Kind::Results, &bytes).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let mut packer = Packer::default();
        let mut frame = packer.seal(Kind::Rollups, Effort::Quick, HEAD_OF, b"x", b"y").expect("seals");
        frame[0] = FORMAT + 1;
        assert!(matches!(packer.open(Kind::Rollups, &frame), Err(FrameError::Damaged(_))), "a bit turned over");
        let sum = crc32c::crc32c_append(crc32c::crc32c(&frame[..SUM_AT]), &frame[HEAD..]);
        frame[SUM_AT..HEAD].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(packer.open(Kind::Rollups, &frame), Err(FrameError::Format(FORMAT + 1)));
    }
}
