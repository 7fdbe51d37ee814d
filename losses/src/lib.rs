//! Metric-learning losses as [Burn](https://burn.dev) modules.
//!
//! Every loss is a `Config` (with the paper's defaults) whose `init(&device)` gives a module with
//! `forward`. Embeddings are used **as given**: pass them through [`l2_normalize`] where the
//! sphere is wanted. What differs between losses is said by values, not by base classes:
//! an [`EmbeddingDistance`] (smaller is always closer, also for cosine and inner product, so a
//! margin has one meaning), a [`Reducer`], and [`Labels`]: integers, sets, or keys with a function, and weights of rows.
//! Which loss to take when is said in `CHOOSING.md`, beside this crate's
//! `Cargo.toml`.
//!
//! Embeddings in `f16` or `bf16` are turned into `f32` before anything is computed: the loss is an `f32`, the gradient has
//! the type of the embeddings.
//!
//! | kind | losses |
//! |---|---|
//! | classifier | [`SoftmaxLoss`], [`NormalizedSoftmaxLoss`], [`LargeMarginSoftmaxLoss`], [`SphereFaceLoss`], [`CosFaceLoss`], [`ArcFaceLoss`], [`SubCenterArcFaceLoss`], [`DynamicArcFaceLoss`], [`CombinedMarginLoss`], [`CurricularFaceLoss`], [`AdaFaceLoss`], [`MagFaceLoss`], [`ElasticFaceLoss`], [`P2sGradLoss`], [`InstanceLoss`] |
//! | proxies | [`ProxyNcaLoss`], [`ProxyAnchorLoss`], [`SoftTripleLoss`], [`ManifoldProxiesLoss`] |
//! | pairs and triplets | [`AngularLoss`], [`CircleLoss`], [`ContrastiveLoss`], [`DynamicSoftMarginLoss`], [`GeneralizedLiftedStructureLoss`], [`IntraPairVarianceLoss`], [`LiftedStructureLoss`], [`MarginLoss`], [`MultiSimilarityLoss`], [`NPairsLoss`], [`NcaLoss`], [`QuadrupletLoss`], [`SelectivelyContrastiveTripletLoss`], [`ThresholdConsistentMarginLoss`], [`TripletMarginLoss`], [`TupletMarginLoss`] |
//! | contrastive by softmax | [`DebiasedContrastiveLoss`], [`DecoupledContrastiveLoss`], [`Ge2eLoss`], [`HardNegativeContrastiveLoss`], [`InfoNceLoss`], [`MultipleNegativesRankingLoss`], [`NtXentLoss`], [`SoftNearestNeighborLoss`], [`SupConLoss`] |
//! | several views | [`BarlowTwinsLoss`], [`ClipLoss`], [`NegativeCosineLoss`], [`SwappedPredictionLoss`] with [`sinkhorn`], [`TiCoLoss`], [`VicRegLoss`] |
//! | students and teachers | [`ConsistencyLoss`], [`DistillationLoss`], [`SelfDistillationLoss`], [`SoftInfoNceLoss`] |
//! | memory banks and clusters | [`NceLoss`], [`ProtoNceLoss`], [`mix_hard_negatives`] for [`InfoNceLoss`] |
//! | centres | [`CenterLoss`], [`MagnetLoss`] |
//! | regularizers | [`CenterInvariantRegularizer`], [`KoLeoRegularizer`], [`LpRegularizer`], [`RegularFaceRegularizer`], [`SparseCentersRegularizer`], [`SphericalRegularizer`], [`UniformityRegularizer`], [`ZeroMeanRegularizer`] |
//! | rankings | [`FastApLoss`], [`HistogramLoss`], [`PnpLoss`], [`RankedListLoss`], [`RecallAtKLoss`], [`SmoothApLoss`] |
//!
//! Around them: [`CrossBatchMemory`] adds rows of past batches, [`cached_gradients`] computes large batches by chunks,
//! [`gather`] and [`mean_gradients`] share a batch among machines, [`WeightedSum`] keeps several losses apart.
//!
//! ```
//! use burn::tensor::{Device, Int, Tensor};
//! use metric_losses::{TripletMarginLossConfig, l2_normalize};
//!
//! let device = Device::flex().autodiff();
//! let x = Tensor::<2>::from_floats([[1.0, 0.1], [0.9, 0.0], [0.2, 1.0]], &device).require_grad();
//! let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
//! let loss = TripletMarginLossConfig::new().with_margin(1.5).init(&device);
//! let value = loss.forward(l2_normalize(x.clone()), labels);
//! let gradients = value.backward();
//! assert_eq!(x.grad(&gradients).unwrap().dims(), [3, 2]);
//! ```

#![cfg_attr(
    not(feature = "flex"),
    allow(dead_code, reason = "losses are streamed on the CPU backend only")
)]

mod anchors;
mod cached_gradients;
mod class;
mod contrast;
mod cross_batch_memory;
mod distance;
mod error;
mod gathered;
mod host;
mod labels;
mod mean_gradients;
mod numerics;
mod ops;
mod pair;
mod pairs;
mod ranking;
mod reducer;
mod regularizer;
mod temperature;
mod triplet_indices;
mod views;
mod weighted_sum;

pub use cached_gradients::{CachedGradientsError, cached_gradients, try_cached_gradients};
pub use class::{
    AdaFaceLoss, AdaFaceLossConfig, ArcFaceLoss, ArcFaceLossConfig, CenterLoss, CenterLossConfig,
    CombinedMarginLoss, CombinedMarginLossConfig, CosFaceLoss, CosFaceLossConfig,
    CurricularFaceLoss, CurricularFaceLossConfig, DynamicArcFaceLoss, DynamicArcFaceLossConfig,
    ElasticFaceLoss, ElasticFaceLossConfig, ElasticMargin, InstanceLoss, InstanceLossConfig,
    LargeMarginSoftmaxLoss, LargeMarginSoftmaxLossConfig, MagFaceLoss, MagFaceLossConfig,
    MagnetLoss, MagnetLossConfig, ManifoldProxiesLoss, ManifoldProxiesLossConfig, MarginAnnealing,
    NormalizedSoftmaxLoss, NormalizedSoftmaxLossConfig, P2sGradLoss, P2sGradLossConfig,
    ProxyAnchorLoss, ProxyAnchorLossConfig, ProxyNcaLoss, ProxyNcaLossConfig, SoftTripleLoss,
    SoftTripleLossConfig, SoftmaxLoss, SoftmaxLossConfig, SphereFaceLoss, SphereFaceLossConfig,
    SubCenterArcFaceLoss, SubCenterArcFaceLossConfig, SubCenterOutliers, sample_classes,
};
pub use contrast::{
    DebiasedContrastiveLoss, DebiasedContrastiveLossConfig, DecoupledContrastiveLoss,
    DecoupledContrastiveLossConfig, Ge2eLoss, Ge2eLossConfig, Ge2eVariant,
    HardNegativeContrastiveLoss, HardNegativeContrastiveLossConfig, InfoNceLoss, InfoNceLossConfig,
    MultipleNegativesRankingLoss, MultipleNegativesRankingLossConfig, NtXentLoss, NtXentLossConfig,
    SoftNearestNeighborLoss, SoftNearestNeighborLossConfig, SupConLoss, SupConLossConfig,
    VicRegLoss, VicRegLossConfig,
};
pub use cross_batch_memory::{CrossBatchMemory, CrossBatchMemoryConfig, ReferenceLoss};
pub use distance::EmbeddingDistance;
pub use error::ConfigError;
pub use gathered::{GatherError, gather};
pub use labels::{Labels, Relation, jaccard};
pub use mean_gradients::mean_gradients;
pub use numerics::l2_normalize;
pub use ops::{LogSumExp, RowLoss, RowPairs, Terms, exp_in_range, row_loss};
pub use pair::{
    AngularLoss, AngularLossConfig, CircleLoss, CircleLossConfig, ContrastiveLoss,
    ContrastiveLossConfig, DynamicSoftMarginLoss, DynamicSoftMarginLossConfig,
    GeneralizedLiftedStructureLoss, GeneralizedLiftedStructureLossConfig, IntraPairVarianceLoss,
    IntraPairVarianceLossConfig, LiftedStructureLoss, LiftedStructureLossConfig, MarginLoss,
    MarginLossConfig, MultiSimilarityLoss, MultiSimilarityLossConfig, NPairsLoss, NPairsLossConfig,
    NcaLoss, NcaLossConfig, QuadrupletLoss, QuadrupletLossConfig,
    SelectivelyContrastiveTripletLoss, SelectivelyContrastiveTripletLossConfig,
    ThresholdConsistentMarginLoss, ThresholdConsistentMarginLossConfig, TripletChoice,
    TripletMarginLoss, TripletMarginLossConfig, TupletMarginLoss, TupletMarginLossConfig,
};
pub use ranking::{
    FastApLoss, FastApLossConfig, HistogramLoss, HistogramLossConfig, PnpLoss, PnpLossConfig,
    PnpVariant, RankedListLoss, RankedListLossConfig, RecallAtKLoss, RecallAtKLossConfig,
    SmoothApLoss, SmoothApLossConfig,
};
pub use reducer::Reducer;
pub use regularizer::{
    CenterInvariantRegularizer, CenterInvariantRegularizerConfig, KoLeoRegularizer,
    KoLeoRegularizerConfig, LpRegularizer, LpRegularizerConfig, RegularFaceRegularizer,
    RegularFaceRegularizerConfig, SparseCentersRegularizer, SparseCentersRegularizerConfig,
    SphericalRegularizer, SphericalRegularizerConfig, UniformityRegularizer,
    UniformityRegularizerConfig, ZeroMeanRegularizer, ZeroMeanRegularizerConfig,
};
pub use triplet_indices::TripletIndices;
pub use views::{
    BarlowTwinsLoss, BarlowTwinsLossConfig, ClipLoss, ClipLossConfig, ConsistencyLoss,
    ConsistencyLossConfig, ConsistencyMeasure, DistillationLoss, DistillationLossConfig, NceLoss,
    NceLossConfig, NegativeCosineLoss, NegativeCosineLossConfig, ProtoNceLoss, ProtoNceLossConfig,
    Prototypes, SelfDistillationLoss, SelfDistillationLossConfig, SoftInfoNceLoss,
    SoftInfoNceLossConfig, SwappedPredictionLoss, SwappedPredictionLossConfig, TiCoLoss,
    TiCoLossConfig, mix_hard_negatives, sinkhorn,
};
pub use weighted_sum::WeightedSum;
