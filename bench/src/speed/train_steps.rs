//! `train_step:<model>`: forward, backward and one step of Adam on one batch, on the CPU backend.

use std::hint::black_box;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_losses::SoftmaxLossConfig;

use super::{Op, Settings, SpeedError, Work, data};
use crate::encoder::{ConvNetConfig, MlpConfig, ResNetConfig};
use crate::optimizer::Adam;

const CLASSES: usize = 10;
const EMBEDDING: usize = 128;

pub(super) fn ops() -> Vec<Op> {
    vec![
        Op::new("train_step:conv4", |settings| {
            let side = 28;
            let device = device();
            let net = ConvNetConfig::new(1, side, side, EMBEDDING).init(&device);
            step(settings, side * side, net, &device, |net, x| {
                let [n, len] = x.dims();
                net.forward(x.reshape([n, 1, len]))
            })
        }),
        Op::new("train_step:resnet18", |settings| {
            let (channels, side, device) = (3, 32, device());
            let net = ResNetConfig::new(channels, EMBEDDING).init(&device);
            let inputs = channels * side * side;
            step(settings, inputs, net, &device, move |net, x| {
                let [n, _] = x.dims();
                net.forward(x.reshape([n, channels, side, side]))
            })
        }),
        Op::new("train_step:mlp", |settings| {
            let (inputs, device) = (784, device());
            let net = MlpConfig::new(inputs, EMBEDDING).init(&device);
            step(settings, inputs, net, &device, |net, x| net.forward(x))
        }),
    ]
}

fn device() -> Device {
    let device = Device::flex().autodiff();
    device.seed(1);
    device
}

fn step<M>(
    settings: &Settings,
    inputs: usize,
    net: M,
    device: &Device,
    forward: impl Fn(&M, Tensor<2>) -> Tensor<2> + 'static,
) -> Result<Work, SpeedError>
where
    M: Module + 'static,
{
    let rows = data::normal((settings.n, inputs), &mut data::generator(1));
    let rows = rows.into_raw_vec_and_offset().0;
    let rows = Tensor::<2>::from_data(TensorData::new(rows, [settings.n, inputs]), device);
    let labels: Vec<i64> = (0..settings.n).map(|i| (i % CLASSES) as i64).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [settings.n]), device);
    let loss = SoftmaxLossConfig::new(CLASSES, EMBEDDING).init(device);
    let mut model = Some((net, loss));
    let mut optimizer = ModuleOptimizer::from(Adam::default());
    Ok(Work::new(move || {
        let now = model.take().expect("put back after every step");
        let loss = now.1.forward(forward(&now.0, rows.clone()), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &now);
        model = Some(black_box(optimizer.step(1e-3, now, gradients)));
        Ok(())
    }))
}
