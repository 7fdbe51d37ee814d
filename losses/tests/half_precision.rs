//! Embeddings in `f16` and `bf16` are computed with in `f32` (R11, R12, R23, R30): every loss, by a table.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use burn::tensor::{DType, Int, Tensor};
use common::*;
use metric_losses::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];
const DIM: usize = 64;

macro_rules! by_labels {
    ($($config:expr),* $(,)?) => {
        vec![$((stringify!($config), {
            let loss = $config.init(&device());
            Box::new(move |x: Tensor<2>, labels: Tensor<1, Int>| loss.forward(x, labels)) as Loss
        })),*]
    };
}

macro_rules! by_vectors {
    ($($config:expr),* $(,)?) => {
        vec![$((stringify!($config), {
            let loss = $config.init(&device());
            Box::new(move |x: Tensor<2>, _: Tensor<1, Int>| loss.forward(x)) as Loss
        })),*]
    };
}

type Loss = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

/// All losses whose `forward` takes embeddings and labels.
fn of_labels() -> Vec<(&'static str, Loss)> {
    let snr = EmbeddingDistance::SignalToNoise;
    by_labels!(
        AdaFaceLossConfig::new(4, DIM),
        AngularLossConfig::new(),
        AngularLossConfig::new().with_normalize_negatives(false),
        ArcFaceLossConfig::new(4, DIM),
        CenterLossConfig::new(4, DIM),
        CircleLossConfig::new(),
        CombinedMarginLossConfig::new(4, DIM),
        ContrastiveLossConfig::new(),
        ContrastiveLossConfig::new().with_distance(snr),
        CosFaceLossConfig::new(4, DIM),
        CurricularFaceLossConfig::new(4, DIM),
        DebiasedContrastiveLossConfig::new(),
        DecoupledContrastiveLossConfig::new(),
        DecoupledContrastiveLossConfig::new().with_weighting(Some(0.5)),
        DynamicArcFaceLossConfig::new(vec![5, 9, 2, 7], DIM),
        FastApLossConfig::new(),
        GeneralizedLiftedStructureLossConfig::new(),
        HardNegativeContrastiveLossConfig::new(),
        HistogramLossConfig::new(),
        IntraPairVarianceLossConfig::new(),
        LargeMarginSoftmaxLossConfig::new(4, DIM),
        LiftedStructureLossConfig::new(),
        MagFaceLossConfig::new(4, DIM),
        MarginLossConfig::new(),
        MultiSimilarityLossConfig::new(),
        NPairsLossConfig::new(),
        NcaLossConfig::new(),
        NormalizedSoftmaxLossConfig::new(4, DIM),
        NtXentLossConfig::new(),
        NtXentLossConfig::new().with_distance(EmbeddingDistance::InnerProduct),
        NtXentLossConfig::new().with_distance(EmbeddingDistance::Euclidean),
        P2sGradLossConfig::new(4, DIM),
        PnpLossConfig::new(),
        ProxyAnchorLossConfig::new(4, DIM),
        ProxyNcaLossConfig::new(4, DIM),
        ProxyNcaLossConfig::new(4, DIM).with_normalize(false),
        RankedListLossConfig::new(),
        RecallAtKLossConfig::new(),
        SmoothApLossConfig::new(),
        SoftTripleLossConfig::new(4, DIM),
        SoftmaxLossConfig::new(4, DIM),
        SphereFaceLossConfig::new(4, DIM),
        SubCenterArcFaceLossConfig::new(4, DIM),
        SupConLossConfig::new(),
        SupConLossConfig::new().with_distance(EmbeddingDistance::InnerProduct),
        ThresholdConsistentMarginLossConfig::new(),
        TripletMarginLossConfig::new(),
        TripletMarginLossConfig::new().with_distance(EmbeddingDistance::SquaredEuclidean),
        TupletMarginLossConfig::new(),
    )
}

/// The others.
fn of_others() -> Vec<(&'static str, Loss)> {
    let mut all = by_vectors!(
        KoLeoRegularizerConfig::new(),
        LpRegularizerConfig::new(),
        LpRegularizerConfig::new().with_p(3.0).with_power(1.5),
        RegularFaceRegularizerConfig::new(),
        SparseCentersRegularizerConfig::new(2, 4),
        SphericalRegularizerConfig::new(),
        UniformityRegularizerConfig::new(),
        ZeroMeanRegularizerConfig::new(),
    );
    let elastic = ElasticFaceLossConfig::new(4, DIM).init(&device());
    let margins = Tensor::<1>::from_floats([0.3; 8], &device());
    all.push((
        "ElasticFace",
        Box::new(move |x, labels| elastic.forward(x, labels, margins.clone())),
    ));
    let info_nce = InfoNceLossConfig::new().init(&device());
    let turned = |x: &Tensor<2>| x.clone().flip([0]);
    all.push((
        "InfoNCE",
        Box::new(move |x, _| info_nce.forward(x.clone(), turned(&x))),
    ));
    let info_nce = InfoNceLossConfig::new().init(&device());
    all.push((
        "InfoNCE with a queue",
        Box::new(move |x, _| info_nce.forward_with_negatives(x.clone(), turned(&x), x)),
    ));
    let triplet = TripletMarginLossConfig::new().init(&device());
    let margin = MarginLossConfig::new().init(&device());
    let mined = || {
        let triplets = metric_sampling::Triplets::new(vec![0, 3], vec![1, 4], vec![5, 7]);
        TripletIndices::upload(&triplets.unwrap(), &device())
    };
    all.push((
        "mined triplets",
        Box::new(move |x, _| triplet.forward_mined(x, &mined())),
    ));
    all.push((
        "mined margins",
        Box::new(move |x, labels| margin.forward_mined(x, labels, &mined())),
    ));
    all
}

/// Terms of third and fourth order in the embeddings: their gradient at rows of 300 is beyond `f16`.
fn of_high_order() -> Vec<(&'static str, Loss)> {
    let mut all = by_vectors!(CenterInvariantRegularizerConfig::new());
    let vic_reg = VicRegLossConfig::new().init(&device());
    all.push((
        "VICReg",
        Box::new(move |x, _| vic_reg.forward(x.clone(), x.flip([0]))),
    ));
    all
}

/// The loss of half-precision rows is, to the last bit, that of the same numbers in `f32`, and its gradient is the gradient
/// there in the type of the rows: what a row gets as an anchor and as the other end of a pair is rounded, then the sum of
/// both, three relative errors of `2^-digits` at most of numbers about as large as the gradient. A number of `f16` below
/// `2^-14` is rounded to a multiple of `2^-24`.
fn assert_is_that_of_f32((name, loss): &(&str, Loss), rows: &Rows, (dtype, digits): (DType, i32)) {
    let rows = to_rows(tensor(rows, dtype));
    let of = |dtype| value_and_gradient(&rows, dtype, &|x| loss(x, labels(&CLASSES)));
    let ((value, gradient), (expected, wanted)) = (of(dtype), of(DType::F32));
    assert!(value.is_finite(), "{name}: {value}");
    assert_eq!(value, expected, "{name}");
    let (gradient, wanted) = (gradient.concat(), wanted.concat());
    let norm = |x: &[f64]| dot(x, x).sqrt();
    let off: Vec<f64> = gradient.iter().zip(&wanted).map(|(a, b)| a - b).collect();
    let of_tiny = if dtype == DType::F16 {
        2f64.powi(-25)
    } else {
        0.0
    };
    let bound = 3.0 * (2f64.powi(-digits) * norm(&wanted) + of_tiny * (off.len() as f64).sqrt());
    assert!(
        norm(&off) <= bound,
        "{name}: {dtype:?} gradient off by {} of {}, above {bound}",
        norm(&off),
        norm(&wanted)
    );
}

const F16: (DType, i32) = (DType::F16, 11);
const BF16: (DType, i32) = (DType::BF16, 8);

fn rows_of_size(size: f64) -> Rows {
    let scaled = |row: Vec<f64>| row.iter().map(|v| v * size).collect();
    rows(8, DIM).into_iter().map(scaled).collect()
}

/// Their squared norm is some 2e6, of which `f16` holds 6e4.
#[test]
fn rows_of_300_in_half_precision_give_the_loss_and_the_gradient_of_f32() {
    for loss in of_labels().iter().chain(&of_others()) {
        for precision in [F16, BF16] {
            assert_is_that_of_f32(loss, &rows_of_size(300.0), precision);
        }
    }
    for loss in of_high_order() {
        assert_is_that_of_f32(&loss, &rows_of_size(300.0), BF16);
        assert_is_that_of_f32(&loss, &rows_of_size(10.0), F16);
    }
}

#[test]
fn ordinary_rows_in_half_precision_give_the_loss_and_the_gradient_of_f32() {
    let others = of_others();
    let high = of_high_order();
    for loss in of_labels().iter().chain(&others).chain(&high) {
        for precision in [F16, BF16] {
            assert_is_that_of_f32(loss, &rows(8, DIM), precision);
        }
    }
}
