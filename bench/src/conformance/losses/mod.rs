//! Suite `losses`: values and gradients, computed on the CPU backend.

mod classes;
mod contrast;
mod pairs;
mod proxies;
mod ranking;
mod regularizers;
mod tuples;

use burn::tensor::{DType, Device, Gradients, Int, Tensor, TensorData};
use metric_core::Scalar;
use metric_losses::{EmbeddingDistance, Reducer, l2_normalize};
use ndarray::Array2;

use super::case::Params;
use super::{Case, CaseError, Op, Outputs};

macro_rules! op {
    ($name:literal, $run:ident) => {
        Op::generic("losses", $name, $run::<f32>, $run::<f64>)
    };
}

/// Runs a loss that has `forward` and `forward_against`.
macro_rules! pairwise {
    ($inputs:expr, $case:expr, $distance:expr, $loss:expr) => {{
        let loss = $loss;
        $inputs.pairwise(
            $case,
            $distance,
            |rows, labels, reference| match reference {
                Some((reference, of)) => loss.forward_against(rows, labels, reference, of),
                None => loss.forward(rows, labels),
            },
        )
    }};
}

/// Runs a loss with the class vectors of the case, which the reference keeps in columns.
macro_rules! by_columns {
    ($inputs:expr, $case:expr, $loss:expr) => {{
        let loss = $loss.with_weight($inputs.classes_in_columns($case)?);
        $inputs.weight = Some(loss.weight());
        let rows = $inputs.tracked($case, "embeddings")?;
        let value = loss.forward(rows, $inputs.labels($case, "labels")?);
        Ok($inputs.outputs(value))
    }};
}

use {by_columns, op, pairwise};

pub(super) fn ops() -> Vec<Op> {
    [
        pairs::OPS,
        tuples::OPS,
        contrast::OPS,
        classes::OPS,
        proxies::OPS,
        ranking::OPS,
        regularizers::OPS,
    ]
    .concat()
}

/// Input tensors of a case, all tracked, and the names their gradients have.
pub(super) struct Inputs {
    pub(super) device: Device,
    dtype: DType,
    tracked: Vec<(String, Tensor<2>)>,
    /// Class vectors, a class in a row.
    weight: Option<Tensor<2>>,
}

impl Inputs {
    pub(super) fn new<T: Scalar>() -> Self {
        let dtype = if size_of::<T>() == 8 {
            DType::F64
        } else {
            DType::F32
        };
        Self {
            device: Device::flex().autodiff(),
            dtype,
            tracked: Vec::new(),
            weight: None,
        }
    }

    pub(super) fn upload(&self, values: Array2<f64>) -> Tensor<2> {
        let shape = [values.nrows(), values.ncols()];
        let values = values.iter().copied().collect();
        let data = TensorData::new::<f64, _>(values, shape);
        Tensor::from_data(data, (&self.device, self.dtype))
    }

    /// The matrix called `name`, whose gradient is asked for.
    pub(super) fn tracked(&mut self, case: &Case, name: &str) -> Result<Tensor<2>, CaseError> {
        let tensor = self.upload(case.matrix::<f64>(name)?).require_grad();
        self.tracked.push((format!("grad_{name}"), tensor.clone()));
        Ok(tensor)
    }

    /// Class vectors as the reference keeps them, turned into one class a row.
    fn classes_in_columns(&self, case: &Case) -> Result<Tensor<2>, CaseError> {
        Ok(self.upload(case.matrix::<f64>("weight")?).transpose())
    }

    /// Asks for the gradient of class vectors that the reference keeps one in a row too.
    fn proxies(&mut self, weight: Tensor<2>) {
        self.tracked.push(("grad_weight".to_owned(), weight));
    }

    fn labels(&self, case: &Case, name: &str) -> Result<Tensor<1, Int>, CaseError> {
        let labels: Vec<i64> = case.labels(name)?.into_iter().map(i64::from).collect();
        let count = labels.len();
        Ok(Tensor::from_data(
            TensorData::new(labels, [count]),
            &self.device,
        ))
    }

    /// A loss over pairs of the batch, or of the batch and a reference set if the case has one.
    fn pairwise(
        mut self,
        case: &Case,
        distance: &NamedDistance,
        loss: impl Fn(Tensor<2>, Tensor<1, Int>, Option<(Tensor<2>, Tensor<1, Int>)>) -> Tensor<1>,
    ) -> Result<Outputs, CaseError> {
        let rows = distance.prepare(self.tracked(case, "embeddings")?);
        let labels = self.labels(case, "labels")?;
        let reference = if case.has("ref_embeddings") {
            let reference = distance.prepare(self.tracked(case, "ref_embeddings")?);
            Some((reference, self.labels(case, "ref_labels")?))
        } else {
            None
        };
        Ok(self.outputs(loss(rows, labels, reference)))
    }

    /// The loss and every gradient.
    pub(super) fn outputs(self, loss: Tensor<1>) -> Outputs {
        let value = download(loss.clone().inner().reshape([1, 1]))[[0, 0]];
        let gradients: Gradients = loss.backward();
        let mut outputs = Outputs::new().with_value("loss", value);
        let gradient = |tensor: &Tensor<2>| match tensor.grad(&gradients) {
            Some(gradient) => download(gradient),
            None => Array2::zeros(tensor.dims()),
        };
        for (name, tensor) in &self.tracked {
            outputs = outputs.with(name, &gradient(tensor));
        }
        if let Some(weight) = &self.weight {
            outputs = outputs.with("grad_weight", &gradient(weight).reversed_axes());
        }
        outputs
    }
}

pub(super) fn download(tensor: Tensor<2>) -> Array2<f64> {
    let shape = tensor.dims();
    let values = tensor
        .into_data()
        .convert::<f64>()
        .try_to_vec::<f64>()
        .expect("the data were converted to f64");
    Array2::from_shape_vec(shape, values).expect("a tensor has as many values as its shape says")
}

/// A distance and whether its inputs are normalized first.
struct NamedDistance {
    distance: EmbeddingDistance,
    normalize: bool,
    /// Margins are given for the similarity `1 − d` (cosine) or `−d` (inner product).
    similarity_at_zero: Option<f64>,
}

impl NamedDistance {
    fn of(case: &Case) -> Result<Self, CaseError> {
        let params: Params<'_> = case.params().object("distance")?;
        let (distance, similarity_at_zero) = match params.str("kind")? {
            "lp" => match (params.f64("p")?, params.f64("power")?) {
                (2.0, 1.0) => (EmbeddingDistance::Euclidean, None),
                (2.0, 2.0) => (EmbeddingDistance::SquaredEuclidean, None),
                (p, power) => (EmbeddingDistance::Lp { p, power }, None),
            },
            "cosine" => (EmbeddingDistance::Cosine, Some(1.0)),
            "dot" => (EmbeddingDistance::InnerProduct, Some(0.0)),
            "snr" => (EmbeddingDistance::SignalToNoise, None),
            _ => return Err(params.wrong("kind", "lp, cosine, dot or snr")),
        };
        let normalize = if params.has("normalize") {
            params.bool("normalize")?
        } else {
            false
        };
        Ok(Self {
            distance,
            normalize,
            similarity_at_zero,
        })
    }

    /// Unit rows of the norm that the distance has.
    fn prepare(&self, rows: Tensor<2>) -> Tensor<2> {
        match self.distance {
            _ if !self.normalize => rows,
            EmbeddingDistance::Lp { p: 2.0, .. } => l2_normalize(rows),
            EmbeddingDistance::Lp { p, .. } => {
                let norms = rows
                    .clone()
                    .abs()
                    .powf_scalar(p)
                    .sum_dim(1)
                    .powf_scalar(1.0 / p);
                rows / norms
            }
            _ => l2_normalize(rows),
        }
    }

    /// A threshold on the similarity as one on the distance.
    fn threshold(&self, margin: f64) -> f64 {
        self.similarity_at_zero
            .map_or(margin, |at_zero| at_zero - margin)
    }
}

fn reducer(case: &Case) -> Result<Reducer, CaseError> {
    let params = case.params();
    if let Ok(object) = params.object("reducer") {
        return match object.str("kind")? {
            "threshold" => Ok(Reducer::Threshold {
                low: object.f64("low")?,
                high: object.f64("high")?,
            }),
            _ => Err(object.wrong("kind", "threshold")),
        };
    }
    match params.str("reducer")? {
        "mean" => Ok(Reducer::Mean),
        "sum" => Ok(Reducer::Sum),
        "avg_non_zero" => Ok(Reducer::AvgNonZero),
        _ => Err(params.wrong("reducer", "mean, sum, avg_non_zero or threshold")),
    }
}
