//! Every loss with its defaults, or nearly, as a function of a batch of eight and its labels.
#![allow(dead_code, reason = "each test file uses a part")]

use burn::tensor::Tensor;
use metric_losses::*;

use super::{device, labels};

/// Length of an embedding.
pub(crate) const DIM: usize = 64;

macro_rules! by_labels {
    ($($config:expr),* $(,)?) => {
        vec![$((stringify!($config), {
            let loss = $config.init(&device());
            Box::new(move |x: Tensor<2>, labels: Labels| loss.forward(x, labels)) as Loss
        })),*]
    };
}

macro_rules! by_vectors {
    ($($config:expr),* $(,)?) => {
        vec![$((stringify!($config), {
            let loss = $config.init(&device());
            Box::new(move |x: Tensor<2>, _: Labels| loss.forward(x)) as Loss
        })),*]
    };
}

pub(crate) type Loss = Box<dyn Fn(Tensor<2>, Labels) -> Tensor<1>>;

/// Losses against class vectors.
pub(crate) fn against_classes() -> Vec<(&'static str, Loss)> {
    by_labels!(
        AdaFaceLossConfig::new(4, DIM),
        ArcFaceLossConfig::new(4, DIM),
        CenterLossConfig::new(4, DIM),
        CombinedMarginLossConfig::new(4, DIM),
        CosFaceLossConfig::new(4, DIM),
        CurricularFaceLossConfig::new(4, DIM),
        DynamicArcFaceLossConfig::new(vec![5, 9, 2, 7], DIM),
        LargeMarginSoftmaxLossConfig::new(4, DIM),
        MagFaceLossConfig::new(4, DIM),
        NormalizedSoftmaxLossConfig::new(4, DIM),
        P2sGradLossConfig::new(4, DIM),
        ProxyAnchorLossConfig::new(4, DIM),
        ProxyNcaLossConfig::new(4, DIM),
        ProxyNcaLossConfig::new(4, DIM).with_normalize(false),
        SoftTripleLossConfig::new(4, DIM),
        SoftmaxLossConfig::new(4, DIM),
        SphereFaceLossConfig::new(4, DIM),
        SubCenterArcFaceLossConfig::new(4, DIM),
    )
}

/// Losses over pairs of rows with labels.
pub(crate) fn over_pairs() -> Vec<(&'static str, Loss)> {
    let snr = EmbeddingDistance::SignalToNoise;
    by_labels!(
        AngularLossConfig::new(),
        AngularLossConfig::new().with_normalize_negatives(false),
        CircleLossConfig::new(),
        ContrastiveLossConfig::new(),
        ContrastiveLossConfig::new().with_distance(snr),
        DebiasedContrastiveLossConfig::new(),
        DecoupledContrastiveLossConfig::new(),
        DecoupledContrastiveLossConfig::new().with_weighting(Some(0.5)),
        FastApLossConfig::new(),
        GeneralizedLiftedStructureLossConfig::new(),
        HardNegativeContrastiveLossConfig::new(),
        HistogramLossConfig::new(),
        IntraPairVarianceLossConfig::new(),
        LiftedStructureLossConfig::new(),
        MarginLossConfig::new(),
        MultiSimilarityLossConfig::new(),
        NPairsLossConfig::new(),
        NcaLossConfig::new(),
        NtXentLossConfig::new(),
        NtXentLossConfig::new().with_distance(EmbeddingDistance::InnerProduct),
        NtXentLossConfig::new().with_distance(EmbeddingDistance::Euclidean),
        PnpLossConfig::new(),
        RankedListLossConfig::new(),
        RecallAtKLossConfig::new(),
        SmoothApLossConfig::new(),
        SupConLossConfig::new(),
        SupConLossConfig::new().with_distance(EmbeddingDistance::InnerProduct),
        ThresholdConsistentMarginLossConfig::new(),
        TripletMarginLossConfig::new(),
        TripletMarginLossConfig::new().with_distance(EmbeddingDistance::SquaredEuclidean),
        TupletMarginLossConfig::new(),
    )
}

/// Regularizers, and losses that take more than a batch and its labels.
pub(crate) fn of_others() -> Vec<(&'static str, Loss)> {
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

/// Losses of several views, each of them made of the batch; constants are its rows in another order.
pub(crate) fn of_views() -> Vec<(&'static str, Loss)> {
    macro_rules! of_two {
        ($($config:expr),* $(,)?) => {
            vec![$((stringify!($config), {
                let loss = $config.init(&device());
                Box::new(move |x: Tensor<2>, _: Labels| {
                    loss.forward(x.clone(), x.flip([0]))
                }) as Loss
            })),*]
        };
    }
    let mut all = of_two!(
        BarlowTwinsLossConfig::new(),
        ClipLossConfig::new(),
        ConsistencyLossConfig::new(),
        ConsistencyLossConfig::new().with_measure(ConsistencyMeasure::KullbackLeibler),
        DistillationLossConfig::new(),
        NegativeCosineLossConfig::new(),
    );
    let fixed = |x: &Tensor<2>| x.clone().detach().flip([0]);
    let swapped = SwappedPredictionLossConfig::new(6, DIM).init(&device());
    all.push((
        "SwAV",
        Box::new(move |x, _| swapped.forward(&[x.clone(), x.flip([0])])),
    ));
    let dino = SelfDistillationLossConfig::new(DIM).init(&device());
    all.push((
        "DINO",
        Box::new(move |x, _| dino.forward(&[x.clone(), x.clone()], &[x], 0.04)),
    ));
    let tico = TiCoLossConfig::new(DIM).init(&device());
    all.push((
        "TiCo",
        Box::new(move |x, _| {
            let loss = tico.clone().update(x.clone());
            loss.forward(x.clone(), fixed(&x))
        }),
    ));
    let soft = SoftInfoNceLossConfig::new().init(&device());
    all.push((
        "soft InfoNCE",
        Box::new(move |x, _| soft.forward(x.clone(), fixed(&x), x.clone(), fixed(&x))),
    ));
    let nce = NceLossConfig::new().init(&device());
    all.push((
        "NCE",
        Box::new(move |x, _| {
            let loss = nce.clone().estimate(x.clone(), fixed(&x), fixed(&x));
            loss.forward(x.clone(), fixed(&x), fixed(&x))
        }),
    ));
    let proto = ProtoNceLossConfig::new().init(&device());
    all.push((
        "ProtoNCE",
        Box::new(move |x, _| {
            let clustering = Prototypes {
                centers: fixed(&x),
                concentrations: Tensor::from_floats([0.2; 8], &device()),
                assignments: labels(&[0, 0, 0, 1, 1, 2, 2, 3]),
            };
            proto.forward(x, &[clustering])
        }),
    ));
    all
}

/// Terms of third and fourth order in the embeddings: their gradient at rows of 300 is beyond `f16`.
pub(crate) fn of_high_order() -> Vec<(&'static str, Loss)> {
    let mut all = by_vectors!(CenterInvariantRegularizerConfig::new());
    let vic_reg = VicRegLossConfig::new().init(&device());
    all.push((
        "VICReg",
        Box::new(move |x, _| vic_reg.forward(x.clone(), x.flip([0]))),
    ));
    all
}
