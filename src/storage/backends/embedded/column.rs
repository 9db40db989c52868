//! A column of numbers, packed near its entropy: pco's bins and entropy coder for long ones, plain varints for short.

use std::io;

use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

/// How much work goes into packing, by pco's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// For what is written again soon.
    Quick,
    /// For what stays.
    Thorough,
}

impl Effort {
    /// Level 4 loses about 1 % against 8 and is two to five times as fast.
    fn level(self) -> usize {
        match self {
            Self::Quick => 4,
            Self::Thorough => 8,
        }
    }

    /// Shorter columns stay plain: without pco's tables they are smaller, and what is written again soon is read ten times
    /// as fast.
    fn worth_packing(self) -> usize {
        match self {
            Self::Quick => 160,
            Self::Thorough => 48,
        }
    }
}

/// How a column is written; the first byte.
mod form {
    /// Nothing.
    pub(super) const EMPTY: u8 = 0;
    /// One value for all, 8 bytes.
    pub(super) const CONSTANT: u8 = 1;
    /// Zigzag varints.
    pub(super) const PLAIN: u8 = 2;
    /// pco's standalone format.
    pub(super) const PACKED: u8 = 3;
}

/// Writes a column.
///
/// # Errors
/// The packer refused; a fault of ours.
pub(super) fn pack(values: &[i64], effort: Effort) -> io::Result<Vec<u8>> {
    let Some(first) = values.first() else { return Ok(vec![form::EMPTY]) };
    if values.iter().all(|value| value == first) {
        return Ok([&[form::CONSTANT][..], &first.to_le_bytes()].concat());
    }
    if values.len() < effort.worth_packing() {
        return plain(values);
    }
    // What stands in a column has no order that a difference would use: that is taken out before.
    let config = ChunkConfig::default()
        .with_compression_level(effort.level())
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::NoOp);
    let packed = simple_compress(values, &config).map_err(io::Error::other)?;
    Ok([&[form::PACKED][..], &packed].concat())
}

/// Writes a column that is written again soon, and is short.
///
/// # Errors
/// The packer refused; a fault of ours.
pub(super) fn plain(values: &[i64]) -> io::Result<Vec<u8>> {
    let plain = postcard::to_stdvec(values).map_err(io::Error::other)?;
    Ok([&[form::PLAIN][..], &plain].concat())
}

/// Reads a column of so many values; nothing when it is not one.
pub(super) fn unpack(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
    let (form, rest) = bytes.split_first()?;
    let values = match *form {
        form::EMPTY => Vec::new(),
        form::CONSTANT => vec![i64::from_le_bytes(rest.try_into().ok()?); count],
        form::PLAIN => postcard::from_bytes(rest).ok()?,
        form::PACKED => {
            let mut values = vec![0; count];
            let progress = simple_decompress_into(rest, &mut values).ok()?;
            return (progress.n_processed == count && progress.finished).then_some(values);
        }
        _ => return None,
    };
    (values.len() == count).then_some(values)
}

/// Values of a column that are weighed.
const WEIGHED: usize = 256;

/// About how many bits a column takes: what its values need around their middle one. Of a long column some are weighed,
/// the same for each of its length.
pub(super) fn weight(values: &[i64]) -> u64 {
    let mut some: Vec<i64> = values.iter().step_by(values.len().div_ceil(WEIGHED).max(1)).copied().collect();
    let at = some.len() / 2;
    let Some((_, middle, _)) = (!some.is_empty()).then(|| some.select_nth_unstable(at)) else { return 0 };
    let middle = *middle;
    some.iter().map(|value| u64::from(64 - value.wrapping_sub(middle).unsigned_abs().leading_zeros())).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_column_reads_back(values in prop::collection::vec(any::<i64>(), 0..300), near in any::<i32>(), constant in any::<bool>()) {
            let values: Vec<i64> = if constant { vec![i64::from(near); values.len()] } else { values };
            // A single value is one for all too.
            let constant = values.windows(2).all(|pair| pair[0] == pair[1]);
            for effort in [Effort::Quick, Effort::Thorough] {
                let packed = pack(&values, effort).expect("packs");
                let back = unpack(&packed, values.len());
                prop_assert_eq!(back.as_deref(), Some(&values[..]));
                prop_assert_eq!(unpack(&packed, values.len() + 1).filter(|_| !constant || values.is_empty()), None);
            }
        }

        #[test]
        fn rubbish_gives_nothing_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), form in 0u8..5, count in 0usize..5_000) {
            let _ = unpack(&[&[form][..], &bytes].concat(), count);
        }

        #[test]
        fn a_flipped_bit_never_panics(seed in any::<u64>(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut state = seed;
            let values: Vec<i64> = (0..200).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                i64::from((state >> 50) as u16)
            }).collect();
            let mut packed = pack(&values, Effort::Quick).expect("packs");
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
            let _ = unpack(&packed, values.len());
        }
    }

    #[test]
    fn the_lighter_of_two_columns_weighs_less() {
        let wide: Vec<i64> = (0..100).map(|n| n * 1_000).collect();
        let narrow: Vec<i64> = (0..100).map(|n| 1_000_000 + n % 4).collect();
        assert!(weight(&narrow) < weight(&wide));
        assert_eq!(weight(&[]), 0);
        assert_eq!(weight(&[i64::MIN, i64::MAX]), weight(&[i64::MIN, i64::MAX]));
    }
}
