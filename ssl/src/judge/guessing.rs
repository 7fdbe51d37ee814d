use std::fmt;

/// A first loss so many times that of guessing is worth a warning.
const CONFIDENT: f64 = 1.5;
/// A later loss of at least this share of guessing's too.
const STILL: f64 = 0.98;

/// What a loss says beside that of a network that tells nothing apart (see [`Method::chance`](crate::Method::chance)). Its
/// `Display` says it in plain words.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guessing {
    /// At the first step outputs were confident, and wrong: the loss was above 1.5 times that of guessing.
    Confident {
        /// The loss.
        loss: f64,
        /// That of guessing.
        chance: f64,
    },
    /// After a good part of the steps the loss was still above 0.98 times that of guessing.
    Still {
        /// The loss.
        loss: f64,
        /// That of guessing.
        chance: f64,
    },
}

impl Guessing {
    /// At the first step.
    pub fn at_start(loss: f64, chance: f64) -> Option<Self> {
        (loss > CONFIDENT * chance).then_some(Self::Confident { loss, chance })
    }

    /// When learning should show: a mean over some steps is better than one loss.
    pub fn later(loss: f64, chance: f64) -> Option<Self> {
        (loss > STILL * chance).then_some(Self::Still { loss, chance })
    }
}

impl fmt::Display for Guessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confident { loss, chance } => write!(
                f,
                "the first loss is {loss:.2}, guessing has {chance:.2}: outputs are sure of themselves before anything was \
                 learned; the temperature may be too low"
            ),
            Self::Still { loss, chance } => write!(
                f,
                "the loss is {loss:.2}, hardly below the {chance:.2} of guessing: nothing is learned yet; the learning rate or \
                 the temperature may be at fault"
            ),
        }
    }
}
