// SPDX-License-Identifier: GPL-2.0

//! What many samples come to: a median and its spread.

use serde::Serialize;

/// Samples, by their order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many samples there are.
    pub count: usize,
    /// The least of them.
    pub least: f64,
    /// Above a quarter of them.
    pub first_quartile: f64,
    /// Above half of them.
    pub median: f64,
    /// Above three quarters of them.
    pub third_quartile: f64,
    /// The greatest of them.
    pub greatest: f64,
}

impl Summary {
    /// Of these samples, in any order. `None` if there are none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        Some(Self {
            count: sorted.len(),
            least: *sorted.first()?,
            first_quartile: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            third_quartile: quantile(&sorted, 0.75)?,
            greatest: *sorted.last()?,
        })
    }

    /// How far apart the quartiles are, as a share of the median.
    pub fn spread(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        (self.third_quartile - self.first_quartile) / self.median
    }
}

/// The samples in order.
pub fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Below what a share of the samples lies, which are in order: between two of them, in proportion.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

/// How many times the least the greatest is: 1 is flat. `None` if there is none, or the least is 0.
pub fn flatness(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
    for value in values {
        least = least.min(value);
        greatest = greatest.max(value);
    }
    (least > 0.0 && least.is_finite()).then(|| greatest / least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn summary_of_nothing_is_none() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn summary_of_one_sample_is_that() {
        let summary = Summary::of(&[7.0]).unwrap();
        assert_eq!(
            (summary.least, summary.median, summary.greatest),
            (7.0, 7.0, 7.0)
        );
        assert_eq!((summary.count, summary.spread()), (1, 0.0));
    }

    #[test]
    fn median_and_quartiles_do_not_depend_on_order() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (
                summary.first_quartile,
                summary.median,
                summary.third_quartile
            ),
            (2.0, 3.0, 4.0)
        );
        assert_eq!(summary.spread(), 2.0 / 3.0);
    }

    #[test]
    fn quantile_lies_in_proportion_between_two_samples() {
        assert_eq!(quantile(&[10.0, 20.0], 0.5), Some(15.0));
        assert_eq!(quantile(&[10.0, 20.0], 0.9), Some(19.0));
        assert_eq!(quantile(&[10.0, 20.0, 40.0], 1.0), Some(40.0));
    }

    #[test]
    fn flatness_is_the_greatest_by_the_least() {
        assert_eq!(flatness([100.0, 105.0, 102.0]), Some(1.05));
        assert_eq!(flatness([3.0]), Some(1.0));
        assert_eq!(flatness([]), None);
        assert_eq!(flatness([0.0, 1.0]), None);
    }

    proptest! {
        #[test]
        fn summary_is_in_order_and_within_the_samples(samples in prop::collection::vec(0.0..1e12, 1..50)) {
            let summary = Summary::of(&samples).unwrap();
            let order = [
                summary.least,
                summary.first_quartile,
                summary.median,
                summary.third_quartile,
                summary.greatest,
            ];
            prop_assert!(order.is_sorted());
            prop_assert!(samples.contains(&summary.least) && samples.contains(&summary.greatest));
        }
    }
}
