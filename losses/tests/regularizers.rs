//! Regularizers against their definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "tests: panics are failures, some numbers are exact, and output names what failed"
)]

use burn::tensor::{DType, Tensor};
use metric_losses::{
    CenterInvariantRegularizerConfig, KoLeoRegularizerConfig, LpRegularizerConfig,
    RegularFaceRegularizerConfig, SparseCentersRegularizerConfig, SphericalRegularizerConfig,
    UniformityRegularizerConfig, ZeroMeanRegularizerConfig,
};

use crate::common::*;

type Loss = Box<dyn Fn(Tensor<2>) -> Tensor<1>>;
type Definition = fn(&Rows) -> f64;

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn mean(terms: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = terms.len() as f64;
    terms.sum::<f64>() / count
}

/// Every regularizer of eight vectors (four classes of two centres) and its definition.
fn all() -> Vec<(&'static str, Loss, Definition)> {
    let device = device();
    let lp = LpRegularizerConfig::new().init(&device);
    let cubic = LpRegularizerConfig::new()
        .with_p(3.0)
        .with_power(2.0)
        .init(&device);
    let zero_mean = ZeroMeanRegularizerConfig::new().init(&device);
    let center_invariant = CenterInvariantRegularizerConfig::new().init(&device);
    let regular_face = RegularFaceRegularizerConfig::new().init(&device);
    let sparse = SparseCentersRegularizerConfig::new(2, 4).init(&device);
    let spherical = SphericalRegularizerConfig::new().init(&device);
    let koleo = KoLeoRegularizerConfig::new().init(&device);
    let uniformity = UniformityRegularizerConfig::new().init(&device);
    vec![
        ("Lp", Box::new(move |x| lp.forward(x)), |x| {
            mean(x.iter().map(|x| norm(x)))
        }),
        ("Lp, cubic", Box::new(move |x| cubic.forward(x)), |x| {
            let cubes = |x: &[f64]| x.iter().map(|v| v.abs().powi(3)).sum::<f64>();
            mean(x.iter().map(|x| cubes(x).powf(2.0 / 3.0)))
        }),
        ("zero mean", Box::new(move |x| zero_mean.forward(x)), |x| {
            mean(x.iter().map(|x| x.iter().sum::<f64>().abs()))
        }),
        (
            "centre invariant",
            Box::new(move |x| center_invariant.forward(x)),
            |x| {
                let average = mean(x.iter().map(|x| dot(x, x)));
                mean(x.iter().map(|x| (dot(x, x) - average).powi(2) / 4.0))
            },
        ),
        (
            "RegularFace",
            Box::new(move |x| regular_face.forward(x)),
            |x| {
                let others = |i: usize| (0..x.len()).filter(move |&j| j != i);
                let nearest =
                    |i: usize| others(i).map(|j| cosine(&x[i], &x[j])).fold(-2.0, f64::max);
                mean((0..x.len()).map(nearest))
            },
        ),
        (
            "sparse centres",
            Box::new(move |x| sparse.forward(x)),
            |x| {
                let mut sum = 0.0;
                for class in 0..2 {
                    for s in 0..4 {
                        for t in s + 1..4 {
                            let (a, b) = (&x[4 * class + s], &x[4 * class + t]);
                            sum += (2.0 - 2.0 * cosine(a, b)).sqrt();
                        }
                    }
                }
                sum / (2.0 * 4.0 * 3.0)
            },
        ),
        ("spherical", Box::new(move |x| spherical.forward(x)), |x| {
            let average = mean(x.iter().map(|x| norm(x)));
            mean(x.iter().map(|x| (norm(x) - average).powi(2)))
        }),
        ("KoLeo", Box::new(move |x| koleo.forward(x)), |x| {
            let others = |i: usize| (0..x.len()).filter(move |&j| j != i);
            let gap = |i: usize| {
                others(i)
                    .map(|j| euclidean(&x[i], &x[j]))
                    .fold(f64::MAX, f64::min)
            };
            -mean((0..x.len()).map(|i| (gap(i) + 1e-8).ln()))
        }),
        (
            "uniformity",
            Box::new(move |x| uniformity.forward(x)),
            |x| {
                let n = x.len();
                let mut sum = 0.0;
                for i in 0..n {
                    for j in (0..n).filter(|&j| j != i) {
                        sum += (-2.0 * euclidean(&x[i], &x[j]).powi(2)).exp();
                    }
                }
                (sum / (n * (n - 1)) as f64).ln()
            },
        ),
    ]
}

#[test]
fn each_is_its_definition_in_value_and_gradient() {
    for (name, loss, definition) in all() {
        println!("{name}");
        assert_is(&rows(8, 3), &loss, &definition);
    }
}

#[test]
fn the_order_of_the_vectors_does_not_matter() {
    for (name, loss, _) in all() {
        if name != "sparse centres" {
            assert_ignores_order(&rows(8, 3), &[0; 8], &|x, _| loss(x));
        }
    }
}

#[test]
fn extreme_vectors_leave_value_and_gradient_finite() {
    for (name, loss, _) in all() {
        println!("{name}");
        // The fourth power of 1e18 is not representable in f32, so neither is this one's value.
        if name != "centre invariant" {
            assert_stays_finite(8, 4, &loss);
        }
        let mut antipodal = rows(8, 4);
        antipodal[2] = antipodal[0].iter().map(|v| -v).collect();
        for x in [
            antipodal,
            vec![vec![0.0; 4]; 8],
            vec![vec![1e9, 0.0, -1e9, 1.0]; 8],
        ] {
            let (value, gradient) = value_and_gradient(&x, DType::F32, &loss);
            assert!(value.is_finite(), "{name}: {value}");
            assert!(gradient.concat().iter().all(|g| g.is_finite()), "{name}");
        }
    }
}

#[test]
fn one_vector_has_no_neighbour_and_no_spread() {
    for (name, loss, _) in all() {
        if [
            "centre invariant",
            "RegularFace",
            "spherical",
            "KoLeo",
            "uniformity",
        ]
        .contains(&name)
        {
            println!("{name}");
            assert_is_zero_on_the_graph(&rows(1, 3), &loss);
        }
    }
}

#[test]
fn a_broken_vector_shows() {
    for (name, loss, _) in all() {
        println!("{name}");
        assert_shows_nan(8, 3, &loss);
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let p = LpRegularizerConfig::new()
        .with_p(0.5)
        .validate()
        .unwrap_err();
    assert_eq!(p.to_string(), "p must be finite and at least 1, got 0.5");
    let one = SparseCentersRegularizerConfig::new(3, 1)
        .validate()
        .unwrap_err();
    assert_eq!(
        one.to_string(),
        "centers_per_class must be at least 2, got 1"
    );
    let t = UniformityRegularizerConfig::new()
        .with_t(0.0)
        .validate()
        .unwrap_err();
    assert_eq!(t.to_string(), "t must be finite and above 0, got 0");
    let epsilon = KoLeoRegularizerConfig::new().with_epsilon(0.0).validate();
    assert!(epsilon.is_err());
}
