//! Two encoders for two kinds of input, learned from pairs.

mod albef;
mod error;
mod memory;
mod recall;

use burn::module::{Module, ModuleDisplay};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use metric_losses::{CachedGradientsError, ClipLoss, ClipLossConfig, try_cached_gradients};

use albef::Albef;
pub use albef::AlbefConfig;
pub use error::TowersError;
pub use memory::TowersMemory;
pub use recall::cross_recall;

use crate::learner::Initialize;
use crate::method::download;

/// What embeds inputs of one kind: images, token numbers, a record of several tensors.
pub trait Tower<I>: Module + ModuleDisplay {
    /// # Shapes
    /// - output: `[n, dim]`, row `i` of input `i`, not normalized; `dim` is the same for both towers of a pair
    fn embed(&self, inputs: I) -> Tensor<2>;
}

/// Two towers that learn which of their inputs belong together, with all that the method has to learn or keep as tensors.
/// One record saves it; queues are in [`TowersMemory`].
///
/// ```text
/// CLIP    ℓ = ClipLoss(a, b)                                              T learned
/// ALBEF   ℓ = ½ SoftInfoNce(a, a', b', Q_b) + ½ SoftInfoNce(b, b', a', Q_a)    T learned
/// ```
/// with the embeddings `a`, `b` of a batch, those of momentum teachers `a'`, `b'`, and queues `Q` of earlier teachers'
/// rows; see [`ClipLoss`] and [`SoftInfoNceLoss`](metric_losses::SoftInfoNceLoss).
///
/// A step is
///
/// 1. [`gradients`](Self::gradients) of a batch of pairs,
/// 2. an optimizer's step with them,
/// 3. [`after_step`](Self::after_step) and [`remember`](Self::remember): teachers follow, keys are queued.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::optim::{ModuleOptimizer, SgdConfig};
/// use burn::tensor::{Device, Distribution, Tensor};
/// use metric_ssl::{AlbefConfig, Tower, Towers};
///
/// #[derive(Module, Debug)]
/// struct Flat {
///     linear: Linear,
/// }
///
/// impl<const D: usize> Tower<Tensor<D>> for Flat {
///     fn embed(&self, inputs: Tensor<D>) -> Tensor<2> {
///         self.linear.forward(inputs.flatten(1, -1))
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let flat = |width| Flat { linear: LinearConfig::new(width, 4).init(&device) };
/// let config = AlbefConfig::new().with_queue(32);
/// let mut towers = Towers::albef(flat(16), flat(6), &config, &device);
/// let mut memory = towers.memory(4)?;
/// let mut optimizer: ModuleOptimizer = SgdConfig::new().init();
/// let steps = 3;
/// for step in 0..steps {
///     let images = Tensor::<3>::random([8, 4, 4], Distribution::Default, &device);
///     let captions = Tensor::<2>::random([8, 6], Distribution::Default, &device);
///     let examples: Vec<usize> = (8 * step..8 * (step + 1)).collect();
///     let done = step as f64 / steps as f64;
///     let learned = towers.gradients(&[(images, captions)], done, &memory)?;
///     towers = optimizer.step(0.1, towers, learned.gradients).after_step()?;
///     towers.remember(learned.keys, &examples, &mut memory)?;
/// }
/// assert_eq!(memory.a.queue.as_ref().map(|queue| queue.len()), Some(24));
/// # Ok::<(), metric_ssl::TowersError>(())
/// ```
#[derive(Module, Debug)]
pub struct Towers<A: Module, B: Module> {
    /// The first tower.
    pub a: A,
    /// The second.
    pub b: B,
    contrast: Contrast<A, B>,
}

/// How a batch of pairs is compared.
#[derive(Module, Debug)]
enum Contrast<A: Module, B: Module> {
    Clip(ClipLoss),
    Albef(Albef<A, B>),
}

/// What a batch of pairs gives.
#[derive(Debug)]
pub struct TowersLearned {
    /// The loss `[1]`, off the graph.
    pub loss: Tensor<1>,
    /// For the optimizer.
    pub gradients: GradientsParams,
    /// The teachers' unit rows `[n, dim]` of either side, off the graph, where the method has teachers.
    pub keys: Option<[Tensor<2>; 2]>,
}

impl<A: Module + ModuleDisplay, B: Module + ModuleDisplay> Towers<A, B> {
    /// Towers that learn as CLIP (Radford et al., ICML 2021, <https://arxiv.org/abs/2103.00020>).
    ///
    /// # Panics
    /// If the configuration is not [valid](ClipLossConfig::validate).
    pub fn clip(a: A, b: B, config: &ClipLossConfig, device: &Device) -> Self {
        draw(&a, &b);
        let contrast = Contrast::Clip(config.init(device));
        Self { a, b, contrast }
    }

    /// Towers that learn as the image-text contrast of ALBEF (Li et al., *Align before Fuse*, `NeurIPS` 2021,
    /// <https://arxiv.org/abs/2107.07651>, section 3.2 and eq. 6).
    ///
    /// Deviates from the paper's code in that the teachers follow after the optimizer step, not before the next batch,
    /// which is the same but for the first one, and in that the queues start empty, not with random rows.
    ///
    /// # Panics
    /// If the configuration is not [valid](AlbefConfig::validate).
    pub fn albef(a: A, b: B, config: &AlbefConfig, device: &Device) -> Self {
        draw(&a, &b);
        let contrast = Contrast::Albef(Albef::new(&a, &b, config, device));
        Self { a, b, contrast }
    }

    /// The teachers of both towers, where the method has them.
    pub fn teachers(&self) -> Option<(&A, &B)> {
        match &self.contrast {
            Contrast::Clip(_) => None,
            Contrast::Albef(albef) => Some((&albef.a, &albef.b)),
        }
    }

    /// The temperature `T`, of shape `[1]`, if it is learned.
    pub fn temperature(&self) -> Option<Tensor<1>> {
        match &self.contrast {
            Contrast::Clip(loss) => loss.temperature(),
            Contrast::Albef(albef) => albef.temperature(),
        }
    }

    /// Empty queues for rows of length `dim`, where the method has them.
    ///
    /// # Errors
    /// [`TowersError::Memory`] for rows of length 0.
    pub fn memory(&self, dim: usize) -> Result<TowersMemory, TowersError> {
        match &self.contrast {
            Contrast::Clip(_) => Ok(TowersMemory::default()),
            Contrast::Albef(albef) => TowersMemory::new(albef.queue(), dim),
        }
    }

    /// The embeddings of a batch by either tower, on the graph.
    ///
    /// # Errors
    /// [`TowersError::Rows`] or [`TowersError::Dim`] if their shapes differ.
    pub fn embed<X, Y>(&self, x: X, y: Y) -> Result<[Tensor<2>; 2], TowersError>
    where
        A: Tower<X>,
        B: Tower<Y>,
    {
        paired(self.a.embed(x), self.b.embed(y))
    }

    /// The loss of a batch of pairs and its gradients.
    ///
    /// With more than one chunk, memory is that of the towers' activations for one chunk and of the embeddings of all (see
    /// [`try_cached_gradients`]): value and gradients are those of the whole batch, but that batch norm has the statistics
    /// of each chunk, and that the towers run twice.
    ///
    /// `done` is the share of all steps that were made before, by which ALBEF raises `α`.
    ///
    /// # Errors
    /// [`TowersError`] if the two sides have other shapes, a queue has no room for the batch or rows of another length,
    /// `done` is below 0, there is no chunk, or the towers give other embeddings the second time.
    pub fn gradients<X: Clone, Y: Clone>(
        &self,
        chunks: &[(X, Y)],
        done: f64,
        memory: &TowersMemory,
    ) -> Result<TowersLearned, TowersError>
    where
        A: Tower<X>,
        B: Tower<Y>,
    {
        if chunks.is_empty() {
            return Err(CachedGradientsError::NoChunks.into());
        }
        let (learned, keys) = match &self.contrast {
            Contrast::Clip(loss) => (self.learn(chunks, |[a, b]| Ok(loss.forward(a, b)))?, None),
            Contrast::Albef(albef) => {
                let keys = albef.teach(chunks)?;
                let loss = |rows| albef.loss(rows, &keys, done, memory);
                (self.learn(chunks, loss)?, Some(keys))
            }
        };
        let (loss, gradients) = learned;
        Ok(TowersLearned {
            loss,
            gradients,
            keys,
        })
    }

    fn learn<X: Clone, Y: Clone>(
        &self,
        chunks: &[(X, Y)],
        loss: impl FnOnce([Tensor<2>; 2]) -> Result<Tensor<1>, TowersError>,
    ) -> Result<(Tensor<1>, GradientsParams), TowersError>
    where
        A: Tower<X>,
        B: Tower<Y>,
    {
        if let [(x, y)] = chunks {
            let loss = loss(self.embed(x.clone(), y.clone())?)?;
            let gradients = GradientsParams::from_grads(loss.backward(), self);
            return Ok((loss.detach(), gradients));
        }
        try_cached_gradients(
            self,
            chunks,
            |towers, (x, y)| Ok(Tensor::cat(towers.embed(x, y)?.into(), 1)),
            |_, both| {
                let dim = both.dims()[1] / 2;
                loss([0, dim].map(|from| both.clone().narrow(1, from, dim)))
            },
        )
    }

    /// The towers after an optimizer step: teachers have followed, a learned temperature is within its bounds.
    ///
    /// # Errors
    /// [`TowersError::Teacher`] if a teacher is no longer built as its tower.
    pub fn after_step(mut self) -> Result<Self, TowersError> {
        self.contrast = match self.contrast {
            Contrast::Clip(loss) => Contrast::Clip(loss.clamped()),
            Contrast::Albef(albef) => Contrast::Albef(albef.follow(&self.a, &self.b)?),
        };
        Ok(self)
    }

    /// Puts the batch's keys into the queues, with the numbers of their examples. If one queue refuses them, both stay as they were.
    ///
    /// # Errors
    /// [`TowersError::Memory`] for keys that are not finite, more than a queue holds, or not one for each example.
    pub fn remember(
        &self,
        keys: Option<[Tensor<2>; 2]>,
        examples: &[usize],
        memory: &mut TowersMemory,
    ) -> Result<(), TowersError> {
        match keys {
            Some([a, b]) => memory.push(a, b, examples),
            None => Ok(()),
        }
    }

    /// Share of the pairs whose `b` is among the `k` rows nearest to `a` by cosine, for each `k` of `ks`, and the same the
    /// other way: [`cross_recall`] of one batch. Where the towers have dropout or batch norm, ask
    /// [`valid`](Module::valid) ones.
    ///
    /// # Errors
    /// As [`embed`](Self::embed) and [`cross_recall`].
    pub fn recall<X, Y>(&self, x: X, y: Y, ks: &[usize]) -> Result<[Vec<f64>; 2], TowersError>
    where
        A: Tower<X>,
        B: Tower<Y>,
    {
        let [a, b] = self.embed(x, y)?.map(download);
        cross_recall(a.view(), b.view(), ks)
    }
}

/// Numbers are drawn at first use: here, so that teachers begin with those of their students, and that they come from the
/// seed the device has now.
fn draw<A: Module, B: Module>(a: &A, b: &B) {
    a.visit(&mut Initialize);
    b.visit(&mut Initialize);
}

fn paired(a: Tensor<2>, b: Tensor<2>) -> Result<[Tensor<2>; 2], TowersError> {
    let ([rows, dim], [of_b, dim_of_b]) = (a.dims(), b.dims());
    if rows != of_b {
        return Err(TowersError::Rows { a: rows, b: of_b });
    }
    if dim != dim_of_b {
        return Err(TowersError::Dim {
            a: dim,
            b: dim_of_b,
        });
    }
    Ok([a, b])
}
