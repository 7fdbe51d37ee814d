use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::DEFINITIONS;
use super::losses::Forward;
use crate::*;

/// What is made of integers.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Classes,
    /// The two lowest digits to the base 3 and that of the threes: sets of one to three labels.
    Sets,
    /// Not symmetric, and half of all pairs do not count.
    Related,
    Weighted,
    /// Negatives of all lower grades.
    WeightedSets,
}

impl Kind {
    pub(super) fn labels(self, integers: &[i64], device: &Device) -> Labels {
        let classes = || {
            Tensor::<1, Int>::from_data(
                TensorData::new(integers.to_vec(), [integers.len()]),
                device,
            )
        };
        let sets = |from| {
            let set = |&label: &i64| vec![label % 3, 3 + label / 3 % 3, label % 3 * 2];
            Labels::sets(integers.iter().map(set).collect(), from).unwrap()
        };
        let weights = || {
            let weights = (0..integers.len()).map(|i| (i % 4) as f64 * 0.5).collect();
            Tensor::<1>::from_data(
                TensorData::new::<f64, _>(weights, [integers.len()]),
                (device, DType::F64),
            )
        };
        match self {
            Self::Classes => classes().into(),
            Self::Sets => sets(0.5),
            Self::Related => {
                let relation = |a: i64, b: i64| ((a * 5 + b * 3) % 7) as f64 / 4.0 - 0.5;
                Labels::related(integers.to_vec(), 0.75, Arc::new(relation)).unwrap()
            }
            Self::Weighted => Labels::from(classes()).with_weights(weights()),
            Self::WeightedSets => {
                let sets = sets(0.3).negatives_up_to(f64::INFINITY).unwrap();
                sets.with_weights(weights())
            }
        }
    }
}

/// What a loss is asked with: rows, labels, and how many of the rows are a reference set.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) rows: Vec<f64>,
    pub(super) labels: Vec<i64>,
    pub(super) kind: Kind,
    pub(super) dim: usize,
    pub(super) references: usize,
}

impl Case {
    /// Rows and classes, within a batch.
    pub(super) fn of(name: &'static str, rows: Vec<f64>, labels: Vec<i64>) -> Self {
        Self {
            name,
            dim: rows.len() / labels.len(),
            rows,
            labels,
            kind: Kind::Classes,
            references: 0,
        }
    }

    /// More rows than a tile, and few positives.
    pub(super) fn several_tiles() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let rows = (0..430 * 6).map(|_| rng.random_range(-1.0..1.0));
        Self::of(
            "several tiles",
            rows.collect(),
            (0..430).map(|i| i * i % 71).collect(),
        )
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut rows = |n: usize, dim: usize, spread: f64| -> Vec<f64> {
        let centre: Vec<f64> = (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        let near =
            |i: usize| centre[i % dim] * (1.0 - spread) + spread * rng.random_range(-1.0..1.0);
        (0..n * dim).map(near).collect()
    };
    let classes = |n: i64, count: i64| (0..n).map(|i| i * i % 37 % count).collect();
    let case = |name, rows, labels, references| Case {
        references,
        ..Case::of(name, rows, labels)
    };
    let of_kind = |kind, case| Case { kind, ..case };
    // Whose cosines are exact: a distance of 0 that is rounded is a term, or none, of the mean of non-zero terms.
    let few = [[2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, -4.0]].concat();
    vec![
        case("random", rows(130, 9, 1.0), classes(130, 11), 0),
        case("tight", rows(60, 5, 1e-3), classes(60, 4), 0),
        case("coincident", few.repeat(16), classes(48, 5), 0),
        case(
            "imbalanced",
            rows(100, 3, 1.0),
            (0..100).map(|i| i64::from(i > 92)).collect(),
            0,
        ),
        case("one class", rows(20, 3, 1.0), vec![4; 20], 0),
        case("all distinct", rows(20, 3, 1.0), (0..20).collect(), 0),
        case("a reference set", rows(150, 7, 1.0), classes(150, 9), 80),
        case(
            "a reference set of other classes",
            rows(30, 3, 1.0),
            (0..30).collect(),
            12,
        ),
        of_kind(
            Kind::Sets,
            case("sets", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::Sets,
            case("sets against sets", rows(50, 5, 1.0), classes(50, 11), 20),
        ),
        of_kind(
            Kind::Related,
            case("related", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::Related,
            case(
                "related to a reference set",
                rows(50, 5, 1.0),
                classes(50, 11),
                20,
            ),
        ),
        of_kind(
            Kind::Weighted,
            case("weighted", rows(50, 5, 1.0), classes(50, 5), 0),
        ),
        of_kind(
            Kind::WeightedSets,
            case("weighted sets", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::WeightedSets,
            case(
                "weighted sets against sets",
                rows(50, 5, 1.0),
                classes(50, 11),
                20,
            ),
        ),
    ]
}

/// The value, and the gradient of all rows.
pub(super) fn run(forward: &Forward, case: &Case, dtype: DType) -> (f64, Vec<f64>) {
    let device = Device::flex().autodiff();
    let n = case.labels.len();
    let x = TensorData::new(case.rows.clone(), [n, case.dim]);
    let x = Tensor::<2>::from_data(x, (&device, dtype)).require_grad();
    let batch = n - case.references;
    let part = |from: usize, count: usize| {
        let rows = x.clone().narrow(0, from, count);
        let labels = &case.labels[from..from + count];
        (rows, case.kind.labels(labels, &device))
    };
    let reference = (case.references > 0).then(|| part(batch, case.references));
    let loss = forward(part(0, batch), reference);
    let gradients = loss.backward();
    let numbers = |data: TensorData| data.convert::<f64>().try_to_vec::<f64>().unwrap();
    let gradient = x.grad(&gradients).unwrap();
    (numbers(loss.into_data())[0], numbers(gradient.into_data()))
}

pub(super) fn by_definition(forward: &Forward, case: &Case, dtype: DType) -> (f64, Vec<f64>) {
    DEFINITIONS.set(true);
    let found = run(forward, case, dtype);
    DEFINITIONS.set(false);
    found
}

pub(super) fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}
