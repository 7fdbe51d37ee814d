//! Training with the batch spread over ranks is training with the whole batch in one process.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use metric_core::collective::Collective;
use metric_losses::{
    ArcFaceLoss, ArcFaceLossConfig, ContrastiveLossConfig, NtXentLossConfig, SupConLossConfig,
    gather, mean_gradients,
};

const CLASSES: [i64; 13] = [0, 1, 2, 0, 1, 2, 3, 3, 0, 1, 2, 3, 0];
const INPUTS: usize = 5;

/// Two layers, and class vectors of a loss that may use them.
#[derive(Module, Debug)]
pub(crate) struct Model {
    first: Param<Tensor<2>>,
    second: Param<Tensor<2>>,
    arc_face: ArcFaceLoss,
}

pub(crate) const LOSSES: [&str; 4] = ["NT-Xent", "SupCon", "contrastive", "ArcFace"];

/// Numbers from -1 to 1 that look drawn, the same on every rank.
fn numbers(shape: [usize; 2], start: usize, dtype: DType) -> Tensor<2> {
    let values = (start..start + shape[0] * shape[1]).map(|i| (i as f64 * 12.9898).sin());
    let data = TensorData::new(values.collect::<Vec<_>>(), shape);
    Tensor::from_data(data, (&Device::flex().autodiff(), dtype))
}

impl Model {
    pub(crate) fn new(dtype: DType) -> Self {
        let arc_face = ArcFaceLossConfig::new(4, 3).with_scale(8.0);
        Self {
            first: Param::from_tensor(numbers([INPUTS, 7], 100, dtype)),
            second: Param::from_tensor(numbers([7, 3], 200, dtype)),
            arc_face: arc_face
                .init(&Device::flex().autodiff())
                .with_weight(numbers([4, 3], 300, dtype)),
        }
    }

    pub(crate) fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.first.val()).tanh().matmul(self.second.val())
    }

    pub(crate) fn loss(&self, name: &str, z: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let device = z.device();
        match name {
            "NT-Xent" => NtXentLossConfig::new().init(&device).forward(z, labels),
            "SupCon" => SupConLossConfig::new().init(&device).forward(z, labels),
            "contrastive" => ContrastiveLossConfig::new()
                .init(&device)
                .forward(z, labels),
            _ => self.arc_face.forward(z, labels),
        }
    }

    /// Gradients of all parameters one after another; nothing for one that has none.
    pub(crate) fn flat(&self, gradients: &GradientsParams) -> Vec<f64> {
        struct Flat<'a>(&'a GradientsParams, Vec<f64>);
        impl burn::module::ModuleVisitor for Flat<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if let Some(gradient) = self.0.get::<D>(param.id) {
                    let data = gradient.into_data().convert::<f64>();
                    self.1.extend(data.try_to_vec::<f64>().expect("converted"));
                }
            }
        }
        let mut flat = Flat(gradients, Vec::new());
        self.visit(&mut flat);
        flat.1
    }
}

/// The inputs and labels from one row to another.
pub(crate) fn batch(rows: std::ops::Range<usize>, dtype: DType) -> (Tensor<2>, Tensor<1, Int>) {
    let device = Device::flex().autodiff();
    let x = numbers([CLASSES.len(), INPUTS], 0, dtype).slice([rows.clone(), 0..INPUTS]);
    (x, Tensor::from_ints(&CLASSES[rows], &device))
}

pub(crate) fn all_rows() -> std::ops::Range<usize> {
    0..CLASSES.len()
}

/// Value and gradients of one process.
pub(crate) fn whole(model: &Model, loss: &str, dtype: DType) -> (f64, Vec<f64>) {
    let (x, labels) = batch(all_rows(), dtype);
    let value = model.loss(loss, model.encode(x), labels);
    let gradients = GradientsParams::from_grads(value.backward(), model);
    (value.into_scalar::<f64>(), model.flat(&gradients))
}

pub(crate) fn assert_near(what: &str, got: &[f64], expected: &[f64], dtype: DType) {
    // The same numbers summed in another order, at most 13 at a time in each of five steps, once times the number of
    // ranks and its inverse: some 80 ε, 1e-5 in `f32`.
    let tolerance = 80.0 * dtype.finfo().expect("a float").epsilon;
    assert_eq!(got.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0f64, |size, v| size.max(v.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let near = (got - expected).abs() <= tolerance * size;
        assert!(near, "{what}: {got}, in one process {expected}");
    }
}

/// The bits of all losses and gradients, equal on all ranks.
///
/// # Panics
/// If they are not those of one process.
pub(crate) fn assert_is_one_process(ranks: &dyn Collective) -> Vec<u64> {
    let mut bits = Vec::new();
    for dtype in [DType::F64, DType::F32] {
        let model = Model::new(dtype);
        let (n, size, rank) = (CLASSES.len(), ranks.size(), ranks.rank());
        // The last rank has what is left, another number of rows.
        let rows = n / size * rank..if rank + 1 == size {
            n
        } else {
            n / size * (rank + 1)
        };
        for loss in LOSSES {
            let (x, labels) = batch(rows.clone(), dtype);
            let own = model.encode(x);
            let (all, labels) = gather(own, labels, ranks).expect("all ranks take part");
            let value = model.loss(loss, all, labels);
            let own = GradientsParams::from_grads(value.backward(), &model);
            let mean = mean_gradients(&model, own, ranks).expect("all ranks take part");
            let (value, gradients) = (value.into_scalar::<f64>(), model.flat(&mean));
            let (expected, expected_gradients) = whole(&model, loss, dtype);
            assert_near(loss, &[value], &[expected], dtype);
            assert_near(loss, &gradients, &expected_gradients, dtype);
            bits.extend(std::iter::once(value).chain(gradients).map(f64::to_bits));
        }
    }
    bits
}
