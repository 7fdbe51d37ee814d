//! What miners hand to losses: indices, nothing else.

use std::iter::repeat_n;

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

    /// The pairs `(a, p)` and `(a, n)` of all triplets, each once, in order.
    ///
    /// Cost: `O(t log t)` for `t` triplets.
    pub fn to_pairs(&self) -> Pairs {
        let distinct = |others: &[u32]| {
            let pairs = self.anchor.iter().copied().zip(others.iter().copied());
            let mut pairs: Vec<(u32, u32)> = pairs.collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        };
        Pairs {
            positive: distinct(&self.positive).into_iter().collect(),
            negative: distinct(&self.negative).into_iter().collect(),
        }
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

impl Triplets {
    /// Room for so many more.
    pub(crate) fn reserve(&mut self, triplets: usize) {
        for column in [&mut self.anchor, &mut self.positive, &mut self.negative] {
            column.reserve(triplets);
        }
    }

    /// Adds the triplets of a pair with each of these negatives.
    pub(crate) fn push_row(&mut self, anchor: u32, positive: u32, negatives: &[u32]) {
        self.anchor.extend(repeat_n(anchor, negatives.len()));
        self.positive.extend(repeat_n(positive, negatives.len()));
        self.negative.extend_from_slice(negatives);
    }
}

impl FromIterator<(u32, u32, u32)> for Triplets {
    fn from_iter<I: IntoIterator<Item = (u32, u32, u32)>>(triplets: I) -> Self {
        let mut columns = Self::default();
        columns.extend(triplets);
        columns
    }
}

impl Extend<(u32, u32, u32)> for Triplets {
    fn extend<I: IntoIterator<Item = (u32, u32, u32)>>(&mut self, triplets: I) {
        let triplets = triplets.into_iter();
        self.reserve(triplets.size_hint().0);
        for (anchor, positive, negative) in triplets {
            self.anchor.push(anchor);
            self.positive.push(positive);
            self.negative.push(negative);
        }
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

            /// Room for so many more.
            pub(crate) fn reserve(&mut self, more: usize) {
                self.anchor.reserve(more);
                self.$other.reserve(more);
            }

            /// Adds the pairs of one anchor.
            pub(crate) fn push_row(&mut self, anchor: u32, others: &[u32]) {
                self.anchor.resize(self.anchor.len() + others.len(), anchor);
                self.$other.extend_from_slice(others);
            }
        }

        impl FromIterator<(u32, u32)> for $name {
            fn from_iter<I: IntoIterator<Item = (u32, u32)>>(pairs: I) -> Self {
                let (anchor, $other) = pairs.into_iter().unzip();
                Self { anchor, $other }
            }
        }
    };
}

pairs!(PositivePairs, positive, positives, "positive", "Positives");
pairs!(NegativePairs, negative, negatives, "negative", "Negatives");

/// The same pairs, to pull together: the attraction of negatives that are none.
impl From<NegativePairs> for PositivePairs {
    fn from(pairs: NegativePairs) -> Self {
        Self {
            anchor: pairs.anchor,
            positive: pairs.negative,
        }
    }
}

/// The pairs of a batch that a loss should pull together and those that it should push apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    /// To pull together.
    pub positive: PositivePairs,
    /// To push apart.
    pub negative: NegativePairs,
}

impl Pairs {
    /// All triplets of a positive and a negative pair with the same anchor, in order of anchor, positive and negative;
    /// repeated pairs count once. Anchors with pairs of one kind drop out.
    ///
    /// Cost: `O(t log t)` for `t` pairs, and the triplets: `P N` an anchor.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_sampling::Pairs;
    /// let pairs = Pairs {
    ///     positive: [(0, 1), (0, 2), (3, 4)].into_iter().collect(),
    ///     negative: [(0, 3), (1, 3)].into_iter().collect(),
    /// };
    /// let triplets = pairs.to_triplets();
    /// assert!(triplets.iter().eq([(0, 1, 3), (0, 2, 3)]));
    /// assert!(triplets.to_pairs().positive.iter().eq([(0, 1), (0, 2)]));
    /// ```
    pub fn to_triplets(&self) -> Triplets {
        let sorted = |pairs: &mut dyn Iterator<Item = (u32, u32)>| {
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        };
        let positive = sorted(&mut self.positive.iter());
        let negative = sorted(&mut self.negative.iter());
        let mut triplets = Triplets::default();
        for positives in positive.chunk_by(|x, y| x.0 == y.0) {
            let anchor = positives[0].0;
            let first = negative.partition_point(|pair| pair.0 < anchor);
            let others = negative[first..].iter();
            let negatives = others.take_while(|pair| pair.0 == anchor);
            for &(_, positive) in positives {
                let of_one = negatives.clone().map(|pair| (anchor, positive, pair.1));
                triplets.extend(of_one);
            }
        }
        triplets
    }
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
