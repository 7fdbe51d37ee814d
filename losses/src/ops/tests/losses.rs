use burn::tensor::{Device, Tensor, TensorData};

use crate::*;

type Batch = (Tensor<2>, Labels);
pub(super) type Forward = Box<dyn Fn(Batch, Option<Batch>) -> Tensor<1> + Sync>;

pub(super) const REDUCERS: [Reducer; 5] = [
    Reducer::Mean,
    Reducer::Sum,
    Reducer::AvgNonZero,
    Reducer::Threshold {
        low: 0.1,
        high: 1.5,
    },
    Reducer::PerAnchor,
];

pub(super) const DISTANCES: [EmbeddingDistance; 4] = [
    EmbeddingDistance::Cosine,
    EmbeddingDistance::InnerProduct,
    EmbeddingDistance::Euclidean,
    EmbeddingDistance::SquaredEuclidean,
];

/// Every streamed loss with every distance and reducer it takes.
pub(super) fn losses() -> Vec<(String, Forward)> {
    let mut all: Vec<(String, Forward)> = Vec::new();
    macro_rules! add {
        ($loss:expr, $($what:tt)*) => {{
            let loss = $loss.init(&Device::flex());
            let forward = move |(x, labels): Batch, reference: Option<Batch>| match reference {
                Some((y, of)) => loss.forward_against(x, labels, y, of),
                None => loss.forward(x, labels),
            };
            all.push((format!($($what)*), Box::new(forward)));
        }};
    }
    let clip = ClipLossConfig::new()
        .with_temperature(0.3)
        .init(&Device::flex());
    all.push((
        "CLIP".into(),
        Box::new(move |(x, _), _| clip.forward(x.clone(), x.flip([0]))),
    ));
    for alpha in [0.0, 0.4, 1.0] {
        let soft = SoftInfoNceLossConfig::new()
            .with_temperature(0.3)
            .with_alpha(alpha)
            .init(&Device::flex());
        all.push((
            format!("soft InfoNCE, {alpha}"),
            Box::new(move |(x, _), reference| {
                let none = || Tensor::zeros([0, x.dims()[1]], (&x.device(), x.dtype()));
                let queue = reference.map_or_else(none, |(y, _)| y);
                let (taught, keys) = (x.clone().flip([0]), x.clone().flip([1]));
                soft.forward(x, taught, keys, queue)
            }),
        ));
    }
    add!(
        ThresholdConsistentMarginLossConfig::new().with_margin_minus(0.1),
        "threshold-consistent margin"
    );
    for anchored in [false, true] {
        for bins in [7, 100] {
            let loss = HistogramLossConfig::new()
                .with_num_bins(bins)
                .with_anchored_negatives(anchored)
                .init(&Device::flex());
            all.push((
                format!("histogram, {bins} bins, anchored {anchored}"),
                Box::new(move |(x, labels), reference| match reference {
                    // There are no terms of rows to weigh.
                    _ if labels.weights().is_some() => x.sum() * 0.0,
                    Some((y, of)) => loss.forward_against(x, labels, y, of),
                    None => loss.forward(x, labels),
                }),
            ));
        }
    }
    for reducer in REDUCERS {
        add!(
            IntraPairVarianceLossConfig::new()
                .with_pos_eps(0.2)
                .with_reducer(reducer),
            "intra-pair variance, {reducer:?}"
        );
        // Of the widest angle only the powers of nearest negatives are more than nothing.
        for (alpha, normalize) in [(0.6, false), (0.6, true), (1.5, true)] {
            add!(
                AngularLossConfig::new()
                    .with_alpha(alpha)
                    .with_normalize_negatives(normalize)
                    .with_reducer(reducer),
                "angular, α = {alpha}, {normalize}, {reducer:?}"
            );
        }
        add!(
            CircleLossConfig::new()
                .with_gamma(8.0)
                .with_reducer(reducer),
            "circle, {reducer:?}"
        );
        add!(
            SelectivelyContrastiveTripletLossConfig::new().with_reducer(reducer),
            "selectively contrastive, {reducer:?}"
        );
        add!(
            TupletMarginLossConfig::new()
                .with_scale(8.0)
                .with_reducer(reducer),
            "tuplet margin, {reducer:?}"
        );
        for tau_plus in [0.0, 0.1, 0.9] {
            add!(
                DebiasedContrastiveLossConfig::new()
                    .with_tau_plus(tau_plus)
                    .with_reducer(reducer),
                "debiased, τ⁺ = {tau_plus}, {reducer:?}"
            );
            let hard = HardNegativeContrastiveLossConfig::new()
                .with_tau_plus(tau_plus)
                .with_beta(0.7)
                .with_reducer(reducer);
            add!(hard.clone(), "hard negatives, τ⁺ = {tau_plus}, {reducer:?}");
            for beta in [0.0, 0.7] {
                let weighted = hard.clone().with_beta(beta).init(&Device::flex());
                all.push((
                    format!("weighted hard negatives, τ⁺ = {tau_plus}, β = {beta}, {reducer:?}"),
                    Box::new(move |(x, labels), reference| match reference {
                        Some((y, of)) => {
                            let weights = log_weights(&y);
                            weighted.forward_weighted_against(x, labels, y, of, weights)
                        }
                        None => weighted.forward_weighted(x.clone(), labels, log_weights(&x)),
                    }),
                ));
            }
        }
        for distance in DISTANCES {
            macro_rules! by_distance {
                ($config:expr) => {
                    add!(
                        $config.with_distance(distance).with_reducer(reducer),
                        "{}, {distance:?}, {reducer:?}",
                        stringify!($config)
                    )
                };
            }
            if reducer == Reducer::Mean {
                let margin = MarginLossConfig::new()
                    .with_beta(0.7)
                    .with_distance(distance);
                add!(margin, "margin, {distance:?}");
            }
            // At the margin itself a hinge has no derivative.
            by_distance!(
                ContrastiveLossConfig::new()
                    .with_pos_margin(0.05)
                    .with_neg_margin(0.9)
            );
            by_distance!(
                ContrastiveLossConfig::new()
                    .with_squared(true)
                    .with_pos_margin(0.3)
            );
            by_distance!(GeneralizedLiftedStructureLossConfig::new());
            by_distance!(LiftedStructureLossConfig::new());
            by_distance!(
                MultiSimilarityLossConfig::new()
                    .with_base(0.5)
                    .with_beta(10.0)
            );
            by_distance!(DecoupledContrastiveLossConfig::new());
            by_distance!(NcaLossConfig::new());
            by_distance!(
                RankedListLossConfig::new()
                    .with_alpha(1.3)
                    .with_pos_temperature(2.0)
                    .with_epsilon(1e-3)
            );
            by_distance!(SoftNearestNeighborLossConfig::new().with_temperature(0.7));
            by_distance!(NtXentLossConfig::new().with_temperature(0.5));
            by_distance!(
                TripletMarginLossConfig::new()
                    .with_margin(0.35)
                    .with_swap(true)
            );
            for choice in [
                TripletChoice::All,
                TripletChoice::SemiHard,
                TripletChoice::BatchHard,
            ] {
                for soft_margin in [false, true] {
                    by_distance!(
                        TripletMarginLossConfig::new()
                            .with_margin(0.35)
                            .with_choice(choice)
                            .with_soft_margin(soft_margin)
                    );
                }
            }
            by_distance!(
                QuadrupletLossConfig::new()
                    .with_margin(0.35)
                    .with_other_margin(0.2)
            );
            for symmetric in [false, true] {
                macro_rules! of_partners {
                    ($config:expr) => {{
                        let config = $config.with_symmetric(symmetric);
                        let config = config.with_distance(distance).with_reducer(reducer);
                        let loss = config.init(&Device::flex());
                        let name = stringify!($config);
                        all.push((
                            format!("{name}, symmetric {symmetric}, {distance:?}, {reducer:?}"),
                            Box::new(move |(x, _), reference| {
                                let partners = x.clone().flip([0]);
                                match reference {
                                    Some((y, _)) => loss.forward_with_negatives(x, partners, y),
                                    None => loss.forward(x, partners),
                                }
                            }),
                        ));
                    }};
                }
                of_partners!(InfoNceLossConfig::new().with_temperature(0.5));
                of_partners!(MultipleNegativesRankingLossConfig::new().with_scale(2.0));
            }
            by_distance!(SmoothApLossConfig::new().with_temperature(0.3));
            for variant in [
                PnpVariant::O,
                PnpVariant::Iu,
                PnpVariant::Ib,
                PnpVariant::Ds,
                PnpVariant::Dq,
            ] {
                by_distance!(
                    PnpLossConfig::new()
                        .with_variant(variant)
                        .with_temperature(0.3)
                );
            }
            by_distance!(RecallAtKLossConfig::new().with_temperature(0.3));
            by_distance!(FastApLossConfig::new());
            by_distance!(SupConLossConfig::new().with_temperature(0.5));
            by_distance!(
                SupConLossConfig::new()
                    .with_temperature(0.5)
                    .with_by_count(true)
            );
        }
    }
    all
}

/// Of each row, unlike each other.
fn log_weights(rows: &Tensor<2>) -> Tensor<1> {
    let weights = (0..rows.dims()[0]).map(|i| (i % 5) as f64 * 0.3 - 0.5);
    let weights: Vec<f64> = weights.collect();
    let count = weights.len();
    let options = (&rows.device(), rows.dtype());
    Tensor::from_data(TensorData::new(weights, [count]), options)
}
