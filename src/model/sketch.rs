//! A mergeable summary of latencies: counts in buckets whose bounds grow by a fixed ratio, so that every quantile is
//! within 1 % of a true sample (DDSketch, Masson, Rim and Lee, VLDB 2019).

use serde::{Deserialize, Serialize};

/// Relative error of every quantile.
const ACCURACY: f64 = 0.01;
/// Ratio of neighbouring bounds: (1 + a) / (1 - a).
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);

/// Counts of samples by bucket. Merging is exact: it gives the sketch of all samples together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch(Vec<(u16, u32)>);

impl Sketch {
    /// No samples.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Numbers and counts of the buckets that have samples, in order.
    #[must_use]
    pub fn buckets(&self) -> &[(u16, u32)] {
        &self.0
    }

    /// A sketch of what [`Sketch::buckets`] gave; none unless the buckets are in order and each has samples.
    #[must_use]
    pub fn from_buckets(buckets: Vec<(u16, u32)>) -> Option<Self> {
        let in_order = buckets.is_sorted_by(|a, b| a.0 < b.0);
        (in_order && buckets.iter().all(|(_, count)| *count > 0)).then_some(Self(buckets))
    }

    /// Adds a sample in microseconds; 0 counts as 1.
    pub fn add(&mut self, us: u64) {
        self.add_count(Self::bucket(us), 1);
    }

    fn add_count(&mut self, bucket: u16, count: u32) {
        match self.0.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// Adds all samples of another sketch.
    pub fn merge(&mut self, other: &Self) {
        for &(bucket, count) in &other.0 {
            self.add_count(bucket, count);
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The sample at `q` of the way from smallest to largest (0.5 is the median), within 1 %; none without samples.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "q is clamped to 0..=1 and a bucket's middle fits u64"
    )]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (count - 1) as f64).round() as u64;
        let mut seen = 0;
        for &(bucket, n) in &self.0 {
            seen += u64::from(n);
            if seen > rank {
                return Some(Self::middle(bucket).round() as u64);
            }
        }
        None
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "ln of u64::MAX by ln GAMMA is about 2,200"
    )]
    fn bucket(us: u64) -> u16 {
        ((us.max(1) as f64).ln() / GAMMA.ln()).ceil() as u16
    }

    /// The value with the same relative distance to both bounds of a bucket.
    fn middle(bucket: u16) -> f64 {
        2.0 * GAMMA.powi(i32::from(bucket)) / (GAMMA + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(mut samples in prop::collection::vec(1u64..300_000_000, 1..300), q in 0.0f64..=1.0) {
            let mut sketch = Sketch::new();
            for &sample in &samples {
                sketch.add(sample);
            }
            samples.sort_unstable();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let exact = samples[(q * (samples.len() - 1) as f64).round() as usize] as f64;
            #[allow(clippy::cast_precision_loss)]
            let got = sketch.quantile(q).expect("has samples") as f64;
            prop_assert!((got - exact).abs() <= exact * 0.0101 + 0.51, "{got} for {exact}");
        }

        #[test]
        fn merging_is_the_sketch_of_all(a in prop::collection::vec(0u64..1_000_000, 0..100), b in prop::collection::vec(0u64..1_000_000, 0..100)) {
            let sketch_of = |samples: &[u64]| {
                let mut sketch = Sketch::new();
                samples.iter().for_each(|us| sketch.add(*us));
                sketch
            };
            let mut merged = sketch_of(&a);
            merged.merge(&sketch_of(&b));
            prop_assert_eq!(merged, sketch_of(&[a, b].concat()));
        }
    }

    #[test]
    fn empty_has_no_quantile() {
        assert_eq!(Sketch::new().quantile(0.5), None);
    }
}
