use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

/// Why gradients could not be computed by chunks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CachedGradientsError {
    /// There is nothing to encode.
    #[error("at least one chunk is needed, got none")]
    NoChunks,
    /// The loss does not depend on the embeddings.
    #[error("the loss must depend on the embeddings, but has no gradient for them")]
    Disconnected,
    /// The encoder gave other embeddings the second time: it has dropout or other noise.
    #[error(
        "the encoder must give the same embeddings twice, but those of chunk {chunk} differ by {difference}"
    )]
    NotDeterministic {
        /// The first such chunk.
        chunk: usize,
        /// The largest difference of an entry, relative to the largest entry of the chunk.
        difference: f64,
    },
}

/// The loss of a batch too large for the encoder and its gradients, chunk by chunk (Gao, Zhang, Han, Callan, *Scaling
/// deep contrastive learning batch size under memory limited setup*, `RepL4NLP` 2021,
/// <https://arxiv.org/abs/2101.06983>, section 3).
///
/// With `f` the encoder with parameters `θ`, `S` the chunks, and `ℓ` the loss of all embeddings together:
/// ```text
/// 1  without a graph:  z_S = f(S)  for every chunk
/// 2  ℓ(z), uᵢ = ∂ℓ/∂zᵢ, and the gradients of parameters that the loss itself has
/// 3  for every chunk again, with its graph:  ∂ℓ/∂θ += ∂/∂θ Σ_{i ∈ S} uᵢ · f(xᵢ)
/// ```
/// Value and gradients are those of the whole batch: the gradients of chunks are exact and only added, which no longer
/// rounds in the same order. `module` holds the encoder and, where the loss has class vectors or proxies, the loss; the
/// result is what [`GradientsParams::from_grads`] gives for it. `encode` must give the same embeddings at every call,
/// and of a row the same in every chunk. An encoder with dropout is refused; one with **batch norm** in training is not
/// noticed, but computes with the statistics of each chunk, updates its running ones twice, and differs from the whole
/// batch.
///
/// Cost: the encoder runs forward twice and backward once, the loss once; one number a chunk is read back. Memory: the
/// activations of one chunk, and `O(n · dim)` for embeddings and their gradients beside what the loss needs.
///
/// # Shapes
/// - `chunks`: the rows of the batch in order; [`Tensor::split`] makes them
/// - `encode`: from a chunk to `[rows of the chunk, dim]`
/// - `loss`: from `[n, dim]` to `[1]`
/// - output: the loss, off the graph
///
/// # Errors
/// [`CachedGradientsError`] without chunks, if the loss does not depend on the embeddings, or if the encoder is not
/// deterministic.
///
/// # Examples
/// ```
/// use burn::module::{Module, Param};
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::{NtXentLossConfig, cached_gradients};
///
/// #[derive(Module, Debug)]
/// struct Encoder {
///     weight: Param<Tensor<2>>,
/// }
///
/// let device = Device::flex().autodiff();
/// let weight = Tensor::from_floats([[1.0, 0.5], [0.0, 1.0]], &device);
/// let encoder = Encoder { weight: Param::from_tensor(weight) };
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.9, 0.2], [0.0, 1.0], [0.1, 0.8]], &device);
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1, 1], &device);
/// let loss = NtXentLossConfig::new().init(&device);
///
/// let (value, gradients) = cached_gradients(
///     &encoder,
///     &x.clone().split(2, 0),
///     |encoder, x| x.matmul(encoder.weight.val()),
///     |_, z| loss.forward(z, labels.clone()),
/// )?;
/// let whole = loss.forward(x.matmul(encoder.weight.val()), labels);
/// assert_eq!(value.into_scalar::<f32>(), whole.clone().into_scalar::<f32>());
/// let expected = encoder.weight.val().grad(&whole.backward()).unwrap();
/// let got = gradients.get::<2>(encoder.weight.id).unwrap();
/// assert!((got - expected).abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), metric_losses::CachedGradientsError>(())
/// ```
pub fn cached_gradients<M: Module, I: Clone>(
    module: &M,
    chunks: &[I],
    encode: impl Fn(&M, I) -> Tensor<2>,
    loss: impl FnOnce(&M, Tensor<2>) -> Tensor<1>,
) -> Result<(Tensor<1>, GradientsParams), CachedGradientsError> {
    try_cached_gradients(
        module,
        chunks,
        |module, chunk| Ok(encode(module, chunk)),
        |module, z| Ok(loss(module, z)),
    )
}

/// As [`cached_gradients`], with an encoder and a loss that may refuse what they are given.
///
/// # Errors
/// What they refuse, and [`CachedGradientsError`] as there.
pub fn try_cached_gradients<M: Module, I: Clone, E: From<CachedGradientsError>>(
    module: &M,
    chunks: &[I],
    encode: impl Fn(&M, I) -> Result<Tensor<2>, E>,
    loss: impl FnOnce(&M, Tensor<2>) -> Result<Tensor<1>, E>,
) -> Result<(Tensor<1>, GradientsParams), E> {
    if chunks.is_empty() {
        return Err(CachedGradientsError::NoChunks.into());
    }
    module.visit(&mut Initialize);
    let without_graph = module.clone().no_grad();
    let encoded = chunks.iter().map(|chunk| {
        let z = encode(&without_graph, chunk.clone());
        z.map(Tensor::detach)
    });
    let encoded = encoded.collect::<Result<Vec<Tensor<2>>, E>>()?;
    drop(without_graph);

    let z = Tensor::cat(encoded.clone(), 0).require_grad();
    let value = loss(module, z.clone())?;
    let mut gradients = value.backward();
    let of_rows = z.grad_remove(&mut gradients);
    let of_rows = of_rows.ok_or(CachedGradientsError::Disconnected)?;
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(module, GradientsParams::from_grads(gradients, module));

    let mut start = 0;
    for (number, (chunk, before)) in chunks.iter().zip(encoded).enumerate() {
        let [rows, _] = before.dims();
        let z = encode(module, chunk.clone())?;
        check_same(number, before, z.clone().detach())?;
        let surrogate = (z * of_rows.clone().narrow(0, start, rows)).sum();
        let gradients = GradientsParams::from_grads(surrogate.backward(), module);
        sum.accumulate(module, gradients);
        start += rows;
    }
    Ok((value.detach(), sum.grads()))
}

/// Parallel sums may round differently each time, by some ε; noise that is meant changes far more than √ε of `f32`.
const TOLERANCE: f64 = 3e-4;

fn check_same(chunk: usize, before: Tensor<2>, now: Tensor<2>) -> Result<(), CachedGradientsError> {
    let difference = (now - before.clone()).abs().max() / before.abs().max();
    let difference = difference.into_scalar::<f64>();
    // 0/0 and ∞/∞ are NaN, and not for this to judge.
    if difference > TOLERANCE {
        return Err(CachedGradientsError::NotDeterministic { chunk, difference });
    }
    Ok(())
}

/// Draws the values of parameters that have none yet, so that the module and its copy have the same.
struct Initialize;

impl ModuleVisitor for Initialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}
