/// A configuration field out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number that the loss is not defined for.
    #[error("{name} must be {expected}, got {got}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        got: f64,
    },
}

impl ConfigError {
    /// `Ok` if `valid`, else an error about the field `name`.
    pub(crate) fn check(
        valid: bool,
        name: &'static str,
        expected: &'static str,
        got: f64,
    ) -> Result<(), Self> {
        if valid {
            Ok(())
        } else {
            Err(Self::OutOfRange {
                name,
                expected,
                got,
            })
        }
    }

    pub(crate) fn check_positive(name: &'static str, got: f64) -> Result<(), Self> {
        Self::check(
            got.is_finite() && got > 0.0,
            name,
            "finite and above 0",
            got,
        )
    }

    pub(crate) fn check_finite(name: &'static str, got: f64) -> Result<(), Self> {
        Self::check(got.is_finite(), name, "finite", got)
    }

    pub(crate) fn check_not_negative(name: &'static str, got: f64) -> Result<(), Self> {
        let in_range = got.is_finite() && got >= 0.0;
        Self::check(in_range, name, "finite and at least 0", got)
    }

    pub(crate) fn check_fraction(name: &'static str, got: f64) -> Result<(), Self> {
        Self::check((0.0..=1.0).contains(&got), name, "from 0 to 1", got)
    }

    pub(crate) fn check_angle(name: &'static str, got: f64) -> Result<(), Self> {
        let in_range = (0.0..=std::f64::consts::PI).contains(&got);
        Self::check(in_range, name, "an angle in radians from 0 to pi", got)
    }

    pub(crate) fn check_size(name: &'static str, got: usize) -> Result<(), Self> {
        Self::check(got > 0, name, "at least 1", got as f64)
    }
}

/// Panics with the message of a failed `validate`: what every `init` documents.
pub(crate) fn expect_valid(checked: Result<(), ConfigError>) {
    if let Err(error) = checked {
        panic!("{error}");
    }
}
