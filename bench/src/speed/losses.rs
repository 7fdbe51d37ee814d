//! `loss:<name>`: forward and backward on one batch of unit embeddings, with the loss's defaults, on the CPU backend.

use std::hint::black_box;

use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_losses::{
    ArcFaceLossConfig, CenterLossConfig, ContrastiveLossConfig, NormalizedSoftmaxLossConfig,
    NtXentLossConfig, SoftmaxLossConfig, SupConLossConfig, TripletMarginLossConfig, l2_normalize,
};

use super::{Op, Settings, SpeedError, Work, data};

type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;
type Make = fn(&Settings, &Device) -> Forward;

macro_rules! loss {
    ($name:literal, $config:ident) => {
        (loss!(@op $name), |_, device| {
            let loss = $config::new().init(device);
            Box::new(move |x, labels| loss.forward(x, labels))
        })
    };
    ($name:literal, $config:ident, classes) => {
        (loss!(@op $name), |settings, device| {
            let loss = $config::new(settings.classes, settings.dim).init(device);
            Box::new(move |x, labels| loss.forward(x, labels))
        })
    };
    (@op $name:literal) => { concat!("loss:", $name) };
}

const LOSSES: &[(&str, Make)] = &[
    loss!("softmax", SoftmaxLossConfig, classes),
    loss!("normalized_softmax", NormalizedSoftmaxLossConfig, classes),
    loss!("arc_face", ArcFaceLossConfig, classes),
    loss!("center", CenterLossConfig, classes),
    loss!("contrastive", ContrastiveLossConfig),
    loss!("triplet_margin", TripletMarginLossConfig),
    loss!("nt_xent", NtXentLossConfig),
    loss!("sup_con", SupConLossConfig),
];

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, make)| Op::new(name, move |settings| prepare(settings, make));
    LOSSES.iter().map(op).collect()
}

fn prepare(settings: &Settings, make: Make) -> Result<Work, SpeedError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let rows = data::rows(settings, settings.n, 1)?
        .into_raw_vec_and_offset()
        .0;
    let rows = TensorData::new(rows, [settings.n, settings.dim]);
    let rows = l2_normalize(Tensor::<2>::from_data(rows, &device)).detach();
    let labels: Vec<i64> = data::labels(settings).into_iter().map(i64::from).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [settings.n]), &device);
    let forward = make(settings, &device);
    Ok(Work::new(move || {
        let x = rows.clone().detach().require_grad();
        let gradients = forward(x.clone(), labels.clone()).backward();
        black_box(x.grad(&gradients));
        Ok(())
    }))
}
