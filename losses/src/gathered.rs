use burn::tensor::{DType, Element, Int, Tensor, TensorData};
use metric_core::collective::{Collective, CollectiveError, Number, all_gather};

use crate::host::to_vec;

/// Why rows could not be gathered; every rank gets such an error in the same call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] CollectiveError),
    /// The rows of a rank have another length.
    #[error("rows must be as long on all ranks, {expected} on rank 0, but {got} on rank {rank}")]
    Dim {
        /// The first such rank.
        rank: usize,
        /// Columns on rank 0.
        expected: usize,
        /// Columns on that rank.
        got: usize,
    },
    /// A rank does not have one label a row.
    #[error("{rows} rows on rank {rank} need as many labels, got {labels}")]
    Labels {
        /// The first such rank.
        rank: usize,
        /// Its rows.
        rows: usize,
        /// Its labels.
        labels: usize,
    },
}

/// The rows of all ranks and their labels, in the order of the ranks: the batch that one process would have had.
///
/// Every rank then computes the loss of the whole batch. Its own rows are on the graph, those of others are constants.
/// With `K` ranks the gradient that flows back to the own rows is that of the whole batch times `K`, so that the
/// **mean** over ranks of the gradients of all parameters is the gradient of one process over the whole batch:
/// ```text
/// encoder:        1/K Σₖ Σ_{i on k} K ∂ℓ/∂xᵢ ∂xᵢ/∂θ  =  ∂ℓ/∂θ
/// class vectors:  1/K Σₖ ∂ℓ/∂w                       =  ∂ℓ/∂w
/// ```
/// Data-parallel trainers take that mean, and so does [`mean_gradients`](crate::mean_gradients). The class vectors of a
/// classifier loss get the whole gradient on every rank, and their mean is it again; a sum would count it `K` times.
/// The loss is the same number on every rank. Ranks may have different numbers of rows; the loss must not draw random
/// numbers, or draw the same on every rank. An encoder with batch norm sees the rows of its own rank only, and differs
/// from one process.
///
/// Cost: every rank receives all rows, `O(n · dim)` for `n` rows of all ranks together, and computes the whole loss:
/// its time and memory do not shrink with more ranks, those of the encoder do.
///
/// # Shapes
/// - `embeddings`: `[n_k, dim]`, `labels`: `[n_k]`, those of this rank
/// - output: `[n, dim]` and `[n]`
///
/// # Errors
/// [`GatherError`] if `dim` or the precision differs between ranks, one has not one label a row, or the exchange fails.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_core::collective::{Collective, InProcess};
/// use metric_losses::{NtXentLossConfig, gather};
///
/// let ranks = InProcess::group(2).into_iter().map(|rank| {
///     std::thread::spawn(move || {
///         let device = Device::flex().autodiff();
///         let own = [[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]][rank.rank()];
///         let x = Tensor::<2>::from_floats(own, &device).require_grad();
///         let (all, labels) = gather(x, Tensor::from_ints([0, 1], &device), &rank).unwrap();
///         assert_eq!((all.dims(), labels.dims()), ([4, 2], [4]));
///         let loss = NtXentLossConfig::new().with_temperature(1.0).init(&device);
///         loss.forward(all, labels).into_scalar::<f32>()
///     })
/// });
/// for rank in ranks.collect::<Vec<_>>() {
///     // One positive of similarity 1 a row, two negatives of similarity 0: log(e + 2) − 1 = 0.55144.
///     assert!((rank.join().unwrap() - 0.55144).abs() < 1e-5);
/// }
/// ```
pub fn gather(
    embeddings: Tensor<2>,
    labels: Tensor<1, Int>,
    ranks: &dyn Collective,
) -> Result<(Tensor<2>, Tensor<1, Int>), GatherError> {
    let ([rows, dim], [count]) = (embeddings.dims(), labels.dims());
    let shapes = all_gather(ranks, &[rows as i64, dim as i64, count as i64])?;
    check(&shapes)?;
    let (device, dtype) = (labels.device(), labels.dtype());
    let own_labels = to_vec::<i64>(labels.into_data());
    let all_labels = all_gather(ranks, &own_labels)?.concat();
    let data = TensorData::new(all_labels.clone(), [all_labels.len()]);
    let labels = Tensor::from_data(data, (&device, dtype));
    let all = match embeddings.dtype() {
        DType::F64 => join::<f64>(embeddings, ranks)?,
        // Numbers of 16 bits are exact in 32.
        _ => join::<f32>(embeddings, ranks)?,
    };
    Ok((all, labels))
}

/// `[rows, dim, labels]` of every rank.
fn check(shapes: &[Vec<i64>]) -> Result<(), GatherError> {
    let number = |rank: usize, at: usize| shapes[rank][at] as usize;
    for rank in 0..shapes.len() {
        let (rows, labels) = (number(rank, 0), number(rank, 2));
        if rows != labels {
            return Err(GatherError::Labels { rank, rows, labels });
        }
        let (expected, got) = (number(0, 1), number(rank, 1));
        if expected != got {
            return Err(GatherError::Dim {
                rank,
                expected,
                got,
            });
        }
    }
    Ok(())
}

/// The rows of other ranks around those of this one, whose gradient is multiplied by the number of ranks.
fn join<T: Number + Element>(
    own: Tensor<2>,
    ranks: &dyn Collective,
) -> Result<Tensor<2>, CollectiveError> {
    let ([_, dim], device, dtype) = (own.dims(), own.device(), own.dtype());
    let values = to_vec::<T>(own.clone().into_data());
    let mut parts = Vec::with_capacity(ranks.size());
    for (rank, values) in all_gather(ranks, &values)?.into_iter().enumerate() {
        if values.is_empty() {
            continue;
        }
        parts.push(if rank == ranks.rank() {
            scale_gradient(own.clone(), ranks.size() as f64)
        } else {
            let rows = values.len() / dim;
            Tensor::from_data(TensorData::new(values, [rows, dim]), (&device, dtype))
        });
    }
    if parts.is_empty() {
        return Ok(own);
    }
    Ok(Tensor::cat(parts, 0))
}

/// `x`, where it is finite the same number, with `factor` times its gradient.
fn scale_gradient(x: Tensor<2>, factor: f64) -> Tensor<2> {
    let value = x.clone().detach();
    value.clone() + (x - value) * factor
}
