//! Streamed losses against their plain definitions.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use std::cell::Cell;
use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::*;

thread_local! {
    static DEFINITIONS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread wants no loss streamed.
pub(super) fn wants_definitions() -> bool {
    DEFINITIONS.get()
}

type Batch = (Tensor<2>, Labels);
type Forward = Box<dyn Fn(Batch, Option<Batch>) -> Tensor<1> + Sync>;

const REDUCERS: [Reducer; 5] = [
    Reducer::Mean,
    Reducer::Sum,
    Reducer::AvgNonZero,
    Reducer::Threshold {
        low: 0.1,
        high: 1.5,
    },
    Reducer::PerAnchor,
];

const DISTANCES: [EmbeddingDistance; 4] = [
    EmbeddingDistance::Cosine,
    EmbeddingDistance::InnerProduct,
    EmbeddingDistance::Euclidean,
    EmbeddingDistance::SquaredEuclidean,
];

/// Every streamed loss with every distance and reducer it takes.
fn losses() -> Vec<(String, Forward)> {
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
        for normalize in [false, true] {
            add!(
                AngularLossConfig::new()
                    .with_alpha(0.6)
                    .with_normalize_negatives(normalize)
                    .with_reducer(reducer),
                "angular, {normalize}, {reducer:?}"
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

/// What is made of integers.
#[derive(Clone, Copy)]
enum Kind {
    Classes,
    /// The two lowest digits to the base 3 and that of the threes: sets of one to three labels.
    Sets,
    /// Not symmetric, and half of all pairs do not count.
    Related,
    Weighted,
    /// Negatives of all lower grades.
    WeightedSets,
}

impl Kind {
    fn labels(self, integers: &[i64], device: &Device) -> Labels {
        let classes = || {
            Tensor::<1, Int>::from_data(
                TensorData::new(integers.to_vec(), [integers.len()]),
                device,
            )
        };
        let sets = |from| {
            let set = |&label: &i64| vec![label % 3, 3 + label / 3 % 3, label % 3 * 2];
            Labels::sets(integers.iter().map(set).collect(), from).unwrap()
        };
        let weights = || {
            let weights = (0..integers.len()).map(|i| (i % 4) as f64 * 0.5).collect();
            Tensor::<1>::from_data(
                TensorData::new::<f64, _>(weights, [integers.len()]),
                (device, DType::F64),
            )
        };
        match self {
            Self::Classes => classes().into(),
            Self::Sets => sets(0.5),
            Self::Related => {
                let relation = |a: i64, b: i64| ((a * 5 + b * 3) % 7) as f64 / 4.0 - 0.5;
                Labels::related(integers.to_vec(), 0.75, Arc::new(relation)).unwrap()
            }
            Self::Weighted => Labels::from(classes()).with_weights(weights()),
            Self::WeightedSets => {
                let sets = sets(0.3).negatives_up_to(f64::INFINITY).unwrap();
                sets.with_weights(weights())
            }
        }
    }
}

/// What a loss is asked with: rows, labels, and how many of the rows are a reference set.
struct Case {
    name: &'static str,
    rows: Vec<f64>,
    labels: Vec<i64>,
    kind: Kind,
    dim: usize,
    references: usize,
}

impl Case {
    /// Rows and classes, within a batch.
    fn of(name: &'static str, rows: Vec<f64>, labels: Vec<i64>) -> Self {
        Self {
            name,
            dim: rows.len() / labels.len(),
            rows,
            labels,
            kind: Kind::Classes,
            references: 0,
        }
    }

    /// More rows than a tile, and few positives.
    fn several_tiles() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let rows = (0..430 * 6).map(|_| rng.random_range(-1.0..1.0));
        Self::of(
            "several tiles",
            rows.collect(),
            (0..430).map(|i| i * i % 71).collect(),
        )
    }
}

fn cases() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut rows = |n: usize, dim: usize, spread: f64| -> Vec<f64> {
        let centre: Vec<f64> = (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        let near =
            |i: usize| centre[i % dim] * (1.0 - spread) + spread * rng.random_range(-1.0..1.0);
        (0..n * dim).map(near).collect()
    };
    let classes = |n: i64, count: i64| (0..n).map(|i| i * i % 37 % count).collect();
    let case = |name, rows, labels, references| Case {
        references,
        ..Case::of(name, rows, labels)
    };
    let of_kind = |kind, case| Case { kind, ..case };
    // Whose cosines are exact: a distance of 0 that is rounded is a term, or none, of the mean of non-zero terms.
    let few = [[2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, -4.0]].concat();
    vec![
        case("random", rows(130, 9, 1.0), classes(130, 11), 0),
        case("tight", rows(60, 5, 1e-3), classes(60, 4), 0),
        case("coincident", few.repeat(16), classes(48, 5), 0),
        case(
            "imbalanced",
            rows(100, 3, 1.0),
            (0..100).map(|i| i64::from(i > 92)).collect(),
            0,
        ),
        case("one class", rows(20, 3, 1.0), vec![4; 20], 0),
        case("all distinct", rows(20, 3, 1.0), (0..20).collect(), 0),
        case("a reference set", rows(150, 7, 1.0), classes(150, 9), 80),
        case(
            "a reference set of other classes",
            rows(30, 3, 1.0),
            (0..30).collect(),
            12,
        ),
        of_kind(
            Kind::Sets,
            case("sets", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::Sets,
            case("sets against sets", rows(50, 5, 1.0), classes(50, 11), 20),
        ),
        of_kind(
            Kind::Related,
            case("related", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::Related,
            case(
                "related to a reference set",
                rows(50, 5, 1.0),
                classes(50, 11),
                20,
            ),
        ),
        of_kind(
            Kind::Weighted,
            case("weighted", rows(50, 5, 1.0), classes(50, 5), 0),
        ),
        of_kind(
            Kind::WeightedSets,
            case("weighted sets", rows(50, 5, 1.0), classes(50, 11), 0),
        ),
        of_kind(
            Kind::WeightedSets,
            case(
                "weighted sets against sets",
                rows(50, 5, 1.0),
                classes(50, 11),
                20,
            ),
        ),
    ]
}

/// The value, and the gradient of all rows.
fn run(forward: &Forward, case: &Case, dtype: DType) -> (f64, Vec<f64>) {
    let device = Device::flex().autodiff();
    let n = case.labels.len();
    let x = TensorData::new(case.rows.clone(), [n, case.dim]);
    let x = Tensor::<2>::from_data(x, (&device, dtype)).require_grad();
    let batch = n - case.references;
    let part = |from: usize, count: usize| {
        let rows = x.clone().narrow(0, from, count);
        let labels = &case.labels[from..from + count];
        (rows, case.kind.labels(labels, &device))
    };
    let reference = (case.references > 0).then(|| part(batch, case.references));
    let loss = forward(part(0, batch), reference);
    let gradients = loss.backward();
    let numbers = |data: TensorData| data.convert::<f64>().try_to_vec::<f64>().unwrap();
    let gradient = x.grad(&gradients).unwrap();
    (numbers(loss.into_data())[0], numbers(gradient.into_data()))
}

fn by_definition(forward: &Forward, case: &Case, dtype: DType) -> (f64, Vec<f64>) {
    DEFINITIONS.set(true);
    let found = run(forward, case, dtype);
    DEFINITIONS.set(false);
    found
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

fn assert_is_definition(name: &str, forward: &Forward, case: &Case) {
    let (value, gradient) = run(forward, case, DType::F64);
    let (want, wanted) = by_definition(forward, case, DType::F64);
    let at = format!("{name}, {}", case.name);
    assert!(
        (value - want).abs() <= 1e-9 * (1.0 + want.abs()),
        "{at}: {value}, {want}"
    );
    if case.name == "coincident" && name.contains("swap") {
        return; // of two equal distances either may be the smaller one
    }
    let size = norm(wanted.iter().copied());
    let off = norm(gradient.iter().zip(&wanted).map(|(a, b)| a - b));
    // Scalars of the plain definitions are rounded to single precision on their way back.
    assert!(
        off <= 1e-6 * (1e-3 + size),
        "{at}: gradient off by {off} of {size}"
    );
}

#[test]
fn streamed_losses_are_their_definitions() {
    for case in cases() {
        for (name, forward) in losses() {
            assert_is_definition(&name, &forward, &case);
        }
    }
}

fn called<'a>(names: &'a [&'a str]) -> impl Iterator<Item = (String, Forward)> + 'a {
    let is_one = move |name: &str| names.iter().any(|one| name.starts_with(one));
    losses().into_iter().filter(move |(name, _)| is_one(name))
}

/// Those whose gradients are found from both ends of a pair.
fn log_sum_exp_losses() -> impl Iterator<Item = (String, Forward)> {
    called(&[
        "NtXent",
        "SupCon",
        "Decoupled",
        "Nca",
        "SoftNearest",
        "MultiSim",
    ])
}

/// Those that look at all pairs from both ends before their gradients are found.
fn losses_of_two_parts() -> impl Iterator<Item = (String, Forward)> {
    called(&["Contrastive", "threshold", "intra", "histogram"])
}

#[test]
fn losses_of_two_parts_are_their_definitions_in_a_large_batch() {
    let mut found = 0;
    for (name, forward) in losses_of_two_parts() {
        assert_is_definition(&name, &forward, &Case::several_tiles());
        found += 1;
    }
    assert_eq!(found, 2 * 4 * 5 + 1 + 5 + 4);
}

#[test]
fn losses_from_both_ends_of_pairs_are_their_definitions() {
    let case = Case::several_tiles();
    let mut found = 0;
    for (name, forward) in log_sum_exp_losses() {
        assert_is_definition(&name, &forward, &case);
        let (_, single) = run(&forward, &case, DType::F32);
        let (_, wanted) = by_definition(&forward, &case, DType::F64);
        let off = norm(single.iter().zip(&wanted).map(|(a, b)| a - b));
        let size = norm(wanted.into_iter());
        assert!(off <= 1e-5 * size, "{name}: {off} of {size} in f32");
        found += 1;
    }
    assert!(found >= 6 * 5, "{found}");
}

#[test]
fn rows_from_both_ends_may_weigh_nothing_and_less() {
    for least in [0.0, -0.5] {
        let case = Case::several_tiles();
        for (name, forward) in log_sum_exp_losses().filter(|(name, _)| name.ends_with("Mean")) {
            let weighted: Forward = Box::new(move |(x, labels), _| {
                let weights = (0..labels.len()).map(|i| (i % 4) as f64 * 0.5 + least);
                let weights = TensorData::new(weights.collect(), [labels.len()]);
                let weights = Tensor::from_data(weights, (&x.device(), DType::F64));
                forward((x, labels.with_weights(weights)), None)
            });
            assert_is_definition(&format!("{name}, {least}"), &weighted, &case);
        }
    }
}

/// A row far from all others and from its positive weighs `e²⁰⁰` as much as the rest, which have no common exponent with it.
#[test]
fn parts_of_rows_may_lie_too_far_apart_for_both_ends() {
    let (pairs, last) = (130, [-1.0, 0.0, 1.0, 0.0]);
    let near = (0..2 * pairs).flat_map(|i| [1.0, f64::from(i) * 1e-4]);
    let rows = near.chain(last).collect();
    let labels = (0..=i64::from(pairs)).flat_map(|label| [label; 2]);
    let case = Case::of("far apart", rows, labels.collect());
    let loss = NtXentLossConfig::new().with_temperature(0.01);
    let loss = loss.init(&Device::flex());
    let forward: Forward = Box::new(move |(x, labels), _| loss.forward(x, labels));
    assert_is_definition("NT-Xent", &forward, &case);
}

#[test]
fn labels_that_are_not_integers_are_streamed_too() {
    let kinds = [
        Kind::Sets,
        Kind::Related,
        Kind::Weighted,
        Kind::WeightedSets,
    ];
    let device = Device::flex().autodiff();
    let loss = SupConLossConfig::new().init(&device);
    for kind in kinds {
        for reducer in REDUCERS {
            let integers = [3, 14, 15, 92, 65, 35, 89, 79];
            let x =
                Tensor::<1>::from_data([0.3_f32, -0.1, 0.4, 0.2, -0.6, 0.5, 0.9, -0.8], &device);
            let way = (EmbeddingDistance::Euclidean, reducer);
            let labels = kind.labels(&integers, &device);
            let batch = (x.reshape([8, 1]), labels);
            assert!(super::stream(&loss, way, batch, None).is_some());
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_streamed_loss() {
    let (small, large) = (&cases()[0], &Case::several_tiles());
    let losses = losses().into_iter().map(|loss| (loss, small));
    let of_both_ends = log_sum_exp_losses().chain(losses_of_two_parts());
    for ((name, forward), case) in losses.chain(of_both_ends.map(|loss| (loss, large))) {
        let runs = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| run(&forward, case, DType::F32))
        });
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "{name}");
    }
}

type Classified = (Tensor<2>, Tensor<1, Int>);

/// The loss against class vectors, and these as its parameter.
type AgainstClasses = Box<dyn Fn(Classified, Tensor<2>) -> (Tensor<1>, Tensor<2>) + Sync>;

/// Every streamed loss against classes.
fn losses_against_classes(classes: usize, dim: usize) -> Vec<(&'static str, AgainstClasses)> {
    let mut all: Vec<(&'static str, AgainstClasses)> = Vec::new();
    macro_rules! add {
        ($($config:ident $(.$with:ident($value:expr))*),* $(,)?) => {$({
            let config = $config::new(classes, dim)$(.$with($value))*;
            let loss = config.init(&Device::flex().autodiff());
            let forward = move |(x, labels): Classified, weight: Tensor<2>| {
                let loss = loss.clone().with_weight(weight);
                (loss.forward(x, labels), loss.weight())
            };
            all.push((stringify!($config $(.$with($value))*), Box::new(forward)));
        })*};
    }
    add!(
        AdaFaceLossConfig,
        ArcFaceLossConfig,
        ArcFaceLossConfig
            .with_scale(4.0)
            .with_reducer(Reducer::Threshold {
                low: 1.0,
                high: 6.0
            }),
        CombinedMarginLossConfig.with_m3(0.2),
        CurricularFaceLossConfig,
        CurricularFaceLossConfig
            .with_scale(9.0)
            .with_reducer(Reducer::AvgNonZero),
        MagFaceLossConfig.with_reducer(Reducer::Sum),
        MagFaceLossConfig,
        CosFaceLossConfig
            .with_scale(9.0)
            .with_reducer(Reducer::AvgNonZero),
        NormalizedSoftmaxLossConfig.with_reducer(Reducer::Sum),
        ProxyAnchorLossConfig,
        ProxyNcaLossConfig
            .with_temperature(0.7)
            .with_include_target(classes == 1),
        ProxyNcaLossConfig
            .with_include_target(true)
            .with_reducer(Reducer::AvgNonZero),
        ProxyNcaLossConfig
            .with_normalize(false)
            .with_distance(EmbeddingDistance::Euclidean)
            .with_include_target(true),
    );
    let device = Device::flex().autodiff();
    let config = CurricularFaceLossConfig::new(classes, dim).with_rate(1.0);
    let loss = config.init(&device);
    all.push((
        "curricular, t as the batch has it",
        Box::new(move |(x, labels), weight| {
            let loss = loss.clone().with_weight(weight);
            let loss = loss.update(x.clone(), labels.clone());
            (loss.forward(x, labels), loss.weight())
        }),
    ));
    let config = SubCenterArcFaceLossConfig::new(classes, dim).with_sub_centers(3);
    let loss = config.with_scale(8.0).init(&device);
    all.push((
        "three sub-centres",
        Box::new(move |(x, labels), weight| {
            let turned = weight.clone().flip([1]);
            let weight = Tensor::cat(vec![weight.clone(), turned, weight.flip([0])], 1);
            let loss = loss.clone().with_weight(weight.reshape([3 * classes, dim]));
            (loss.forward(x, labels), loss.weight())
        }),
    ));
    for (gamma, reducer) in [(0.1, Reducer::Mean), (1.0, Reducer::AvgNonZero)] {
        let config = SoftTripleLossConfig::new(classes, dim).with_centers_per_class(2);
        let config = config.with_gamma(gamma).with_lambda(7.0);
        let loss = config.with_reducer(reducer).init(&device);
        all.push((
            "SoftTriple",
            Box::new(move |(x, labels), weight| {
                let weight = Tensor::cat(vec![weight.clone(), weight.flip([1])], 1);
                let loss = loss.clone().with_weight(weight.reshape([2 * classes, dim]));
                (loss.forward(x, labels), loss.weight())
            }),
        ));
    }
    all
}

#[test]
fn streamed_losses_against_classes_are_their_definitions() {
    let device = Device::flex().autodiff();
    for (n, classes, dim) in [(40, 700, 9), (70, 3, 5), (1, 2, 4), (5, 1, 3)] {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let mut rows = |n: usize| {
            let values: Vec<f64> = (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::<2>::from_data(TensorData::new(values, [n, dim]), (&device, DType::F64))
        };
        let (rows, weight) = (rows(n), rows(classes));
        let labels: Vec<i64> = (0..n).map(|i| ((i * i + 1) % classes) as i64).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [n]), &device);
        for (name, forward) in losses_against_classes(classes, dim) {
            let [streamed, plain] = [false, true].map(|plain| {
                let x = rows.clone().detach().require_grad();
                DEFINITIONS.set(plain);
                let (loss, weight) = forward((x.clone(), labels.clone()), weight.clone());
                DEFINITIONS.set(false);
                let gradients = loss.backward();
                let numbers = |data: TensorData| data.try_to_vec::<f64>().unwrap();
                let gradients =
                    [x, weight].map(|of| numbers(of.grad(&gradients).unwrap().into_data()));
                (numbers(loss.into_data())[0], gradients)
            });
            let at = format!("{name}, {n} rows, {classes} classes");
            let (value, want) = (streamed.0, plain.0);
            assert!(
                (value - want).abs() <= 1e-9 * (1.0 + want.abs()),
                "{at}: {value}, {want}"
            );
            for (gradient, wanted) in streamed.1.iter().zip(&plain.1) {
                let size = norm(wanted.iter().copied());
                let off = norm(gradient.iter().zip(wanted).map(|(a, b)| a - b));
                assert!(
                    off <= 1e-6 * (1e-3 + size),
                    "{at}: gradient off by {off} of {size}"
                );
            }
        }
    }
}
