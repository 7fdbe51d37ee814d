use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_core::Error;
use ndarray::{Array1, ArrayView2, Axis};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::schedule::cosine;

/// Why a probe could not be trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Rows or labels are at fault.
    #[error(transparent)]
    Data(#[from] Error),
    /// A field out of its range.
    #[error("{name} must be above 0, got {got}")]
    NotPositive {
        /// Name of the field.
        name: &'static str,
        /// What it was.
        got: f64,
    },
}

/// A linear classifier on features that stay as they are, the field's measure of what they hold (Zhang, Isola, Efros,
/// *Colorful image colorization*, ECCV 2016; in the form of He et al., *Momentum contrast*, CVPR 2020, section 4.1).
///
/// Columns are standardized with mean and deviation of the training rows; then softmax regression by Adam with batches drawn
/// anew each epoch and a learning rate that falls along half a cosine. Deviates from the papers, which use SGD with rates
/// made for each method, by standardizing and Adam, which need no tuning.
///
/// Cost: `O(epochs · n · dim · classes)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearProbe {
    /// Times every row is seen. Default: `30`.
    pub epochs: u64,
    /// Rows in a batch. Default: `256`.
    pub batch: usize,
    /// Peak learning rate. Default: `0.01`.
    pub learning_rate: f64,
    /// Weight decay. Default: `1e-4`.
    pub weight_decay: f32,
}

impl Default for LinearProbe {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch: 256,
            learning_rate: 0.01,
            weight_decay: 1e-4,
        }
    }
}

impl LinearProbe {
    /// Share of `queries` `[m, dim]` that a classifier trained on `rows` `[n, dim]` puts in the right class.
    ///
    /// It is trained on `device`, made able to learn if it is not.
    ///
    /// # Errors
    /// [`ProbeError::Data`] for rows without labels, of another length, or not finite; [`ProbeError::NotPositive`].
    pub fn accuracy<R: Rng + ?Sized>(
        &self,
        rows: ArrayView2<'_, f32>,
        row_labels: &[u32],
        queries: ArrayView2<'_, f32>,
        labels: &[u32],
        device: &Device,
        random: &mut R,
    ) -> Result<f64, ProbeError> {
        self.check()?;
        check(rows, row_labels)?;
        check(queries, labels)?;
        if rows.ncols() != queries.ncols() {
            let (left, right) = (rows.ncols(), queries.ncols());
            return Err(Error::DimMismatch { left, right }.into());
        }
        let (mean, deviation) = moments(rows);
        let standard = |rows: ArrayView2<'_, f32>, device: &Device| {
            let values = (&rows - &mean) / &deviation;
            let shape = [values.nrows(), values.ncols()];
            Tensor::<2>::from_data(
                TensorData::new(values.iter().copied().collect(), shape),
                device,
            )
        };
        let device = device.clone().autodiff();
        let classes = row_labels.iter().max().map_or(1, |&most| most as usize + 1);
        let x = standard(rows, &device);
        let mut layer = zero_layer(rows.ncols(), classes, &device);
        let decay = burn::optim::decay::WeightDecayConfig::new(self.weight_decay);
        let mut optimizer: ModuleOptimizer =
            AdamConfig::new().with_weight_decay(Some(decay)).init();
        let loss = CrossEntropyLossConfig::new().init(&device);
        let mut order: Vec<usize> = (0..rows.nrows()).collect();
        let batch = self.batch.min(order.len());
        let steps = self.epochs * (order.len() / batch) as u64;
        let mut step = 0;
        for _ in 0..self.epochs {
            order.shuffle(random);
            for chosen in order.chunks_exact(batch) {
                let places = chosen.iter().map(|&row| row as i64).collect();
                let targets = chosen
                    .iter()
                    .map(|&row| i64::from(row_labels[row]))
                    .collect();
                let logits = layer.forward(x.clone().select(0, upload(places, &device)));
                let gradients = loss.forward(logits, upload(targets, &device)).backward();
                let gradients = GradientsParams::from_grads(gradients, &layer);
                let rate = cosine(self.learning_rate, 0.0, step, steps);
                layer = optimizer.step(rate, layer, gradients);
                step += 1;
            }
        }
        let plain = device.inner();
        let guesses = layer.valid().forward(standard(queries, &plain)).argmax(1);
        let guesses = guesses.into_data();
        let right = guesses
            .iter::<i64>()
            .zip(labels)
            .filter(|&(guess, &label)| guess == i64::from(label));
        Ok(right.count() as f64 / labels.len() as f64)
    }

    fn check(&self) -> Result<(), ProbeError> {
        let fields = [
            ("epochs", self.epochs as f64),
            ("batch", self.batch as f64),
            ("learning_rate", self.learning_rate),
        ];
        match fields
            .into_iter()
            .find(|&(_, value)| !(value > 0.0 && value.is_finite()))
        {
            Some((name, got)) => Err(ProbeError::NotPositive { name, got }),
            None => Ok(()),
        }
    }
}

/// A layer that says nothing yet, so that no seed is needed for it.
fn zero_layer(dim: usize, classes: usize, device: &Device) -> Linear {
    LinearConfig::new(dim, classes)
        .with_initializer(burn::nn::Initializer::Zeros)
        .init(device)
}

fn upload(numbers: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let count = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [count]), device)
}

/// Mean and deviation of the columns; a constant column has deviation 1.
fn moments(rows: ArrayView2<'_, f32>) -> (Array1<f32>, Array1<f32>) {
    let rows = rows.mapv(f64::from);
    let n = rows.nrows() as f64;
    let mean = rows.sum_axis(Axis(0)) / n;
    let variance = rows
        .rows()
        .into_iter()
        .fold(Array1::<f64>::zeros(rows.ncols()), |sum, row| {
            let off = &row - &mean;
            sum + &off * &off / n
        });
    let deviation = variance.mapv(|x| if x > 1e-12 { x.sqrt() as f32 } else { 1.0 });
    (mean.mapv(|x| x as f32), deviation)
}

fn check(rows: ArrayView2<'_, f32>, labels: &[u32]) -> Result<(), Error> {
    if rows.is_empty() {
        return Err(Error::Empty { what: "rows" });
    }
    if rows.nrows() != labels.len() {
        let (rows, labels) = (rows.nrows(), labels.len());
        return Err(Error::LabelCount { rows, labels });
    }
    match rows.indexed_iter().find(|(_, x)| !x.is_finite()) {
        Some(((row, column), _)) => Err(Error::NonFinite {
            what: "rows",
            row,
            column,
        }),
        None => Ok(()),
    }
}
