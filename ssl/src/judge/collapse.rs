use std::fmt;

use super::Spread;

/// Below which numbers features count as collapsed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapseLimits {
    /// Of [`Spread::deviation`]. Default: `0.2`.
    pub deviation: f64,
    /// Of [`Spread::effective_rank`]. Default: `2`.
    pub effective_rank: f64,
    /// Of the deviation as a share of what it was at first. Default: `0.6`.
    pub kept: f64,
    /// Of the effective rank as a share of what it was at first, which must be low too: a loss that lets unlike images be half
    /// alike loses deviation alone. Default: `0.5`.
    pub kept_rank: f64,
}

impl Default for CollapseLimits {
    fn default() -> Self {
        Self {
            deviation: 0.2,
            effective_rank: 2.0,
            kept: 0.6,
            kept_rank: 0.5,
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
    /// Images come to be more and more alike.
    Shrinking {
        /// [`Spread::deviation`] at first.
        from: f64,
        /// And now.
        to: f64,
    },
}

impl Collapse {
    /// Whether outputs with this spread have collapsed, which at first had another.
    pub fn of(spread: &Spread, first: &Spread, limits: &CollapseLimits) -> Option<Self> {
        let deviation = spread.deviation;
        if deviation < limits.deviation {
            return Some(Self::Complete { deviation });
        }
        if spread.effective_rank < limits.effective_rank.min(spread.dim as f64) {
            return Some(Self::Dimensional {
                effective_rank: spread.effective_rank,
                dim: spread.dim,
            });
        }
        let (from, to) = (first.deviation, deviation);
        let is_narrow = spread.effective_rank < limits.kept_rank * first.effective_rank;
        (is_narrow && to < limits.kept * from).then_some(Self::Shrinking { from, to })
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
            Self::Shrinking { from, to } => write!(
                f,
                "collapsing: images get more and more alike outputs (deviation from {from:.3} down to {to:.3} of 1); \
                 a stop-gradient, negatives or a lower learning rate may be missing"
            ),
        }
    }
}
