use std::fmt;

use super::Spread;

/// Below which numbers features count as collapsed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapseLimits {
    /// Of [`Spread::deviation`]. Default: `0.2`.
    pub deviation: f64,
    /// Of [`Spread::effective_rank`]. Default: `2`.
    pub effective_rank: f64,
}

impl Default for CollapseLimits {
    fn default() -> Self {
        Self {
            deviation: 0.2,
            effective_rank: 2.0,
        }
    }
}

/// How a network has given up telling images apart. Its `Display` says it in plain words.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collapse {
    /// All images have nearly the same direction.
    Complete {
        /// [`Spread::deviation`]
        deviation: f64,
    },
    /// Images differ, but in next to no directions.
    Dimensional {
        /// [`Spread::effective_rank`]
        effective_rank: f64,
        /// Directions there are.
        dim: usize,
    },
}

impl Collapse {
    /// Whether outputs with this spread have collapsed.
    pub fn of(spread: &Spread, limits: &CollapseLimits) -> Option<Self> {
        if spread.deviation < limits.deviation {
            return Some(Self::Complete {
                deviation: spread.deviation,
            });
        }
        (spread.effective_rank < limits.effective_rank.min(spread.dim as f64)).then_some(
            Self::Dimensional {
                effective_rank: spread.effective_rank,
                dim: spread.dim,
            },
        )
    }
}

impl fmt::Display for Collapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete { deviation } => write!(
                f,
                "collapsed: every image gets nearly the same output (deviation {deviation:.3} of 1); \
                 a stop-gradient, negatives or a lower learning rate may be missing"
            ),
            Self::Dimensional {
                effective_rank,
                dim,
            } => write!(
                f,
                "collapsed: outputs use {effective_rank:.1} of {dim} directions, so that most of what they could say is lost"
            ),
        }
    }
}
