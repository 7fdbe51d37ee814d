use std::fmt;
use std::str::FromStr;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{
    DebiasedContrastiveLoss, DecoupledContrastiveLoss, HardNegativeContrastiveLoss, NtXentLoss,
    SupConLoss,
};
use serde::{Deserialize, Serialize};

use super::{
    BarlowTwins, Byol, Dino, InstanceDiscrimination, Method, Moco, MocoV3, Nnclr, Now, OnViews,
    Outputs, Parts, SimSiam, SwAv, VicReg,
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
    /// Prototypes of SwAV, outputs of DINO.
    pub prototypes: Option<usize>,
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
        if let Some(teacher) = &mut parts.teacher {
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

methods! {
    /// Barlow Twins.
    "barlow-twins" BarlowTwins(BarlowTwins) = |_, device| BarlowTwins::new(device);
    /// BYOL.
    "byol" Byol(Byol) = |_, device| Byol::new(device);
    /// Decoupled contrastive learning.
    "dcl" Dcl(OnViews<DecoupledContrastiveLoss>) =
        |settings, device| OnViews::dcl(settings.temperature.unwrap_or(0.1), None, device);
    /// Decoupled contrastive learning with weighted positives.
    "dclw" Dclw(OnViews<DecoupledContrastiveLoss>) =
        |settings, device| OnViews::dcl(settings.temperature.unwrap_or(0.1), Some(0.5), device);
    /// Debiased contrastive learning.
    "debiased" Debiased(OnViews<DebiasedContrastiveLoss>) = at!(OnViews::debiased, 0.5);
    /// DINO.
    "dino" Dino(Dino) = |settings, device| {
        let outputs = settings.prototypes.unwrap_or(65_536);
        Dino::new(outputs, settings.temperature.unwrap_or(0.1), device)
    };
    /// Contrastive learning with hard negatives.
    "hcl" Hcl(OnViews<HardNegativeContrastiveLoss>) = at!(OnViews::hcl, 0.5);
    /// Instance discrimination with a memory bank.
    "instance" Instance(InstanceDiscrimination) = |settings, device| {
        let noise = settings.queue.unwrap_or(4_096);
        InstanceDiscrimination::new(noise, settings.temperature.unwrap_or(0.07), device)
    };
    /// Momentum contrast.
    "moco-v1" MocoV1(Moco) = at!(Moco::v1, 0.07);
    /// Momentum contrast with a deeper head.
    "moco-v2" MocoV2(Moco) = at!(Moco::v2, 0.2);
    /// Momentum contrast within the batch.
    "moco-v3" MocoV3(MocoV3) = at!(MocoV3::new, 1.0);
    /// Nearest neighbours as positives.
    "nnclr" Nnclr(Nnclr) = at!(Nnclr::new, 0.1);
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
    /// Supervised contrastive learning: it is told the classes.
    "sup-con" SupCon(OnViews<SupConLoss>) = at!(OnViews::sup_con, 0.1);
    /// `SwAV`.
    "swav" SwAv(SwAv) = |settings, device| {
        let prototypes = settings.prototypes.unwrap_or(3_000);
        let dim = settings.output.unwrap_or(128);
        SwAv::new(prototypes, dim, settings.temperature.unwrap_or(0.1), device)
    };
    /// VICReg.
    "vicreg" VicReg(VicReg) = |_, device| VicReg::new(device);
}
