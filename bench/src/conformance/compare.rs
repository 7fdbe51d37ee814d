//! When an answer agrees with the reference.

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayD, ArrayView1, ArrayView2, Axis, Ix2};

use super::case::Tensor;
use super::{Case, Outputs, Precision};

/// Absolute part of the tolerance of losses, gradients and tensors.
const ABSOLUTE: f64 = 1e-6;
/// Neighbours whose distances differ by less, relatively, may change places.
const SWAP: f64 = 1e-6;

/// What a case's answer looks like beside the reference.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) worst_value: f64,
    pub(super) worst_gradient: f64,
    /// One per tensor that disagrees.
    pub(super) faults: Vec<String>,
}

/// Holds every expected tensor against the answer.
pub(super) fn compare(
    suite: &str,
    case: &Case,
    outputs: &Outputs,
    precision: Precision,
) -> Verdict {
    let mut verdict = Verdict::default();
    for name in case.expect() {
        let Some(want) = case.tensors.get(name) else {
            verdict
                .faults
                .push(format!("{name} is expected but not given"));
            continue;
        };
        let Some(got) = outputs.get(name) else {
            verdict.faults.push(format!("{name} was not computed"));
            continue;
        };
        let rule = Rule::of(suite, case, name, precision);
        match want {
            Tensor::Int(want) => {
                if let Err(fault) = indices(suite, case, name, want, got) {
                    verdict.faults.push(fault);
                }
            }
            Tensor::Float(want) => match rule.measure(want, got) {
                Ok(worst) => {
                    let kept = if name.starts_with("grad_") {
                        &mut verdict.worst_gradient
                    } else {
                        &mut verdict.worst_value
                    };
                    *kept = kept.max(worst.relative);
                    if !worst.within {
                        let size = worst.relative;
                        verdict.faults.push(format!(
                            "{name} is off by {size:.1e}, tolerance {:.1e}",
                            rule.relative
                        ));
                    }
                }
                Err(fault) => verdict.faults.push(format!("{name} {fault}")),
            },
        }
    }
    verdict
}

/// How a tensor of numbers is measured.
struct Rule {
    relative: f64,
    /// The relative part in single precision without exceptions: the scale that errors are reported on.
    usual: f64,
    how: How,
}

enum How {
    /// The whole tensor by its Euclidean norm; a single number by its size.
    Norm,
    /// Each entry, with an absolute part that is the same for all.
    Entries(f64),
    /// Each entry, with an absolute part for each: the rounding of a sum of products.
    Products(Array2<f64>),
}

struct Worst {
    relative: f64,
    within: bool,
}

impl Rule {
    fn of(suite: &str, case: &Case, name: &str, precision: Precision) -> Self {
        let per_entry = name == "distances";
        let usual = if per_entry || name == "loss" {
            1e-4
        } else {
            1e-3
        };
        let relative = match precision {
            Precision::F32 => case.rtol().unwrap_or(usual),
            Precision::F64 if suite == "views" => case.rtol().unwrap_or(usual),
            Precision::F64 if matches!(case.op(), "histogram" | "margin") => 1e-5,
            Precision::F64 => 1e-9,
        };
        let how = if per_entry { entries(case) } else { How::Norm };
        Self {
            relative,
            usual,
            how,
        }
    }

    fn measure(&self, want: &ArrayD<f64>, got: &ArrayD<f64>) -> Result<Worst, String> {
        // A loss is a scalar to some and a list of one to others.
        if want.shape() != got.shape() && (want.len(), got.len()) != (1, 1) {
            return Err(shapes(want.shape(), got.shape()));
        }
        let gaps = || want.iter().zip(got).map(|(want, got)| (got - want).abs());
        let mut worst = Worst {
            relative: 0.0,
            within: true,
        };
        match &self.how {
            How::Norm => {
                worst.see(self, norm(gaps()), norm(want.iter().copied()), ABSOLUTE);
            }
            How::Entries(absolute) => {
                for (gap, want) in gaps().zip(want) {
                    worst.see(self, gap, want.abs(), *absolute);
                }
            }
            How::Products(absolute) => {
                for ((gap, want), absolute) in gaps().zip(want).zip(absolute) {
                    worst.see(self, gap, want.abs(), *absolute);
                }
            }
        }
        Ok(worst)
    }
}

impl Worst {
    /// Is `gap <= relative * size + absolute`, and what is it relative to the size? Sizes so small that the absolute
    /// part decides count as the size where it starts to, or noise around 0 would look like a large error.
    fn see(&mut self, rule: &Rule, gap: f64, size: f64, absolute: f64) {
        // Written so that NaN is not within.
        let within = gap <= rule.relative * size + absolute;
        self.within &= within;
        let measured = if gap > 0.0 {
            gap / (size + absolute / rule.usual)
        } else {
            0.0
        };
        let finite = gap.is_finite() && measured.is_finite();
        self.relative = self.relative.max(if finite { measured } else { f64::MAX });
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// The absolute part for a matrix of distances. A neighbour search names its distance in a parameter.
fn entries(case: &Case) -> How {
    match case.str_param("metric").unwrap_or(case.op()) {
        "cosine" | "angular" => How::Entries(5e-7),
        "inner_product" => match (case.matrix::<f64>("x"), case.matrix::<f64>("y")) {
            (Ok(x), Ok(y)) => {
                let lengths =
                    |rows: &Array2<f64>| rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
                let (x, y) = (
                    lengths(&x).insert_axis(Axis(1)),
                    lengths(&y).insert_axis(Axis(0)),
                );
                How::Products(x.dot(&y) * 1e-6)
            }
            _ => How::Entries(0.0),
        },
        _ => How::Entries(0.0),
    }
}

fn shapes(want: &[usize], got: &[usize]) -> String {
    format!("has shape {got:?}, expected {want:?}")
}

fn indices(
    suite: &str,
    case: &Case,
    name: &str,
    want: &ArrayD<i64>,
    got: &ArrayD<f64>,
) -> Result<(), String> {
    if let Some(odd) = got
        .iter()
        .find(|&&value| value.fract() != 0.0 || value.abs() > 1e15)
    {
        return Err(format!("{name} holds {odd}, expected an index"));
    }
    let got = got.mapv(|value| value as i64);
    if suite == "miners" {
        return row_sets(name, want, &got);
    }
    if want.shape() != got.shape() {
        return Err(format!("{name} {}", shapes(want.shape(), got.shape())));
    }
    if want == got || (case.op() == "knn" && may_swap(case, want, &got) == Some(true)) {
        return Ok(());
    }
    let wrong = want
        .iter()
        .zip(&got)
        .filter(|(want, got)| want != got)
        .count();
    Err(format!(
        "{name} differs in {wrong} of {} places",
        want.len()
    ))
}

fn row_sets(name: &str, want: &ArrayD<i64>, got: &ArrayD<i64>) -> Result<(), String> {
    let columns = |array: &ArrayD<i64>| array.shape().last().copied();
    if want.ndim() != 2 || got.ndim() != 2 || columns(want) != columns(got) {
        return Err(format!("{name} {}", shapes(want.shape(), got.shape())));
    }
    let set = |array: &ArrayD<i64>| -> BTreeSet<Vec<i64>> {
        array
            .outer_iter()
            .map(|row| row.iter().copied().collect())
            .collect()
    };
    let (want, got) = (set(want), set(got));
    let (lost, extra) = (want.difference(&got).count(), got.difference(&want).count());
    if lost + extra == 0 {
        return Ok(());
    }
    Err(format!(
        "{name} lacks {lost} of {} rows and has {extra} others",
        want.len()
    ))
}

/// Does every neighbour that differs stand where another one equally far stood? `None` if that cannot be told.
fn may_swap(case: &Case, want: &ArrayD<i64>, got: &ArrayD<i64>) -> Option<bool> {
    let x = case.matrix::<f64>("x").ok()?;
    let want = want.view().into_dimensionality::<Ix2>().ok()?;
    let got = got.view().into_dimensionality::<Ix2>().ok()?;
    let distance = exact(case.str_param("metric").ok()?)?;
    let excluded = case.bool_param("exclude_self").ok()?;
    Some(
        want.outer_iter()
            .zip(got.outer_iter())
            .enumerate()
            .all(|(row, (want, got))| {
                let unique: BTreeSet<_> = got.iter().collect();
                unique.len() == got.len()
                    && !(excluded && unique.contains(&(row as i64)))
                    && same_distances(x.view(), row, want, got, distance)
            }),
    )
}

fn same_distances(
    x: ArrayView2<'_, f64>,
    row: usize,
    want: ArrayView1<'_, i64>,
    got: ArrayView1<'_, i64>,
    distance: Exact,
) -> bool {
    let to = |other: i64| {
        let other = usize::try_from(other)
            .ok()
            .filter(|&other| other < x.nrows())?;
        Some(distance(x.row(row), x.row(other)))
    };
    want.iter().zip(got).all(|(&want, &got)| {
        want == got
            || to(want)
                .zip(to(got))
                .is_some_and(|(a, b)| (a - b).abs() <= SWAP * a.max(b))
    })
}

type Exact = fn(ArrayView1<'_, f64>, ArrayView1<'_, f64>) -> f64;

/// Distances written out from their definitions, so that nothing under test judges itself.
fn exact(metric: &str) -> Option<Exact> {
    Some(match metric {
        "euclidean" => |a, b| norm(a.iter().zip(b).map(|(a, b)| a - b)),
        "squared_euclidean" => |a, b| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum(),
        "manhattan" => |a, b| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum(),
        "cosine" => |a, b| 1.0 - a.dot(&b) / (a.dot(&a) * b.dot(&b)).sqrt(),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
