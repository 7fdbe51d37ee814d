//! Gradients chunk by chunk against the whole batch.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::cell::Cell;

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Tensor};
use metric_losses::{CachedGradientsError, cached_gradients};

use crate::ranks::{LOSSES, Model, all_rows, assert_near, batch, whole};

#[test]
fn chunks_of_any_size_have_the_loss_and_the_gradients_of_the_whole_batch() {
    for dtype in [DType::F64, DType::F32] {
        let model = Model::new(dtype);
        for loss in LOSSES {
            let (expected, expected_gradients) = whole(&model, loss, dtype);
            for rows in [1, 2, 5, 13, 20] {
                let (x, labels) = batch(all_rows(), dtype);
                let (value, gradients) =
                    cached_gradients(&model, &x.split(rows, 0), Model::encode, |model, z| {
                        model.loss(loss, z, labels)
                    })
                    .unwrap();
                assert!(!value.is_tracked());
                assert_near(loss, &[value.into_scalar::<f64>()], &[expected], dtype);
                assert_near(loss, &model.flat(&gradients), &expected_gradients, dtype);
            }
        }
    }
}

#[test]
fn the_encoder_runs_twice_a_chunk_and_first_without_a_graph() {
    let model = Model::new(DType::F32);
    let (x, labels) = batch(all_rows(), DType::F32);
    let calls = Cell::new(0);
    let encode = |model: &Model, x| {
        let z = model.encode(x);
        let call = calls.replace(calls.get() + 1);
        assert_eq!(z.is_tracked(), call >= 3, "call {call}");
        z
    };
    let loss = |model: &Model, z| model.loss("SupCon", z, labels);
    cached_gradients(&model, &x.split(5, 0), encode, loss).unwrap();
    assert_eq!(calls.get(), 6);
}

#[derive(Module, Debug)]
struct Drawn {
    weight: Param<Tensor<2>>,
}

#[test]
fn parameters_drawn_at_first_use_are_drawn_once() {
    let device = Device::flex().autodiff();
    let weight = Param::uninitialized(
        burn::module::ParamId::new(),
        |device, is_require_grad| {
            let drawn = Tensor::random([5, 3], Distribution::Normal(0.0, 1.0), device);
            drawn.set_require_grad(is_require_grad)
        },
        device,
        true,
        [5, 3].into(),
    );
    let encoder = Drawn { weight };
    let (x, _) = batch(all_rows(), DType::F32);
    let encode = |encoder: &Drawn, x: Tensor<2>| x.matmul(encoder.weight.val());
    let result = cached_gradients(&encoder, &x.split(4, 0), encode, |_, z| z.square().sum());
    assert!(result.unwrap().1.get::<2>(encoder.weight.id).is_some());
}

#[test]
fn an_encoder_that_changes_its_mind_is_refused() {
    let model = Model::new(DType::F32);
    let (x, labels) = batch(all_rows(), DType::F32);
    let calls = Cell::new(0);
    let encode = |model: &Model, x| {
        let call = calls.replace(calls.get() + 1);
        // Two chunks: the second one's second time is call 3.
        model.encode(x) * if call == 3 { 1.1 } else { 1.0 }
    };
    let loss = |model: &Model, z| model.loss("SupCon", z, labels);
    let error = cached_gradients(&model, &x.split(7, 0), encode, loss).unwrap_err();
    let CachedGradientsError::NotDeterministic {
        chunk: 1,
        difference,
    } = error
    else {
        panic!("{error}");
    };
    assert!((difference - 0.1).abs() < 1e-5, "{difference}");
}

#[test]
fn no_chunks_and_a_loss_of_nothing_are_refused() {
    let model = Model::new(DType::F32);
    let error = cached_gradients(&model, &[], Model::encode, |_, z| z.sum());
    assert_eq!(error.unwrap_err(), CachedGradientsError::NoChunks);
    let (x, _) = batch(all_rows(), DType::F32);
    let constant = |model: &Model, _| model.encode(batch(0..2, DType::F32).0).sum();
    let error = cached_gradients(&model, &[x], Model::encode, constant);
    assert_eq!(error.unwrap_err(), CachedGradientsError::Disconnected);
}
