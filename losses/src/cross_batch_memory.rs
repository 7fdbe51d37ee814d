use burn::config::Config;
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_sampling::{BufferError, RingBuffer};
use ndarray::ArrayView2;

use crate::error::{ConfigError, expect_valid};
use crate::host::to_vec;
use crate::labels::Labels;

/// Configuration of [`CrossBatchMemory`].
#[derive(Config, Debug)]
pub struct CrossBatchMemoryConfig {
    /// Most rows to remember; the oldest are forgotten first.
    pub capacity: usize,
    /// Length of an embedding.
    pub dim: usize,
    /// Batches to remember before the memory is used, while embeddings still move fast. Default: `1000`.
    #[config(default = 1000)]
    pub warm_up: usize,
    /// Weight `w` of the loss against the memory. Default: `1.0`.
    #[config(default = 1.0)]
    pub weight: f64,
}

impl CrossBatchMemoryConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::check_size("capacity", self.capacity)?;
        ConfigError::check_size("dim", self.dim)?;
        ConfigError::check_not_negative("weight", self.weight)
    }

    /// An empty memory.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> CrossBatchMemory {
        expect_valid(self.validate());
        CrossBatchMemory {
            rows: RingBuffer::new(self.capacity, self.dim).expect("both are above 0"),
            warm_up: self.warm_up as u64,
            weight: self.weight,
        }
    }
}

/// A loss over the pairs of a batch, and over those of a batch and a separate set: what a [`CrossBatchMemory`] can
/// extend.
pub trait ReferenceLoss {
    /// The loss over the batch, each row with all others.
    fn forward(&self, embeddings: Tensor<2>, labels: Labels) -> Tensor<1>;

    /// The loss of every row of the batch with a separate set, of which nothing is left out.
    fn forward_against(
        &self,
        embeddings: Tensor<2>,
        labels: Labels,
        reference: Tensor<2>,
        reference_labels: Labels,
    ) -> Tensor<1>;
}

macro_rules! reference_losses {
    ($($loss:ident),* $(,)?) => {$(
        impl ReferenceLoss for crate::$loss {
            fn forward(&self, embeddings: Tensor<2>, labels: Labels) -> Tensor<1> {
                self.forward(embeddings, labels)
            }

            fn forward_against(
                &self,
                embeddings: Tensor<2>,
                labels: Labels,
                reference: Tensor<2>,
                reference_labels: Labels,
            ) -> Tensor<1> {
                self.forward_against(embeddings, labels, reference, reference_labels)
            }
        }
    )*};
}

reference_losses!(
    AngularLoss,
    CircleLoss,
    ContrastiveLoss,
    FastApLoss,
    GeneralizedLiftedStructureLoss,
    HistogramLoss,
    IntraPairVarianceLoss,
    LiftedStructureLoss,
    MarginLoss,
    MultiSimilarityLoss,
    NcaLoss,
    NtXentLoss,
    PnpLoss,
    RankedListLoss,
    RecallAtKLoss,
    SmoothApLoss,
    SupConLoss,
    ThresholdConsistentMarginLoss,
    TripletMarginLoss,
    TupletMarginLoss,
);

/// Cross-batch memory (Wang, Zhang, Huang, Scott, *Cross-batch memory for embedding learning*, CVPR 2020,
/// <https://arxiv.org/abs/1912.06798>, algorithm 1): embeddings of past batches as further partners of every row.
///
/// With the batch `x` and the memory `M` of rows of earlier batches:
/// ```text
/// ℓ = ℓ_pairs(x)  +  w ℓ_against(x, M)       the second once `warm_up` batches are remembered
/// ```
/// The memory has no gradient. In every step [`forward`](Self::forward) comes before [`push`](Self::push), so that a
/// row never meets its own copy, in no mining that a loss does either. Deviates from the paper, which puts the batch
/// into the memory first and has its pairs there, self-copies among them: here they are the first summand, with
/// gradients to both rows, as in the authors' code. That begins to remember after the warm-up; here the memory is full
/// by then.
///
/// Of every row its label is kept, or its [key](Labels::related), which the function of the batch at hand compares. Label
/// sets are not kept: give their numbers as keys, and a function that takes the [`jaccard`](crate::jaccard) of the sets of two.
///
/// State changes in `push` only, so a loss that fails leaves the memory as it was. On several machines
/// [`gather`](crate::gather) first and give the gathered rows to both: in the order of the ranks, all memories stay
/// equal. Rows are remembered in `f32`.
///
/// Cost: that of the loss for `n · capacity` pairs more. Every `forward` copies the memory to the device and every
/// `push` reads the batch back.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_losses::{ContrastiveLossConfig, CrossBatchMemoryConfig};
///
/// let device = Device::flex();
/// let loss = ContrastiveLossConfig::new().init(&device);
/// let mut memory = CrossBatchMemoryConfig::new(100, 2).with_warm_up(1).init(&device);
/// let labels = || Tensor::<1, Int>::from_ints([0, 1], &device);
/// let x = Tensor::<2>::from_floats([[0.0, 0.0], [0.0, 0.5]], &device);
/// // In the batch: 1 − 0.5 for its one negative pair.
/// let value = memory.forward(&loss, x.clone(), labels());
/// assert_eq!(value.into_scalar::<f32>(), 0.5);
/// memory.push(x, labels())?;
///
/// let y = Tensor::<2>::from_floats([[0.0, 0.1], [0.0, 0.6]], &device);
/// // In the batch 0.5 again. To the memory: positives 0.1 and 0.1; negatives 1 − 0.4 and 1 − 0.6.
/// let value = memory.forward(&loss, y, labels());
/// assert!((value.into_scalar::<f32>() - (0.5 + 0.1 + 0.5)).abs() < 1e-6);
/// # Ok::<(), metric_sampling::BufferError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CrossBatchMemory {
    rows: RingBuffer<f32>,
    warm_up: u64,
    weight: f64,
}

impl CrossBatchMemory {
    /// The loss of a batch, and of the batch against the memory once that is in use.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
    /// - output: `[1]`
    ///
    /// # Panics
    /// If there is not one label a row, `dim` is not that of the memory, or labels are sets.
    pub fn forward(
        &self,
        loss: &dyn ReferenceLoss,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
    ) -> Tensor<1> {
        let labels = labels.into();
        let ([_, got], dim) = (embeddings.dims(), self.rows.dim());
        assert_eq!(
            got, dim,
            "rows as long as those of the memory: {dim}, not {got}"
        );
        let within = loss.forward(embeddings.clone(), labels.clone());
        match self.rows_beside(&embeddings) {
            Some(rows) => {
                let keys = self.rows.labels().to_vec();
                let of = labels.of_keys(keys, &embeddings.device());
                let of = of.expect(ONLY_KEYS);
                within + loss.forward_against(embeddings, labels, rows, of) * self.weight
            }
            None => within,
        }
    }

    /// The memory as constants beside a batch, of its number types, oldest row first: `[m, dim]` and `[m]`; `None` as
    /// long as it is not in use.
    ///
    /// For losses of one's own, mined ones too.
    pub fn reference(
        &self,
        embeddings: &Tensor<2>,
        labels: &Tensor<1, Int>,
    ) -> Option<(Tensor<2>, Tensor<1, Int>)> {
        let rows = self.rows_beside(embeddings)?;
        let of = TensorData::new(self.rows.labels(), [self.rows.len()]);
        let of = Tensor::from_data(of, (&embeddings.device(), labels.dtype()));
        Some((rows, of))
    }

    fn rows_beside(&self, embeddings: &Tensor<2>) -> Option<Tensor<2>> {
        if self.rows.is_empty() || self.rows.pushes() < self.warm_up {
            return None;
        }
        let shape = [self.rows.len(), self.rows.dim()];
        let (old, new) = self.rows.as_slices();
        let rows = TensorData::new([old, new].concat(), shape);
        let like = (&embeddings.device(), embeddings.dtype());
        Some(Tensor::from_data(rows, like))
    }

    /// Remembers a batch, off the graph, in place of the oldest rows. Without rows nothing changes.
    ///
    /// # Errors
    /// [`BufferError`] if the rows have another dimension than the memory, are not finite in `f32`, have not one label
    /// each, or are more than the memory holds. The memory is then as it was.
    ///
    /// # Panics
    /// If labels are sets.
    pub fn push(
        &mut self,
        embeddings: Tensor<2>,
        labels: impl Into<Labels>,
    ) -> Result<(), BufferError> {
        let shape = embeddings.dims();
        let rows = to_vec(embeddings.into_data());
        let labels = labels.into().keys().expect(ONLY_KEYS);
        self.rows.push(matrix(&rows, shape), &labels)
    }

    /// What is remembered; it can be serialized, and given back to [`restore`](Self::restore).
    pub fn rows(&self) -> &RingBuffer<f32> {
        &self.rows
    }

    /// Goes on with what another memory of the same configuration remembered: the next losses have the same bits.
    ///
    /// # Errors
    /// [`ConfigError`] if its capacity or dimension differs; the memory is then as it was.
    pub fn restore(&mut self, rows: RingBuffer<f32>) -> Result<(), ConfigError> {
        let same = rows.capacity() == self.rows.capacity();
        let got = rows.capacity() as f64;
        ConfigError::check(same, "capacity", "that of this memory", got)?;
        let same = rows.dim() == self.rows.dim();
        ConfigError::check(same, "dim", "that of this memory", rows.dim() as f64)?;
        self.rows = rows;
        Ok(())
    }
}

/// What is said where a memory is given label sets.
const ONLY_KEYS: &str = "a memory keeps one number a row: integers or keys, not sets";

fn matrix(rows: &[f32], shape: [usize; 2]) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(shape, rows).expect("a tensor has as many numbers as its shape says")
}
