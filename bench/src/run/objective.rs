use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use clap::ValueEnum;
use metric_losses::*;
use serde::{Deserialize, Serialize};

use super::train_with::{Beside, Step, TrainWith};

/// Scale of cosines as logits. The margin losses' papers have 64, for tens of thousands of classes.
const SCALE: f64 = 16.0;

/// What a loss is made for.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Training examples of each class.
    pub class_counts: &'a [usize],
    /// Length of an embedding.
    pub dim: usize,
    /// Where its parameters lie.
    pub device: &'a Device,
}

impl Task<'_> {
    fn classes(&self) -> usize {
        self.class_counts.len()
    }

    /// A scale with which an example at its class vector, all others orthogonal, is 0.999 sure of its class: the bound of
    /// CosFace (<https://arxiv.org/abs/1801.09414>, eq. 6), and at least 16, which is enough for about 9,000 classes.
    fn scale(&self) -> f64 {
        let others = self.classes().saturating_sub(1).max(1) as f64;
        (others * 999.0).ln().max(SCALE)
    }
}

/// A line: the loss's name, its type, the batches it needs, how embeddings reach it, and how it is made.
///
/// - Batches: `pairs`, so many examples of so many classes, or `classes`, any examples.
/// - Embeddings: `unit`, normalized, `given`, as the encoder gives them, or `own`, by the loss's [`TrainWith`].
macro_rules! objectives {
    ($($(#[$meta:meta])* $name:ident($loss:ty): $batches:ident $rows:ident, $make:expr;)*) => {
        /// A loss by name: every loss of `metric-losses` that learns from labelled examples, but the regularizers,
        /// which stand beside one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
        #[serde(rename_all = "kebab-case")]
        pub enum LossName {
            $($(#[$meta])* $name,)*
        }

        impl LossName {
            /// Whether whole classes must meet in a batch for this loss to have anything to compare.
            pub fn compares_pairs(self) -> bool {
                match self {
                    $(Self::$name => objectives!(@compares $batches),)*
                }
            }
        }

        /// A loss with its parameters.
        #[derive(Module, Debug)]
        pub enum Objective {
            $(#[doc = concat!("See [`LossName::", stringify!($name), "`].")] $name($loss),)*
        }

        impl Objective {
            /// The loss called `name`.
            pub fn new(name: LossName, task: &Task<'_>) -> Self {
                match name {
                    $(LossName::$name => {
                        let make: fn(&Task<'_>) -> $loss = $make;
                        Self::$name(make(task))
                    })*
                }
            }

            /// # Shapes
            /// - `embeddings`: `[n, dim]`, as the encoder gives them; `labels`: `[n]`
            /// - output: `[1]`
            pub fn forward(
                &self,
                embeddings: Tensor<2>,
                labels: Tensor<1, Int>,
                step: &mut Step<'_>,
            ) -> Tensor<1> {
                match self {
                    $(Self::$name(loss) => objectives!(@value $rows, loss, embeddings, labels, step),)*
                }
            }

            /// What the loss keeps for itself, moved on after an optimizer step.
            pub fn after_step(self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Self {
                match self {
                    $(Self::$name(loss) => {
                        Self::$name(objectives!(@after $rows, loss, embeddings, labels))
                    })*
                }
            }
        }
    };
    (@compares pairs) => { true };
    (@compares classes) => { false };
    (@value unit, $loss:ident, $x:ident, $labels:ident, $step:ident) => {
        $loss.forward(l2_normalize($x), $labels)
    };
    (@value given, $loss:ident, $x:ident, $labels:ident, $step:ident) => {
        $loss.forward($x, $labels)
    };
    (@value own, $loss:ident, $x:ident, $labels:ident, $step:ident) => {
        $loss.value($x, $labels, $step)
    };
    (@after own, $loss:ident, $x:ident, $labels:ident) => { $loss.after_step($x, $labels) };
    (@after $rows:ident, $loss:ident, $x:ident, $labels:ident) => { $loss };
}

/// A loss with its defaults.
macro_rules! plain {
    ($config:ident) => {
        |of| $config::new().init(of.device)
    };
}

/// A loss against classes with its defaults.
macro_rules! sized {
    ($config:ident) => {
        |of| $config::new(of.classes(), of.dim).init(of.device)
    };
}

/// A loss against classes whose scale fits their number.
macro_rules! scaled {
    ($config:ident) => {
        |of| {
            let config = $config::new(of.classes(), of.dim);
            config.with_scale(of.scale()).init(of.device)
        }
    };
}

/// A triplet loss of the triplets so chosen.
macro_rules! chosen {
    ($choice:expr) => {
        |of| {
            let config = TripletMarginLossConfig::new();
            config.with_choice($choice).init(of.device)
        }
    };
}

objectives! {
    /// AdaFace.
    AdaFace(AdaFaceLoss): classes own, scaled!(AdaFaceLossConfig);
    /// Angular loss on the unit sphere.
    Angular(AngularLoss): pairs unit, plain!(AngularLossConfig);
    /// ArcFace.
    #[serde(alias = "arc-face")]
    #[value(alias = "arc-face")]
    Arcface(ArcFaceLoss): classes given, scaled!(ArcFaceLossConfig);
    /// Softmax plus center loss, weighted 0.003.
    Center(Beside<SoftmaxLoss, CenterLoss>): classes own, |of| Beside {
        loss: SoftmaxLossConfig::new(of.classes(), of.dim).init(of.device),
        beside: CenterLossConfig::new(of.classes(), of.dim).init(of.device),
        weight: 0.003,
    };
    /// Circle loss.
    Circle(CircleLoss): pairs unit, plain!(CircleLossConfig);
    /// Combined margin of ArcFace and CosFace.
    CombinedMargin(CombinedMarginLoss): classes given, scaled!(CombinedMarginLossConfig);
    /// Contrastive loss on the unit sphere.
    Contrastive(ContrastiveLoss): pairs unit, plain!(ContrastiveLossConfig);
    /// CosFace.
    CosFace(CosFaceLoss): classes given, scaled!(CosFaceLossConfig);
    /// CurricularFace.
    CurricularFace(CurricularFaceLoss): classes own, scaled!(CurricularFaceLossConfig);
    /// Debiased contrastive loss.
    DebiasedContrastive(DebiasedContrastiveLoss): pairs unit, plain!(DebiasedContrastiveLossConfig);
    /// Decoupled contrastive loss.
    DecoupledContrastive(DecoupledContrastiveLoss): pairs unit, plain!(DecoupledContrastiveLossConfig);
    /// Decoupled contrastive loss, positive pairs weighted by how far apart they are.
    DecoupledContrastiveWeighted(DecoupledContrastiveLoss): pairs unit,
        |of| DecoupledContrastiveLossConfig::new().with_weighting(Some(0.5)).init(of.device);
    /// ArcFace with larger margins for smaller classes, and three vectors a class.
    DynamicArcFace(DynamicArcFaceLoss): classes given,
        |of| {
            let config = DynamicArcFaceLossConfig::new(of.class_counts.to_vec(), of.dim);
            config.with_scale(of.scale()).init(of.device)
        };
    /// Triplet loss whose margin follows the distances seen.
    DynamicSoftMargin(DynamicSoftMarginLoss): pairs own, plain!(DynamicSoftMarginLossConfig);
    /// ElasticFace: ArcFace with random margins.
    ElasticFace(ElasticFaceLoss): classes own, scaled!(ElasticFaceLossConfig);
    /// FastAP on the unit sphere.
    FastAp(FastApLoss): pairs unit, plain!(FastApLossConfig);
    /// GE2E with softmax, its scale and bias learned.
    Ge2e(Ge2eLoss): pairs unit, plain!(Ge2eLossConfig);
    /// GE2E with its contrast instead of a softmax.
    Ge2eContrast(Ge2eLoss): pairs unit,
        |of| Ge2eLossConfig::new().with_variant(Ge2eVariant::Contrast).init(of.device);
    /// Generalized lifted structure loss on the unit sphere.
    GeneralizedLiftedStructure(GeneralizedLiftedStructureLoss): pairs unit, plain!(GeneralizedLiftedStructureLossConfig);
    /// Contrastive loss with hard negatives.
    HardNegativeContrastive(HardNegativeContrastiveLoss): pairs unit, plain!(HardNegativeContrastiveLossConfig);
    /// Histogram loss.
    Histogram(HistogramLoss): pairs unit, plain!(HistogramLossConfig);
    /// InfoNCE from the first example of every class of a batch to the second.
    InfoNce(InfoNceLoss): pairs own, plain!(InfoNceLossConfig);
    /// Instance loss, each class an instance, cosines scaled.
    Instance(InstanceLoss): classes own,
        |of| {
            let config = InstanceLossConfig::new(of.classes(), of.dim);
            config.with_normalize(true).with_scale(of.scale()).init(of.device)
        };
    /// Tuplet margin loss plus intra-pair variance, weighted 0.5.
    IntraPairVariance(Beside<TupletMarginLoss, IntraPairVarianceLoss>): pairs own, |of| Beside {
        loss: TupletMarginLossConfig::new().init(of.device),
        beside: IntraPairVarianceLossConfig::new().init(of.device),
        weight: 0.5,
    };
    /// Large-margin softmax, its margin growing.
    LargeMarginSoftmax(LargeMarginSoftmaxLoss): classes own, sized!(LargeMarginSoftmaxLossConfig);
    /// Lifted structure loss on the unit sphere.
    LiftedStructure(LiftedStructureLoss): pairs unit, plain!(LiftedStructureLossConfig);
    /// MagFace.
    MagFace(MagFaceLoss): classes given, scaled!(MagFaceLossConfig);
    /// Magnet loss, each class a cluster.
    Magnet(MagnetLoss): pairs own, plain!(MagnetLossConfig);
    /// Manifold similarity to proxies, one a class.
    ManifoldProxies(ManifoldProxiesLoss): classes given,
        |of| {
            let config = ManifoldProxiesLossConfig::new(of.dim);
            config.with_num_proxies(of.classes()).init(of.device)
        };
    /// Margin loss on the unit sphere, its boundary learned.
    Margin(MarginLoss): pairs own, plain!(MarginLossConfig);
    /// Multi-similarity loss, from cosine 0.5 on as in its authors' code.
    MultiSimilarity(MultiSimilarityLoss): pairs unit,
        |of| MultiSimilarityLossConfig::new().with_base(0.5).init(of.device);
    /// Multiple negatives ranking from the first example of every class of a batch to the second.
    MultipleNegativesRanking(MultipleNegativesRankingLoss): pairs own, plain!(MultipleNegativesRankingLossConfig);
    /// N-pair loss, with squared lengths as a penalty, weighted 0.002.
    NPairs(Beside<NPairsLoss, LpRegularizer>): pairs own, |of| Beside {
        loss: NPairsLossConfig::new().init(of.device),
        beside: LpRegularizerConfig::new().with_power(2.0).init(of.device),
        weight: 0.002,
    };
    /// Neighbourhood components analysis on the unit sphere, scale 16.
    Nca(NcaLoss): pairs unit,
        |of| NcaLossConfig::new().with_scale(SCALE).init(of.device);
    /// Softmax of cosines.
    NormalizedSoftmax(NormalizedSoftmaxLoss): classes given, sized!(NormalizedSoftmaxLossConfig);
    /// NT-Xent over all pairs of a class.
    NtXent(NtXentLoss): pairs unit, plain!(NtXentLossConfig);
    /// P2SGrad by its loss: cosines towards 1 and 0.
    P2sGrad(P2sGradLoss): classes given, sized!(P2sGradLossConfig);
    /// PNP: negatives before positives.
    Pnp(PnpLoss): pairs unit, plain!(PnpLossConfig);
    /// Proxy-Anchor.
    ProxyAnchor(ProxyAnchorLoss): classes given, sized!(ProxyAnchorLossConfig);
    /// Proxy-NCA.
    ProxyNca(ProxyNcaLoss): classes given, sized!(ProxyNcaLossConfig);
    /// Proxy-NCA++.
    ProxyNcaPlusPlus(ProxyNcaLoss): classes given,
        |of| ProxyNcaLossConfig::plus_plus(of.classes(), of.dim).init(of.device);
    /// Quadruplet loss on the unit sphere.
    Quadruplet(QuadrupletLoss): pairs unit, plain!(QuadrupletLossConfig);
    /// Ranked list loss on the unit sphere.
    RankedList(RankedListLoss): pairs unit, plain!(RankedListLossConfig);
    /// Recall@k, smoothed.
    RecallAtK(RecallAtKLoss): pairs unit, plain!(RecallAtKLossConfig);
    /// Selectively contrastive triplet loss.
    SelectivelyContrastiveTriplet(SelectivelyContrastiveTripletLoss): pairs unit, plain!(SelectivelyContrastiveTripletLossConfig);
    /// Contrastive loss of signal-to-noise distances.
    SignalToNoiseContrastive(ContrastiveLoss): pairs unit,
        |of| {
            let config = ContrastiveLossConfig::new();
            config.with_distance(EmbeddingDistance::SignalToNoise).init(of.device)
        };
    /// Smooth-AP.
    SmoothAp(SmoothApLoss): pairs unit, plain!(SmoothApLossConfig);
    /// Soft nearest neighbour loss.
    SoftNearestNeighbor(SoftNearestNeighborLoss): pairs unit, plain!(SoftNearestNeighborLossConfig);
    /// SoftTriple.
    SoftTriple(SoftTripleLoss): classes given, sized!(SoftTripleLossConfig);
    /// Softmax cross-entropy of a linear classifier.
    Softmax(SoftmaxLoss): classes given, sized!(SoftmaxLossConfig);
    /// SphereFace, its margin growing.
    SphereFace(SphereFaceLoss): classes own, sized!(SphereFaceLossConfig);
    /// ArcFace with three vectors a class.
    SubCenterArcFace(SubCenterArcFaceLoss): classes given, scaled!(SubCenterArcFaceLossConfig);
    /// Supervised contrastive loss.
    SupCon(SupConLoss): pairs unit, plain!(SupConLossConfig);
    /// Smooth-AP plus threshold-consistent margins.
    ThresholdConsistentMargin(Beside<SmoothApLoss, ThresholdConsistentMarginLoss>): pairs own, |of| Beside {
        loss: SmoothApLossConfig::new().init(of.device),
        beside: ThresholdConsistentMarginLossConfig::new().init(of.device),
        weight: 1.0,
    };
    /// Triplet margin loss on the unit sphere.
    #[serde(alias = "triplet-margin")]
    #[value(alias = "triplet-margin")]
    Triplet(TripletMarginLoss): pairs own, plain!(TripletMarginLossConfig);
    /// Triplet margin loss of every anchor's farthest positive and nearest negative.
    TripletBatchHard(TripletMarginLoss): pairs own, chosen!(TripletChoice::BatchHard);
    /// Triplet margin loss of the negatives within the margin beyond the positive.
    TripletSemiHard(TripletMarginLoss): pairs own, chosen!(TripletChoice::SemiHard);
    /// Triplet loss with a soft margin.
    TripletSoft(TripletMarginLoss): pairs own,
        |of| TripletMarginLossConfig::new().with_soft_margin(true).init(of.device);
    /// Triplet margin loss where anchor and positive change places if that is harder.
    TripletSwap(TripletMarginLoss): pairs own,
        |of| TripletMarginLossConfig::new().with_swap(true).init(of.device);
    /// Tuplet margin loss.
    TupletMargin(TupletMarginLoss): pairs unit, plain!(TupletMarginLossConfig);
}

impl LossName {
    /// Whether the loss can learn from the triplets that a miner chooses, in the place of those it would take itself.
    pub fn takes_triplets(self) -> bool {
        matches!(
            self,
            Self::Margin
                | Self::Triplet
                | Self::TripletBatchHard
                | Self::TripletSemiHard
                | Self::TripletSoft
                | Self::TripletSwap
        )
    }
}
