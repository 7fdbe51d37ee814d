//! `loss:<name>`: forward and backward on one batch of unit embeddings, with the loss's defaults, on the CPU backend.

use std::hint::black_box;

use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_losses::*;

use super::{Op, Settings, SpeedError, Work, data};

/// The loss of one batch.
type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Result<Tensor<1>, SpeedError>>;
type Make = fn(&Settings, &Device) -> Result<Forward, SpeedError>;

/// A line: the name as in the reference cases, what the loss is made of, and its configuration.
///
/// - `pairs`: nothing but the batch.
/// - `classes`: the number of classes, `--param num_classes` or those of the batch, and the length of a row.
/// - `views`: the two halves of the batch, a view each.
/// - `penalty`: a regularizer; it takes no labels.
/// - `by`: a function of its own, with the names of its parameters.
macro_rules! losses {
    ($($name:literal: $kind:ident $make:ident $([$($param:literal),*])?,)*) => {
        const LOSSES: &[(&str, &[&str], Make)] = &[
            $((
                concat!("loss:", $name),
                losses!(@params $kind $([$($param),*])?),
                losses!(@make $kind $make),
            ),)*
        ];
    };
    (@params classes) => { &["num_classes"] };
    (@params $kind:ident) => { &[] };
    (@params by [$($param:literal),*]) => { &[$($param),*] };
    (@make pairs $config:ident) => {
        |_, device| {
            let loss = $config::new().init(device);
            Ok(Box::new(move |x, labels| Ok(loss.forward(x, labels))))
        }
    };
    (@make views $config:ident) => {
        |settings, device| {
            let (loss, half) = ($config::new().init(device), settings.n / 2);
            let view = move |x: &Tensor<2>, which: usize| x.clone().narrow(0, which * half, half);
            Ok(Box::new(move |x, _| Ok(loss.forward(view(&x, 0), view(&x, 1)))))
        }
    };
    (@make classes $config:ident) => {
        |settings, device| {
            let loss = $config::new(num_classes(settings)?, settings.dim).init(device);
            Ok(Box::new(move |x, labels| Ok(loss.forward(x, labels))))
        }
    };
    (@make penalty $config:ident) => {
        |_, device| {
            let loss = $config::new().init(device);
            Ok(Box::new(move |x, _| Ok(loss.forward(x))))
        }
    };
    (@make by $function:ident) => { $function };
}

losses! {
    "ada_face": classes AdaFaceLossConfig,
    "angular": pairs AngularLossConfig,
    "arc_face": classes ArcFaceLossConfig,
    "barlow_twins": views BarlowTwinsLossConfig,
    "center": classes CenterLossConfig,
    "circle": pairs CircleLossConfig,
    "clip": views ClipLossConfig,
    "combined_margin": classes CombinedMarginLossConfig,
    "contrastive": pairs ContrastiveLossConfig,
    "cos_face": classes CosFaceLossConfig,
    "curricular_face": classes CurricularFaceLossConfig,
    "debiased_contrastive": pairs DebiasedContrastiveLossConfig,
    "decoupled_contrastive": pairs DecoupledContrastiveLossConfig,
    "dynamic_arc_face": by dynamic_arc_face ["num_classes"],
    "dynamic_soft_margin": pairs DynamicSoftMarginLossConfig,
    "elastic_face": by elastic_face ["num_classes"],
    "fast_ap": pairs FastApLossConfig,
    "ge2e": pairs Ge2eLossConfig,
    "generalized_lifted_structure": pairs GeneralizedLiftedStructureLossConfig,
    "hard_negative_contrastive": pairs HardNegativeContrastiveLossConfig,
    "histogram": pairs HistogramLossConfig,
    "info_nce": views InfoNceLossConfig,
    "intra_pair_variance": pairs IntraPairVarianceLossConfig,
    "large_margin_softmax": classes LargeMarginSoftmaxLossConfig,
    "lifted_structure": pairs LiftedStructureLossConfig,
    "mag_face": classes MagFaceLossConfig,
    "margin": pairs MarginLossConfig,
    "multi_similarity": pairs MultiSimilarityLossConfig,
    "multiple_negatives_ranking": views MultipleNegativesRankingLossConfig,
    "n_pairs": pairs NPairsLossConfig,
    "nca": pairs NcaLossConfig,
    "negative_cosine": views NegativeCosineLossConfig,
    "normalized_softmax": classes NormalizedSoftmaxLossConfig,
    "nt_xent": pairs NtXentLossConfig,
    "p2s_grad": classes P2sGradLossConfig,
    "pnp": pairs PnpLossConfig,
    "proxy_anchor": classes ProxyAnchorLossConfig,
    "proxy_nca": classes ProxyNcaLossConfig,
    "quadruplet": pairs QuadrupletLossConfig,
    "ranked_list": pairs RankedListLossConfig,
    "recall_at_k": pairs RecallAtKLossConfig,
    "regularizer_center_invariant": penalty CenterInvariantRegularizerConfig,
    "regularizer_koleo": penalty KoLeoRegularizerConfig,
    "regularizer_lp": penalty LpRegularizerConfig,
    "regularizer_regular_face": penalty RegularFaceRegularizerConfig,
    "regularizer_sparse_centers": by sparse_centers [],
    "regularizer_spherical": penalty SphericalRegularizerConfig,
    "regularizer_uniformity": penalty UniformityRegularizerConfig,
    "regularizer_zero_mean": penalty ZeroMeanRegularizerConfig,
    "selectively_contrastive_triplet": pairs SelectivelyContrastiveTripletLossConfig,
    "signal_to_noise_ratio_contrastive": by signal_to_noise [],
    "smooth_ap": pairs SmoothApLossConfig,
    "soft_nearest_neighbor": pairs SoftNearestNeighborLossConfig,
    "soft_triple": classes SoftTripleLossConfig,
    "softmax": classes SoftmaxLossConfig,
    "sphere_face": classes SphereFaceLossConfig,
    "sub_center_arc_face": classes SubCenterArcFaceLossConfig,
    "sup_con": pairs SupConLossConfig,
    "threshold_consistent_margin": pairs ThresholdConsistentMarginLossConfig,
    "triplet_margin": by triplet_margin ["mining"],
    "tuplet_margin": pairs TupletMarginLossConfig,
    "vic_reg": views VicRegLossConfig,
}

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, params, make)| {
        Op::new(name, move |settings| prepare(settings, make)).with_params(params)
    };
    LOSSES.iter().map(op).collect()
}

fn prepare(settings: &Settings, make: Make) -> Result<Work, SpeedError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let rows = data::rows(settings, settings.n, 1)?
        .into_raw_vec_and_offset()
        .0;
    let rows = TensorData::new(rows, [settings.n, settings.dim]);
    let rows = l2_normalize(Tensor::<2>::from_data(rows, &device)).detach();
    let labels: Vec<i64> = data::labels(settings).into_iter().map(i64::from).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [settings.n]), &device);
    let forward = make(settings, &device)?;
    Ok(Work::new(move || {
        let x = rows.clone().detach().require_grad();
        let gradients = forward(x.clone(), labels.clone())?.backward();
        black_box(x.grad(&gradients));
        Ok(())
    }))
}

/// `--param num_classes`, by default the classes of the batch.
fn num_classes(settings: &Settings) -> Result<usize, SpeedError> {
    let count = settings.count("num_classes", settings.classes)?;
    if count < settings.classes {
        let expected = "at least --classes";
        return Err(SpeedError::option("--param num_classes", expected, count));
    }
    Ok(count)
}

/// Class sizes as of a long tail: class `c` has `1,000 / (1 + c)` rows, and at least one.
fn dynamic_arc_face(settings: &Settings, device: &Device) -> Result<Forward, SpeedError> {
    let counts = (0..num_classes(settings)?).map(|class| (1000 / (1 + class)).max(1));
    let loss = DynamicArcFaceLossConfig::new(counts.collect(), settings.dim).init(device);
    Ok(Box::new(move |x, labels| Ok(loss.forward(x, labels))))
}

/// The margins are drawn while the clock runs.
fn elastic_face(settings: &Settings, device: &Device) -> Result<Forward, SpeedError> {
    let loss = ElasticFaceLossConfig::new(num_classes(settings)?, settings.dim).init(device);
    let n = settings.n;
    Ok(Box::new(move |x, labels| {
        let margins = loss.draw_margins(n, &mut data::generator(5));
        Ok(loss.forward(x, labels, margins))
    }))
}

fn signal_to_noise(_: &Settings, device: &Device) -> Result<Forward, SpeedError> {
    let loss = ContrastiveLossConfig::new()
        .with_distance(EmbeddingDistance::SignalToNoise)
        .init(device);
    Ok(Box::new(move |x, labels| Ok(loss.forward(x, labels))))
}

/// The rows are the centres, as many a class as all classes can have.
fn sparse_centers(settings: &Settings, device: &Device) -> Result<Forward, SpeedError> {
    let each = settings.n / settings.classes;
    let loss = SparseCentersRegularizerConfig::new(settings.classes, each).init(device);
    let centers = settings.classes * each;
    Ok(Box::new(move |x, _| {
        Ok(loss.forward(x.narrow(0, 0, centers)))
    }))
}

/// All triplets, or with `--param mining=semi_hard` those that are.
fn triplet_margin(settings: &Settings, device: &Device) -> Result<Forward, SpeedError> {
    let choice = match settings.word("mining").unwrap_or("none") {
        "none" => TripletChoice::All,
        "semi_hard" => TripletChoice::SemiHard,
        other => {
            let expected = "none or semi_hard";
            return Err(SpeedError::option("--param mining", expected, other));
        }
    };
    let loss = TripletMarginLossConfig::new().with_choice(choice);
    let loss = loss.init(device);
    Ok(Box::new(move |x, labels| Ok(loss.forward(x, labels))))
}
