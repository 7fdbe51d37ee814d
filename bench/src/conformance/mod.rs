//! Reference cases: what this workspace computes, held against what independent implementations gave.
//!
//! A suite is a list of cases (`SUITE.json`) beside their tensors (`SUITE.safetensors`). Every case names an
//! operation; [`known_ops`] maps the name to a function from [`Case`] to [`Outputs`]; [`run`] compares these with
//! the expected tensors and sums up per operation.
//!
//! To add an operation, write its function in the module of its suite and add a line to that module's `OPS`.

mod case;
mod compare;
mod distances;
mod error;
mod losses;
mod miners;
mod ops;
mod report;
mod retrieval;
mod ssl;
mod suite;
mod views;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::str::FromStr;

pub use case::{Case, Outputs, Params, Tensor};
pub use error::{CaseError, ConformanceError};
pub use ops::{Op, RunCase, known_ops};
pub use report::{OpReport, json_lines, text_lines};

/// Number type the operations compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single, what training uses.
    #[default]
    F32,
    /// Double, for the operations that are generic; the others run in single.
    F64,
}

impl FromStr for Precision {
    type Err = ConformanceError;

    fn from_str(name: &str) -> Result<Self, ConformanceError> {
        match name {
            "f32" => Ok(Self::F32),
            "f64" => Ok(Self::F64),
            _ => Err(ConformanceError::Precision {
                got: name.to_owned(),
            }),
        }
    }
}

/// Which cases to run: all, those of a suite, those of an operation, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Name of the only suite.
    pub suite: Option<String>,
    /// Name of the only operation.
    pub op: Option<String>,
}

/// Runs the cases in `dir` that `filter` lets through, and reports on every operation they name, suite after suite.
///
/// A case that fails, is refused or panics counts as failed and the run goes on.
///
/// # Errors
///
/// [`ConformanceError`] if a file cannot be read or understood, or if there is nothing to run.
pub fn run(
    dir: &Path,
    filter: &Filter,
    precision: Precision,
) -> Result<Vec<OpReport>, ConformanceError> {
    run_with(&known_ops(), dir, filter, precision)
}

/// As [`run`], with a table of operations of your own.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    ops: &[Op],
    dir: &Path,
    filter: &Filter,
    precision: Precision,
) -> Result<Vec<OpReport>, ConformanceError> {
    let mut reports = Vec::new();
    for (suite, cases) in suite::load(dir, filter.suite.as_deref())? {
        let mut by_op: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
        for case in &cases {
            if filter.op.as_deref().is_none_or(|only| only == case.op()) {
                by_op.entry(case.op()).or_default().push(case);
            }
        }
        for (name, cases) in by_op {
            let op = ops.iter().find(|op| op.suite == suite && op.name == name);
            reports.push(run_op(op, &suite, name, &cases, precision));
        }
    }
    if reports.is_empty() {
        return Err(ConformanceError::NothingToRun {
            dir: dir.to_owned(),
            suite: filter.suite.clone(),
            op: filter.op.clone(),
        });
    }
    Ok(reports)
}

fn run_op(
    op: Option<&Op>,
    suite: &str,
    name: &str,
    cases: &[&Case],
    precision: Precision,
) -> OpReport {
    let mut report = OpReport::new(suite, name, op.is_none());
    for case in cases {
        let Some(op) = op else {
            report.fail(case.id(), None);
            continue;
        };
        let (body, precision) = op.body(precision);
        match catch_unwind(AssertUnwindSafe(|| body(case))) {
            Ok(Ok(outputs)) => {
                report.judge(
                    case.id(),
                    compare::compare(suite, case, &outputs, precision),
                );
            }
            Ok(Err(error)) => report.fail(case.id(), Some(error.to_string())),
            Err(panic) => {
                let told = message(panic.as_ref());
                report.fail(
                    case.id(),
                    Some(format!("case {}: panicked: {told}", case.id())),
                );
            }
        }
    }
    report
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
