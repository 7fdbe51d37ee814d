use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{
    AngularLoss, AngularLossConfig, CircleLoss, CircleLossConfig, ContrastiveLoss,
    ContrastiveLossConfig, DebiasedContrastiveLoss, DecoupledContrastiveLoss, FastApLoss,
    FastApLossConfig, GeneralizedLiftedStructureLoss, GeneralizedLiftedStructureLossConfig,
    HardNegativeContrastiveLoss, LiftedStructureLoss, LiftedStructureLossConfig,
    MultiSimilarityLoss, MultiSimilarityLossConfig, NPairsLoss, NPairsLossConfig, NcaLoss,
    NcaLossConfig, NtXentLoss, SmoothApLoss, SmoothApLossConfig, SoftNearestNeighborLoss,
    SoftNearestNeighborLossConfig, SupConLoss, TripletMarginLoss, TripletMarginLossConfig,
    TupletMarginLoss, TupletMarginLossConfig,
};
use metric_sampling::DensityAware;
use metric_sampling::positives::FalseNegatives;
use serde::{Deserialize, Serialize};

use super::{
    BarlowTwins, Byol, DensityAwareContrast, Dino, Distilled, FalseNegativeCancellation,
    InstanceDiscrimination, MeanTeacher, Memory, Method, MoChi, Moco, MocoV3, Nnclr, Now, OnViews,
    Outputs, Parts, Pcl, SimSiam, SwAv, VicReg,
};

/// What of a method can be chosen; `None` leaves it as in its paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Temperature, where the loss has one.
    pub temperature: Option<f64>,
    /// Length of the queue, where there is one; rows that instance discrimination draws.
    pub queue: Option<usize>,
    /// Momentum of the teacher, where there is one.
    pub momentum: Option<f64>,
    /// Parts into which a batch is shuffled for the teacher.
    pub splits: Option<usize>,
    /// Layers of the projection head.
    pub layers: Option<usize>,
    /// Width of the hidden layers of both heads.
    pub hidden: Option<usize>,
    /// Length of a projection.
    pub output: Option<usize>,
    /// Prototypes of SwAV, outputs of DINO, clusters of PCL at its coarsest.
    pub prototypes: Option<usize>,
    /// Support views of an image, where false negatives are looked for.
    pub support: Option<usize>,
    /// Classes of the examples that a mean teacher, or the teacher of a distillation, is told.
    pub classes: Option<usize>,
}

impl Settings {
    /// The parts of a method with these choices.
    pub fn apply(&self, mut parts: Parts) -> Parts {
        let head = &mut parts.projector;
        head.layers = self.layers.unwrap_or(head.layers);
        head.hidden = self.hidden.unwrap_or(head.hidden);
        head.output = match head.layers {
            0 => head.input,
            _ => self.output.unwrap_or(head.output),
        };
        let output = head.output;
        if let Some(head) = &mut parts.predictor {
            head.hidden = self.hidden.unwrap_or(head.hidden);
            (head.input, head.output) = (output, output);
        }
        // A teacher that stands still has no momentum to choose.
        let teacher = parts.teacher.as_mut();
        if let Some(teacher) = teacher.filter(|teacher| !teacher.is_still()) {
            teacher.momentum = self.momentum.unwrap_or(teacher.momentum);
            teacher.splits = self.splits.unwrap_or(teacher.splits);
        }
        parts.queue = parts.queue.map(|length| self.queue.unwrap_or(length));
        parts
    }
}

/// A name that no method has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no method is called {name:?}; there are {}", MethodName::NAMES.join(", "))]
pub struct UnknownMethod {
    /// What was asked for.
    pub name: String,
}

/// A line: the method's name in files, in code, its type, and how it is made of [`Settings`].
macro_rules! methods {
    ($($(#[$meta:meta])* $text:literal $name:ident($method:ty) = $make:expr;)*) => {
        /// A method by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum MethodName {
            $($(#[$meta])* #[serde(rename = $text)] $name,)*
        }

        impl MethodName {
            /// What the methods are called.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        impl fmt::Display for MethodName {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }

        impl FromStr for MethodName {
            type Err = UnknownMethod;

            fn from_str(name: &str) -> Result<Self, UnknownMethod> {
                match name {
                    $($text => Ok(Self::$name),)*
                    _ => Err(UnknownMethod { name: name.to_owned() }),
                }
            }
        }

        /// One of the methods, chosen by name.
        #[expect(clippy::large_enum_variant, reason = "a learner has one")]
        #[derive(Module, Debug)]
        pub enum AnyMethod {
            $(#[doc = concat!("See [`MethodName::", stringify!($name), "`].")] $name($method),)*
        }

        impl AnyMethod {
            /// The method called `name`.
            pub fn new(name: MethodName, settings: &Settings, device: &Device) -> Self {
                match name {
                    $(MethodName::$name => {
                        let make: fn(&Settings, &Device) -> $method = $make;
                        Self::$name(make(settings, device))
                    })*
                }
            }
        }

        impl Method for AnyMethod {
            fn parts(&self, features: usize) -> Parts {
                match self {
                    $(Self::$name(method) => method.parts(features),)*
                }
            }

            fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
                match self {
                    $(Self::$name(method) => method.loss(views, now),)*
                }
            }

            fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
                match self {
                    $(Self::$name(method) => method.keys(views),)*
                }
            }

            fn chance(&self, views: usize, examples: usize, memory: &Memory) -> Option<f64> {
                match self {
                    $(Self::$name(method) => method.chance(views, examples, memory),)*
                }
            }

            fn after_step(self, views: &Outputs, now: &mut Now<'_>) -> Self {
                match self {
                    $(Self::$name(method) => Self::$name(method.after_step(views, now)),)*
                }
            }
        }
    };
}

/// The temperature chosen, or the paper's.
macro_rules! at {
    ($make:path, $temperature:literal) => {
        |settings, device| $make(settings.temperature.unwrap_or($temperature), device)
    };
}

/// A pairwise loss with its defaults, on views.
macro_rules! on_views {
    ($config:ident) => {
        |_, device| OnViews::new($config::new().init(device))
    };
}

/// A tilt as of hard-negative contrast with `β = 1` and its `T = 0.5`.
fn density_aware(settings: &Settings, device: &Device) -> DensityAwareContrast {
    let negatives = DensityAware::new().with_beta(2.0);
    DensityAwareContrast::new(
        negatives.expect("a finite number"),
        settings.temperature.unwrap_or(0.5),
        device,
    )
}

/// The paper's suspects: the ten highest scores from 0.7 on.
fn cancellation(settings: &Settings, device: &Device) -> FalseNegativeCancellation {
    let suspects = FalseNegatives::top(10).and_then(|top| top.with_threshold(0.7));
    FalseNegativeCancellation::new(
        suspects.expect("numbers in range"),
        settings.support.unwrap_or(8),
        settings.temperature.unwrap_or(0.1),
        device,
    )
}

methods! {
    /// The angular loss on views.
    "angular" Angular(OnViews<AngularLoss>) = on_views!(AngularLossConfig);
    /// Barlow Twins.
    "barlow-twins" BarlowTwins(BarlowTwins) = |_, device| BarlowTwins::new(device);
    /// BYOL.
    "byol" Byol(Byol) = |_, device| Byol::new(device);
    /// The circle loss on views.
    "circle" Circle(OnViews<CircleLoss>) = on_views!(CircleLossConfig);
    /// The contrastive loss on views.
    "contrastive" Contrastive(OnViews<ContrastiveLoss>) = on_views!(ContrastiveLossConfig);
    /// Decoupled contrastive learning.
    "dcl" Dcl(OnViews<DecoupledContrastiveLoss>) =
        |settings, device| OnViews::dcl(settings.temperature.unwrap_or(0.1), None, device);
    /// Decoupled contrastive learning with weighted positives.
    "dclw" Dclw(OnViews<DecoupledContrastiveLoss>) =
        |settings, device| OnViews::dcl(settings.temperature.unwrap_or(0.1), Some(0.5), device);
    /// Debiased contrastive learning.
    "debiased" Debiased(OnViews<DebiasedContrastiveLoss>) = at!(OnViews::debiased, 0.5);
    /// SimCLR with density-aware negatives, `β = 2` and `γ = 0.5`.
    "density-aware" DensityAware(DensityAwareContrast) = density_aware;
    /// DINO.
    "dino" Dino(Dino) = |settings, device| {
        let outputs = settings.prototypes.unwrap_or(65_536);
        Dino::new(outputs, settings.temperature.unwrap_or(0.1), device)
    };
    /// Distillation of a teacher, which the learner is to be given.
    "distilled" Distilled(Distilled) = |settings, device| {
        let classes = settings.classes.unwrap_or(1);
        Distilled::new(classes, settings.temperature.unwrap_or(0.1), device)
    };
    /// `FastAP` on views.
    "fast-ap" FastAp(OnViews<FastApLoss>) = on_views!(FastApLossConfig);
    /// False negative cancellation by attraction.
    "fnc" Fnc(FalseNegativeCancellation) = cancellation;
    /// False negative cancellation by elimination.
    "fnc-elimination" FncElimination(FalseNegativeCancellation) =
        |settings, device| cancellation(settings, device).eliminating();
    /// The generalized lifted structure loss on views.
    "generalized-lifted-structure" GeneralizedLiftedStructure(OnViews<GeneralizedLiftedStructureLoss>) =
        on_views!(GeneralizedLiftedStructureLossConfig);
    /// Contrastive learning with hard negatives.
    "hcl" Hcl(OnViews<HardNegativeContrastiveLoss>) = at!(OnViews::hcl, 0.5);
    /// Instance discrimination with a memory bank.
    "instance" Instance(InstanceDiscrimination) = |settings, device| {
        let noise = settings.queue.unwrap_or(4_096);
        InstanceDiscrimination::new(noise, settings.temperature.unwrap_or(0.07), device)
    };
    /// The lifted structure loss on views.
    "lifted-structure" LiftedStructure(OnViews<LiftedStructureLoss>) = on_views!(LiftedStructureLossConfig);
    /// A mean teacher, which is told the classes of some examples.
    "mean-teacher" MeanTeacher(MeanTeacher) = |settings, device| {
        let classes = settings.classes.unwrap_or(1);
        MeanTeacher::new(classes, settings.temperature.unwrap_or(0.1), 100.0, device)
    };
    /// `MoCHi`.
    "mochi" MoChi(MoChi) = at!(MoChi::new, 0.2);
    /// Momentum contrast.
    "moco-v1" MocoV1(Moco) = at!(Moco::v1, 0.07);
    /// Momentum contrast with a deeper head.
    "moco-v2" MocoV2(Moco) = at!(Moco::v2, 0.2);
    /// Momentum contrast within the batch.
    "moco-v3" MocoV3(MocoV3) = at!(MocoV3::new, 1.0);
    /// The multi-similarity loss on views.
    "multi-similarity" MultiSimilarity(OnViews<MultiSimilarityLoss>) = on_views!(MultiSimilarityLossConfig);
    /// The N-pairs loss on views.
    "n-pairs" NPairs(OnViews<NPairsLoss>) = on_views!(NPairsLossConfig);
    /// Neighbourhood components analysis on views.
    "nca" Nca(OnViews<NcaLoss>) = on_views!(NcaLossConfig);
    /// Nearest neighbours as positives.
    "nnclr" Nnclr(Nnclr) = at!(Nnclr::new, 0.1);
    /// Prototypical contrastive learning.
    "pcl" Pcl(Pcl) = |settings, device| {
        let coarsest = settings.prototypes.unwrap_or(25_000);
        let clusters = [coarsest, 2 * coarsest, 4 * coarsest];
        Pcl::new(&clusters, settings.temperature.unwrap_or(0.2), device)
    };
    /// SimCLR.
    "simclr" SimClr(OnViews<NtXentLoss>) = at!(OnViews::sim_clr, 0.1);
    /// SimCLR v2, which has a deeper head.
    "simclr-v2" SimClrV2(OnViews<NtXentLoss>) = |settings, device| {
        OnViews::sim_clr(settings.temperature.unwrap_or(0.1), device).with_layers(3)
    };
    /// `SimSiam`.
    "simsiam" SimSiam(SimSiam) = |_, device| SimSiam::new(device);
    /// `SimSiam` with gradients through both views, which collapses.
    "simsiam-without-stop" SimSiamWithoutStop(SimSiam) =
        |_, device| SimSiam::new(device).without_stop_gradient();
    /// `SmoothAP` on views.
    "smooth-ap" SmoothAp(OnViews<SmoothApLoss>) = on_views!(SmoothApLossConfig);
    /// The soft nearest neighbour loss on views.
    "soft-nearest-neighbor" SoftNearestNeighbor(OnViews<SoftNearestNeighborLoss>) =
        on_views!(SoftNearestNeighborLossConfig);
    /// Supervised contrastive learning: it is told the classes.
    "sup-con" SupCon(OnViews<SupConLoss>) = at!(OnViews::sup_con, 0.1);
    /// `SwAV`.
    "swav" SwAv(SwAv) = |settings, device| {
        let prototypes = settings.prototypes.unwrap_or(3_000);
        let dim = settings.output.unwrap_or(128);
        SwAv::new(prototypes, dim, settings.temperature.unwrap_or(0.1), device)
    };
    /// The triplet margin loss on views.
    "triplet" Triplet(OnViews<TripletMarginLoss>) = on_views!(TripletMarginLossConfig);
    /// The tuplet margin loss on views.
    "tuplet-margin" TupletMargin(OnViews<TupletMarginLoss>) = on_views!(TupletMarginLossConfig);
    /// VICReg.
    "vicreg" VicReg(VicReg) = |_, device| VicReg::new(device);
}
