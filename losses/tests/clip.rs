//! Contrast of pairs with temperatures that are learned: `ClipLoss`, and `SoftInfoNceLoss` with the option.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use metric_losses::{
    ClipLoss, ClipLossConfig, InfoNceLossConfig, SoftInfoNceLoss, SoftInfoNceLossConfig,
};

use crate::common::*;

fn clip(a: &Rows, b: &Rows, temperature: f64) -> f64 {
    let among = |queries: &Rows, keys: &Rows| -> f64 {
        let terms = queries.iter().enumerate().map(|(i, query)| {
            let logits: Vec<f64> = keys
                .iter()
                .map(|key| cosine(query, key) / temperature)
                .collect();
            cross_entropy(&logits, i)
        });
        terms.sum::<f64>() / queries.len() as f64
    };
    (among(a, b) + among(b, a)) / 2.0
}

/// Targets at one temperature, logits at another.
fn soft(queries: &Rows, taught: &Rows, keys: &Rows, alpha: f64, [of_targets, t]: [f64; 2]) -> f64 {
    let cosines = |x: &[f64]| -> Vec<f64> { keys.iter().map(|key| cosine(x, key)).collect() };
    let terms = queries.iter().enumerate().map(|(i, query)| {
        let p = softmax(&cosines(query), t);
        let q = softmax(&cosines(&taught[i]), of_targets);
        let own = |j| if i == j { 1.0 - alpha } else { 0.0 };
        let terms = q.iter().zip(p).enumerate();
        -terms
            .map(|(j, (q, p))| (alpha * q + own(j)) * p.ln())
            .sum::<f64>()
    });
    terms.sum::<f64>() / queries.len() as f64
}

/// The one parameter of a loss.
fn parameter<M: Module>(loss: &M) -> f64 {
    struct Read(Vec<f64>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_scalar::<f64>());
        }
    }
    let mut read = Read(Vec::new());
    loss.visit(&mut read);
    assert_eq!(read.0.len(), 1);
    read.0[0]
}

fn with_parameter<M: Module>(loss: M, value: f64) -> M {
    struct Write(f64);
    impl ModuleMapper for Write {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|old| old.detach().zeros_like().add_scalar(self.0).require_grad())
        }
    }
    loss.map(&mut Write(value))
}

/// Of a loss with one parameter.
fn parameter_gradient<M: Module>(loss: &M, value: Tensor<1>) -> f64 {
    struct Read(GradientsParams, Option<f64>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id);
            self.1 = gradient.map(|gradient| gradient.into_scalar::<f64>());
        }
    }
    let gradients = GradientsParams::from_grads(value.backward(), loss);
    let mut read = Read(gradients, None);
    loss.visit(&mut read);
    read.1.expect("the parameter has a gradient")
}

/// A gradient that passed through an `f32`, whose sums and powers lose some 4 of its `2^-24`, against one by differences,
/// which are right within 1e-9.
fn assert_is_gradient(got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 3e-7 * (1.0 + want.abs()),
        "{got}, by differences {want}"
    );
}

fn difference(f: impl Fn(f64) -> f64, at: f64) -> f64 {
    let step = 1e-5;
    (f(at + step) - f(at - step)) / (2.0 * step)
}

fn fixed(temperature: f64) -> ClipLoss {
    let config = ClipLossConfig::new().with_learn_temperature(false);
    config.with_temperature(temperature).init(&device())
}

fn learned() -> ClipLoss {
    ClipLossConfig::new().init(&device())
}

fn learned_soft() -> SoftInfoNceLoss {
    let config = SoftInfoNceLossConfig::new().with_learn_temperature(true);
    config.init(&device())
}

#[test]
fn clip_is_its_definition_on_both_sides() {
    for (n, dim) in [(2, 2), (5, 3)] {
        let all = sets(2, n, dim);
        let (a, b) = (&all[0], &all[1]);
        for temperature in [1.0, 0.3, 0.07] {
            let loss = fixed(temperature);
            let forward = |a| loss.forward(a, double(b));
            assert_is(a, &forward, &|a| clip(a, b, temperature));
            let forward = |b| loss.forward(double(a), b);
            assert_is(b, &forward, &|b| clip(a, b, temperature));
        }
    }
}

#[test]
fn clip_with_a_fixed_temperature_is_symmetric_info_nce() {
    let all = sets(2, 6, 4);
    let [a, b] = [&all[0], &all[1]].map(double);
    let info_nce = InfoNceLossConfig::new()
        .with_symmetric(true)
        .init(&device());
    let want = to_f64(info_nce.forward(a.clone(), b.clone()));
    let got = to_f64(fixed(0.07).forward(a, b));
    // Cosines are right within some ε, times 1/T.
    assert!(
        (got - want).abs() <= 1e-13 * (1.0 + want.abs()),
        "{got} {want}"
    );
}

#[test]
fn the_log_scale_of_clip_is_learned() {
    let all = sets(2, 5, 3);
    let (a, b) = (&all[0], &all[1]);
    for temperature in [0.07, 1.0] {
        let loss = ClipLossConfig::new()
            .with_temperature(temperature)
            .init(&device());
        let log = parameter(&loss);
        assert_eq!(log as f32, -temperature.ln() as f32);
        let definition = |log: f64| clip(a, b, (-log).exp());
        let value = loss.forward(double(a), double(b));
        let (got, want) = (to_f64(value.clone()), definition(log));
        assert!(
            (got - want).abs() <= 1e-11 * (1.0 + want.abs()),
            "{got} {want}"
        );
        assert_is_gradient(
            parameter_gradient(&loss, value),
            difference(definition, log),
        );
    }
}

#[test]
fn the_temperature_of_soft_info_nce_is_learned_by_its_logits_alone() {
    let all = sets(3, 4, 3);
    let (queries, taught, keys) = (&all[0], &all[1], &all[2]);
    let loss = learned_soft();
    let t = parameter(&loss);
    assert_eq!(t as f32, 0.07_f32);
    let value = loss.forward(
        double(queries),
        double(taught),
        double(keys),
        Tensor::zeros([0, 3], &device()),
    );
    let (got, want) = (
        to_f64(value.clone()),
        soft(queries, taught, keys, 0.4, [t, t]),
    );
    assert!(
        (got - want).abs() <= 1e-11 * (1.0 + want.abs()),
        "{got} {want}"
    );
    let by_logits = difference(|moved| soft(queries, taught, keys, 0.4, [t, moved]), t);
    let by_all = difference(|moved| soft(queries, taught, keys, 0.4, [moved; 2]), t);
    assert!(
        (by_logits - by_all).abs() > 1e-3 * by_all.abs(),
        "the test would tell them apart"
    );
    assert_is_gradient(parameter_gradient(&loss, value), by_logits);
}

/// Value and gradient beyond a bound are those at the bound; clamped, the parameter is the bound and still learned.
fn assert_counts_as_its_bound<M: Module>(
    loss: &M,
    (bound, beyond): (f64, &[f64]),
    forward: &dyn Fn(&M) -> Tensor<1>,
    clamped: &dyn Fn(M) -> M,
) {
    let at = with_parameter(loss.clone(), bound);
    let (want, gradient) = (to_f64(forward(&at)), parameter_gradient(&at, forward(&at)));
    assert!(gradient.abs() > 1e-9, "{gradient}: it can come back");
    for &parameter_beyond in beyond {
        let loss = with_parameter(loss.clone(), parameter_beyond);
        let value = forward(&loss);
        assert_eq!(to_f64(value.clone()), want);
        assert_eq!(parameter_gradient(&loss, value), gradient);
        let back = clamped(loss);
        assert_eq!(parameter(&back) as f32, bound as f32);
        assert_eq!(parameter_gradient(&back, forward(&back)), gradient);
    }
    let inside = with_parameter(loss.clone(), 0.25);
    assert_eq!(parameter(&clamped(inside)), 0.25);
}

#[test]
fn a_learned_temperature_counts_as_its_bound_beyond_it() {
    let all = sets(3, 5, 3);
    // Far from each other, so that scales of 100 and 1,000 leave something to learn.
    let [a, b, c] = [&all[0], &all[1], &all[2]].map(|rows| tensor(rows, DType::F32));
    let beyond = [100_f64.ln() + 0.1, 10.0, 1e6];
    assert_counts_as_its_bound(
        &learned(),
        (100_f64.ln(), &beyond),
        &|loss| loss.forward(a.clone(), b.clone()),
        &ClipLoss::clamped,
    );
    for (bound, beyond) in [(0.001, [0.0009, 0.0, -3.0]), (0.5, [0.51, 2.0, 1e6])] {
        assert_counts_as_its_bound(
            &learned_soft(),
            (bound, &beyond),
            &|loss| loss.forward(a.clone(), b.clone(), c.clone(), b.clone()),
            &SoftInfoNceLoss::clamped,
        );
    }
    let hot = with_parameter(learned(), 9.0).temperature().unwrap();
    assert!((to_f64(hot) - 0.01).abs() <= 1e-8);
    let cold = with_parameter(learned_soft(), 9.0).temperature().unwrap();
    assert_eq!(to_f64(cold), 0.5);
    assert!(fixed(0.07).temperature().is_none());
}

#[test]
fn a_scale_of_nothing_finds_all_rows_alike() {
    let [a, b] = [0, 1].map(|which| tensor(&sets(2, 5, 3)[which], DType::F32));
    let loss = with_parameter(learned(), -1e6);
    let value = loss.forward(a, b);
    assert_eq!(to_f64(value.clone()) as f32, 5_f32.ln());
    assert_eq!(parameter_gradient(&loss, value), 0.0);
}

#[test]
fn extreme_rows_stay_finite_broken_ones_show_and_none_cost_nothing() {
    let at_the_bound = ClipLossConfig::new().with_temperature(0.01).init(&device());
    let (clip, soft) = (learned(), learned_soft());
    let check = |loss: &dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
        for factor in [1.0, 1e18, 1e-18, 0.0] {
            let b = tensor(&rows(6, 3), DType::F32).narrow(0, 1, 5) * factor;
            assert_stays_finite(5, 3, &|x| loss(x, b.clone()));
            assert_stays_finite(5, 3, &|x| loss(b.clone(), x));
            assert_stays_finite(5, 3, &|x| loss(x.clone(), x.flip([0])));
            assert_stays_finite(5, 3, &|x| loss(x.clone(), x));
        }
        let b = tensor(&rows(5, 3), DType::F32);
        assert_shows_nan(5, 3, &|x| loss(x, b.clone()));
        assert_shows_nan(5, 3, &|x| loss(b.clone(), x));
        let x = Tensor::<2>::zeros([0, 3], &device()).require_grad();
        let value = loss(x.clone(), x.clone());
        let gradient = x.grad(&value.backward()).expect("on the graph");
        assert_eq!((to_f64(value), gradient.dims()), (0.0, [0, 3]));
    };
    check(&|a, b| clip.forward(a, b));
    check(&|a, b| at_the_bound.forward(a, b));
    // Its candidates are constants: only the first side is on the graph.
    check(&|a, b| {
        let both = soft.forward(a.clone(), b.clone(), b.clone(), b.clone());
        both + soft.forward(b.clone(), a.clone(), a.clone(), a)
    });
}

#[test]
fn extreme_rows_give_the_parameter_a_finite_gradient() {
    for loss in [
        learned(),
        ClipLossConfig::new().with_temperature(0.01).init(&device()),
    ] {
        let a = tensor(&rows(5, 3), DType::F32);
        for b in [
            a.clone(),
            a.clone() * 1e18,
            a.clone() * 1e-18,
            a.clone() * 0.0,
            -a.clone(),
        ] {
            let gradient = parameter_gradient(&loss, loss.forward(a.clone(), b));
            assert!(gradient.is_finite(), "{gradient}");
        }
    }
}

#[test]
fn one_pair_has_nothing_to_be_told_from() {
    let b = tensor(&rows(2, 3), DType::F32).narrow(0, 1, 1);
    assert_is_zero_on_the_graph(&rows(1, 3), &|a| learned().forward(a, b.clone()));
}

#[test]
fn the_order_of_the_pairs_does_not_matter() {
    let all = sets(2, 7, 3);
    let numbers: Vec<i64> = (0..7).collect();
    let loss = learned();
    assert_ignores_order(&all[0], &numbers, &|a, order| {
        loss.forward(a, double(&all[1]).select(0, order))
    });
}

#[test]
fn another_share_of_the_teacher_keeps_the_parameter() {
    let all = sets(3, 4, 3);
    let [x, taught, keys] = [&all[0], &all[1], &all[2]].map(double);
    let none = Tensor::zeros([0, 3], &device());
    let loss = with_parameter(learned_soft(), 0.25);
    let moved = loss.clone().with_alpha(0.9).unwrap();
    let fixed = SoftInfoNceLossConfig::new().with_temperature(0.25);
    let fixed = fixed.with_alpha(0.9).init(&device());
    let value = moved.forward(x.clone(), taught.clone(), keys.clone(), none.clone());
    // A quarter is exact in both.
    assert_eq!(
        to_f64(value.clone()),
        to_f64(fixed.forward(x, taught, keys, none))
    );
    assert!(
        parameter_gradient(&loss, value).is_finite(),
        "it is the same parameter"
    );
    let error = loss.with_alpha(1.1).unwrap_err().to_string();
    assert_eq!(error, "alpha must be from 0 to 1, got 1.1");
}

#[test]
fn parameters_out_of_range_are_named() {
    let clip = ClipLossConfig::new;
    let soft = || SoftInfoNceLossConfig::new().with_learn_temperature(true);
    for (name, result) in [
        (
            "temperature must be finite",
            clip().with_temperature(0.0).validate(),
        ),
        (
            "temperature must be at least 1 / max_scale",
            clip().with_temperature(0.0099).validate(),
        ),
        ("max_scale", clip().with_max_scale(f64::INFINITY).validate()),
        (
            "temperature must be from 0.001",
            soft().with_temperature(0.6).validate(),
        ),
        (
            "temperature must be from 0.001",
            soft().with_temperature(0.0009).validate(),
        ),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
    assert!(clip().with_temperature(0.01).validate().is_ok());
    assert!(
        SoftInfoNceLossConfig::new()
            .with_temperature(0.6)
            .validate()
            .is_ok()
    );
}

#[test]
fn rows_without_a_partner_are_refused() {
    let [two, three] = [2, 3].map(|n| double(&rows(n, 3)));
    let call = std::panic::AssertUnwindSafe(|| learned().forward(two, three));
    let panic = std::panic::catch_unwind(call).expect_err("panics");
    let message = panic.downcast_ref::<String>().expect("with a message");
    assert!(
        message.contains("one row of `b` for each of `a`"),
        "{message}"
    );
}
