//! Every loss that `metric train --loss` knows, on a small batch.
#![allow(
    clippy::unwrap_used,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use clap::ValueEnum;
use metric_bench::run::{LossName, Objective, Step, Task};
use metric_losses::TripletIndices;
use metric_sampling::Triplets;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const CLASSES: usize = 4;
const EACH: usize = 6;
const DIM: usize = 8;

fn device() -> Device {
    let device = Device::flex().autodiff();
    device.seed(1);
    device
}

fn batch(device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let n = CLASSES * EACH;
    let x = Tensor::<2>::random([n, DIM], Distribution::Normal(0.0, 1.0), device).require_grad();
    let labels: Vec<i64> = (0..n).map(|row| (row % CLASSES) as i64).collect();
    (x, Tensor::from_data(TensorData::new(labels, [n]), device))
}

fn objective(name: LossName, device: &Device) -> Objective {
    let task = Task {
        class_counts: &[EACH, 2 * EACH, 3, 1],
        dim: DIM,
        device,
    };
    Objective::new(name, &task)
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

/// Value of a loss and its gradient at the embeddings.
fn value_and_gradient(
    objective: &Objective,
    (x, labels): &(Tensor<2>, Tensor<1, Int>),
    triplets: Option<&TripletIndices>,
) -> (f32, Vec<f32>) {
    let mut step = Step {
        number: 3,
        triplets,
        random: &mut ChaCha8Rng::seed_from_u64(1),
    };
    let loss = objective.forward(x.clone(), labels.clone(), &mut step);
    assert_eq!(loss.dims(), [1]);
    let gradients = loss.backward();
    let value = loss.into_scalar::<f32>();
    (value, numbers(x.grad(&gradients).unwrap()))
}

#[test]
fn every_name_makes_a_loss_with_a_finite_value_and_gradient_that_moves_the_embeddings() {
    assert!(LossName::value_variants().len() > 30);
    for &name in LossName::value_variants() {
        let device = device();
        let batch = batch(&device);
        let mut objective = objective(name, &device);
        for round in 0..2 {
            let (value, gradient) = value_and_gradient(&objective, &batch, None);
            assert!(value.is_finite() && value != 0.0, "{name:?}: {value}");
            let finite = gradient.iter().all(|x| x.is_finite());
            assert!(finite && gradient.iter().any(|&x| x != 0.0), "{name:?}");
            // What it keeps is moved on, and leaves the loss in order.
            if round == 0 {
                objective = objective.after_step(batch.0.clone(), batch.1.clone());
            }
        }
    }
}

#[test]
fn a_name_is_the_same_on_the_command_line_and_in_the_stored_configuration() {
    for &name in LossName::value_variants() {
        let stored = serde_json::to_string(&name).unwrap();
        let shown = name.to_possible_value().unwrap();
        assert_eq!(stored, format!("\"{}\"", shown.get_name()));
        assert_eq!(serde_json::from_str::<LossName>(&stored).unwrap(), name);
        for known in shown.get_name_and_aliases() {
            assert_eq!(LossName::from_str(known, false), Ok(name));
            let stored = format!("\"{known}\"");
            assert_eq!(serde_json::from_str::<LossName>(&stored).unwrap(), name);
        }
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(shown.get_name().chars().all(kebab), "{stored}");
        assert!(shown.get_help().is_some(), "{stored} says what it is");
    }
    let names = [
        ("arcface", LossName::Arcface),
        ("arc-face", LossName::Arcface),
        ("triplet", LossName::Triplet),
        ("triplet-margin", LossName::Triplet),
        ("nt-xent", LossName::NtXent),
        ("p2s-grad", LossName::P2sGrad),
    ];
    for (word, name) in names {
        assert_eq!(LossName::from_str(word, false), Ok(name));
    }
}

#[test]
fn a_saved_loss_goes_on_where_it_was() {
    for &name in LossName::value_variants() {
        let device = device();
        let batch = batch(&device);
        let moved = objective(name, &device).after_step(batch.0.clone(), batch.1.clone());
        let bytes = moved.clone().into_record().into_bytes().unwrap();
        let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
        let loaded = objective(name, &device).try_load_record(record).unwrap();
        assert_eq!(
            value_and_gradient(&moved, &batch, None),
            value_and_gradient(&loaded, &batch, None),
            "{name:?}"
        );
    }
}

#[test]
fn what_an_optimizer_moves_has_finite_gradients() {
    for &name in LossName::value_variants() {
        let device = device();
        let (x, labels) = batch(&device);
        let objective = objective(name, &device);
        let mut step = Step {
            number: 0,
            triplets: None,
            random: &mut ChaCha8Rng::seed_from_u64(1),
        };
        let loss = objective.forward(x, labels, &mut step);
        let gradients = GradientsParams::from_grads(loss.backward(), &objective);
        let parameters = objective.num_params();
        let classifies = !name.compares_pairs();
        let learns = matches!(
            name,
            LossName::Ge2e | LossName::Ge2eContrast | LossName::Margin
        );
        assert_eq!(!gradients.is_empty(), classifies || learns, "{name:?}");
        assert!(
            !classifies || parameters >= CLASSES * DIM,
            "{name:?}: {parameters}"
        );
    }
}

#[test]
fn only_losses_of_triplets_take_triplets() {
    let device = device();
    let batch = batch(&device);
    let chosen = Triplets::new(vec![0], vec![4], vec![1]).unwrap();
    let chosen = TripletIndices::upload(&chosen, &device);
    for &name in LossName::value_variants() {
        let objective = objective(name, &device);
        let all = value_and_gradient(&objective, &batch, None);
        let mined = value_and_gradient(&objective, &batch, Some(&chosen));
        assert_eq!(all != mined, name.takes_triplets(), "{name:?}");
    }
}
