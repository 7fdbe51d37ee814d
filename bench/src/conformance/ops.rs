//! The table from names to functions.

use super::{
    Case, CaseError, Outputs, Precision, distances, losses, miners, retrieval, ssl, views,
};

/// Computes a case.
pub type RunCase = fn(&Case) -> Result<Outputs, CaseError>;

/// An operation that cases can name.
#[derive(Debug, Clone, Copy)]
pub struct Op {
    /// The suite it belongs to.
    pub suite: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// In single precision.
    pub single: RunCase,
    /// In double precision, where the code is generic.
    pub double: Option<RunCase>,
}

impl Op {
    pub(super) const fn single(suite: &'static str, name: &'static str, single: RunCase) -> Self {
        Self {
            suite,
            name,
            single,
            double: None,
        }
    }

    pub(super) const fn generic(
        suite: &'static str,
        name: &'static str,
        single: RunCase,
        double: RunCase,
    ) -> Self {
        Self {
            suite,
            name,
            single,
            double: Some(double),
        }
    }

    /// The function to run and the precision it really has.
    pub(super) fn body(&self, wanted: Precision) -> (RunCase, Precision) {
        match (wanted, self.double) {
            (Precision::F64, Some(double)) => (double, Precision::F64),
            _ => (self.single, Precision::F32),
        }
    }
}

/// Every operation that this workspace has.
pub fn known_ops() -> Vec<Op> {
    [
        distances::OPS,
        &losses::ops(),
        miners::OPS,
        retrieval::OPS,
        views::OPS,
        ssl::OPS,
    ]
    .concat()
}
