//! What miners hand to losses: indices, nothing else.

use crate::MiningError;

/// Triplets of an anchor (a row of the batch), a positive and a negative (items of the reference set).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Triplets {
    anchor: Vec<u32>,
    positive: Vec<u32>,
    negative: Vec<u32>,
}

impl Triplets {
    /// Triplets from their columns.
    ///
    /// # Errors
    ///
    /// [`MiningError::TupleLengths`] if the columns differ in length.
    pub fn new(
        anchor: Vec<u32>,
        positive: Vec<u32>,
        negative: Vec<u32>,
    ) -> Result<Self, MiningError> {
        same_length(&anchor, &positive)?;
        same_length(&anchor, &negative)?;
        Ok(Self {
            anchor,
            positive,
            negative,
        })
    }

    /// Number of triplets.
    pub fn len(&self) -> usize {
        self.anchor.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.anchor.is_empty()
    }

    /// Anchors, one a triplet.
    pub fn anchors(&self) -> &[u32] {
        &self.anchor
    }

    /// Positives, one a triplet.
    pub fn positives(&self) -> &[u32] {
        &self.positive
    }

    /// Negatives, one a triplet.
    pub fn negatives(&self) -> &[u32] {
        &self.negative
    }

    /// `(anchor, positive, negative)` in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let others = self.positive.iter().zip(&self.negative);
        self.anchor
            .iter()
            .zip(others)
            .map(|(&a, (&p, &n))| (a, p, n))
    }
}

impl FromIterator<(u32, u32, u32)> for Triplets {
    fn from_iter<I: IntoIterator<Item = (u32, u32, u32)>>(triplets: I) -> Self {
        let mut columns = Self::default();
        for (anchor, positive, negative) in triplets {
            columns.anchor.push(anchor);
            columns.positive.push(positive);
            columns.negative.push(negative);
        }
        columns
    }
}

macro_rules! pairs {
    ($name:ident, $other:ident, $others:ident, $one:literal, $many:literal) => {
        #[doc = concat!("Pairs of an anchor (a row of the batch) and a ", $one, " (an item of the reference set).")]
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name {
            anchor: Vec<u32>,
            $other: Vec<u32>,
        }

        impl $name {
            /// Pairs from their columns.
            ///
            /// # Errors
            ///
            /// [`MiningError::TupleLengths`] if the columns differ in length.
            pub fn new(anchor: Vec<u32>, $other: Vec<u32>) -> Result<Self, MiningError> {
                same_length(&anchor, &$other)?;
                Ok(Self { anchor, $other })
            }

            /// Number of pairs.
            pub fn len(&self) -> usize {
                self.anchor.len()
            }

            /// Is there none?
            pub fn is_empty(&self) -> bool {
                self.anchor.is_empty()
            }

            /// Anchors, one a pair.
            pub fn anchors(&self) -> &[u32] {
                &self.anchor
            }

            #[doc = concat!($many, ", one a pair.")]
            pub fn $others(&self) -> &[u32] {
                &self.$other
            }

            #[doc = concat!("`(anchor, ", $one, ")` in order.")]
            pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
                self.anchor.iter().copied().zip(self.$other.iter().copied())
            }
        }
    };
}

pairs!(PositivePairs, positive, positives, "positive", "Positives");
pairs!(NegativePairs, negative, negatives, "negative", "Negatives");

/// The pairs of a batch that a loss should pull together and those that it should push apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    /// To pull together.
    pub positive: PositivePairs,
    /// To push apart.
    pub negative: NegativePairs,
}

fn same_length(first: &[u32], second: &[u32]) -> Result<(), MiningError> {
    if first.len() == second.len() {
        Ok(())
    } else {
        Err(MiningError::TupleLengths {
            first: first.len(),
            second: second.len(),
        })
    }
}
