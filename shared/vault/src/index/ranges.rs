//! Sets of commits as ranges.

use crate::index::rows::column::Malformed;

/// A set of sequence numbers, kept as ranges that are sorted, not empty and do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds the numbers from `from` to before `to`.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|(_, end)| *end < from);
        let behind = self.0.partition_point(|(start, _)| *start <= to);
        let touched = self.0.get(first..behind).unwrap_or_default();
        let from = touched.first().map_or(from, |(start, _)| from.min(*start));
        let to = touched.last().map_or(to, |(_, end)| to.max(*end));
        self.0.splice(first..behind, [(from, to)]);
    }

    /// Adds another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (from, to) in &other.0 {
            self.add(*from, *to);
        }
    }

    /// The range that holds a number: its first number, and the one behind its last.
    pub(crate) fn find(&self, number: u64) -> Option<(u64, u64)> {
        let index = self.0.partition_point(|(_, end)| *end <= number);
        let range = self.0.get(index).copied();
        range.filter(|(start, _)| *start <= number)
    }

    /// Starts and ends in turn.
    pub(crate) fn to_numbers(&self) -> Vec<u64> {
        self.0.iter().flat_map(|(from, to)| [*from, *to]).collect()
    }

    /// Reads [`to_numbers`](Self::to_numbers) back.
    pub(crate) fn from_numbers(numbers: &[u64]) -> Result<Self, Malformed> {
        if !numbers.len().is_multiple_of(2) || !numbers.is_sorted_by(|a, b| a < b) {
            return Err(Malformed("ranges of commits are not in order"));
        }
        let pairs = numbers.chunks_exact(2);
        Ok(Self(
            pairs
                .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_the_set(parts in proptest::collection::vec((0..40_u64, 0..9_u64), 0..12)) {
            let mut ranges = Ranges::default();
            let mut set = BTreeSet::new();
            for (from, length) in parts {
                ranges.add(from, from + length);
                set.extend(from..from + length);
            }
            for number in 0..60 {
                let found = ranges.find(number);
                prop_assert_eq!(found.is_some(), set.contains(&number));
                if let Some((from, to)) = found {
                    prop_assert!((from..to).all(|it| set.contains(&it)));
                    prop_assert!(!set.contains(&to) && (from == 0 || !set.contains(&(from - 1))));
                }
            }
            prop_assert_eq!(Ranges::from_numbers(&ranges.to_numbers()).unwrap(), ranges);
        }
    }

    #[test]
    fn numbers_out_of_order_are_refused() {
        assert!(Ranges::from_numbers(&[1]).is_err());
        assert!(Ranges::from_numbers(&[3, 2]).is_err());
        assert!(Ranges::from_numbers(&[1, 3, 3, 4]).is_err());
    }
}
