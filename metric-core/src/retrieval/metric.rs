//! Names and formulas of the retrieval metrics.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A score of a ranked list, averaged over queries.
///
/// With `R` relevant items for a query, at positions `π₁ < … < π_R` of the list (the first is 1):
///
/// | metric | value for a query |
/// |---|---|
/// | `precision_at_1` | 1 if `π₁ = 1`, else 0 |
/// | `recall_at_K` | 1 if `π₁ ≤ K`, else 0 |
/// | `r_precision` | share of relevant items among the first `R` |
/// | `map_at_r` | `1/R Σ i/πᵢ` over `πᵢ ≤ R` |
/// | `mean_average_precision` | `1/R Σ i/πᵢ` over all `i` |
/// | `mean_reciprocal_rank` | `1/π₁` |
///
/// `recall_at_K` is that of metric learning (is there a hit?), not the share of relevant items found. MAP@R is
/// from Musgrave et al., *A Metric Learning Reality Check*, 2020, <https://arxiv.org/abs/2003.08505>.
///
/// [`Display`](fmt::Display) gives the name in the table and [`FromStr`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RetrievalMetric {
    /// Is the first item relevant?
    PrecisionAt1,
    /// Is one of the first `K` items relevant?
    RecallAt(usize),
    /// Precision among as many items as there are relevant ones.
    RPrecision,
    /// Average precision cut off at the number of relevant items.
    MapAtR,
    /// Average precision over the whole list.
    MeanAveragePrecision,
    /// Inverse position of the first relevant item.
    MeanReciprocalRank,
}

impl RetrievalMetric {
    /// Does the first relevant position decide it?
    pub(crate) fn needs_first_only(self) -> bool {
        matches!(
            self,
            Self::PrecisionAt1 | Self::RecallAt(_) | Self::MeanReciprocalRank
        )
    }

    /// Value for a query with `relevant` relevant items at these ascending positions, which start at 1.
    ///
    /// Metrics that [need the first only](Self::needs_first_only) read no further.
    pub(crate) fn score(self, relevant: usize, positions: &[usize]) -> f64 {
        let first = positions[0];
        let count = relevant as f64;
        let precision = |(found, &position): (usize, &usize)| (found + 1) as f64 / position as f64;
        let within = |cutoff: usize| positions.iter().take_while(move |&&p| p <= cutoff);
        match self {
            Self::PrecisionAt1 => f64::from(u8::from(first == 1)),
            Self::RecallAt(k) => f64::from(u8::from(first <= k)),
            Self::RPrecision => within(relevant).count() as f64 / count,
            Self::MapAtR => within(relevant).enumerate().map(precision).sum::<f64>() / count,
            Self::MeanAveragePrecision => {
                positions.iter().enumerate().map(precision).sum::<f64>() / count
            }
            Self::MeanReciprocalRank => 1.0 / first as f64,
        }
    }
}

impl fmt::Display for RetrievalMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrecisionAt1 => f.pad("precision_at_1"),
            Self::RecallAt(k) => f.pad(&format!("recall_at_{k}")),
            Self::RPrecision => f.pad("r_precision"),
            Self::MapAtR => f.pad("map_at_r"),
            Self::MeanAveragePrecision => f.pad("mean_average_precision"),
            Self::MeanReciprocalRank => f.pad("mean_reciprocal_rank"),
        }
    }
}

impl FromStr for RetrievalMetric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "precision_at_1" => Ok(Self::PrecisionAt1),
            "r_precision" => Ok(Self::RPrecision),
            "map_at_r" => Ok(Self::MapAtR),
            "mean_average_precision" => Ok(Self::MeanAveragePrecision),
            "mean_reciprocal_rank" => Ok(Self::MeanReciprocalRank),
            _ => match name.strip_prefix("recall_at_").map(str::parse) {
                Some(Ok(k)) if k > 0 => Ok(Self::RecallAt(k)),
                _ => Err(Error::UnknownMetric),
            },
        }
    }
}
