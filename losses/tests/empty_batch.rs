//! A batch without rows has a loss of zero with a gradient (R25), where backends refuse an axis of length 0.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{Int, Tensor};
use metric_losses::*;

use crate::common::every_loss::{DIM, against_classes, over_pairs};
use crate::common::*;

fn no_rows() -> Tensor<2> {
    Tensor::zeros([0, DIM], &device())
}

fn no_labels() -> Tensor<1, Int> {
    Tensor::zeros([0], &device())
}

/// The loss is 0, and a backward pass reaches its input.
fn assert_is_zero_of_nothing(name: &str, loss: &dyn Fn(Tensor<2>) -> Tensor<1>) {
    eprintln!("{name}");
    let x = no_rows().require_grad();
    let value = loss(x.clone());
    let gradient = x.grad(&value.backward()).expect("on the graph");
    assert_eq!(to_f64(value), 0.0, "{name}");
    assert_eq!(gradient.dims(), [0, DIM], "{name}");
}

#[test]
fn losses_against_classes_are_zero_for_an_empty_batch() {
    for (name, loss) in against_classes() {
        assert_is_zero_of_nothing(name, &|x| loss(x, no_labels().into()));
    }
    let elastic = ElasticFaceLossConfig::new(4, DIM).init(&device());
    let margins = Tensor::<1>::zeros([0], &device());
    assert_is_zero_of_nothing("ElasticFace", &|x| {
        elastic.forward(x, no_labels(), margins.clone())
    });
}

/// Of losses that have `forward` and `forward_against`.
macro_rules! with_reference {
    ($($config:expr),* $(,)?) => {$({
        let (name, loss) = (stringify!($config), $config.init(&device()));
        let some = || Tensor::<2>::ones([3, DIM], &device());
        let of_some = || labels(&[0, 0, 1]);
        assert_is_zero_of_nothing(name, &|x| loss.forward(x, no_labels()));
        assert_is_zero_of_nothing(name, &|x| {
            loss.forward_against(x, no_labels(), some(), of_some())
        });
        assert_is_zero_of_nothing(name, &|x| {
            loss.forward_against(some(), of_some(), x, no_labels())
        });
    })*};
}

#[test]
fn losses_over_pairs_are_zero_for_an_empty_batch_and_an_empty_reference_set() {
    for (name, loss) in over_pairs() {
        assert_is_zero_of_nothing(name, &|x| loss(x, no_labels().into()));
    }
    with_reference!(
        AngularLossConfig::new(),
        ContrastiveLossConfig::new(),
        FastApLossConfig::new(),
        HistogramLossConfig::new(),
        MarginLossConfig::new().with_nu(1.0),
        PnpLossConfig::new(),
        SmoothApLossConfig::new(),
        SupConLossConfig::new(),
        TripletMarginLossConfig::new(),
        TripletMarginLossConfig::new().with_swap(true),
        TupletMarginLossConfig::new(),
    );
    let n_pairs = NPairsLossConfig::new().init(&device());
    assert_is_zero_of_nothing("n-pairs", &|x| n_pairs.forward(x, no_labels()));
    let none = metric_sampling::Triplets::new(vec![], vec![], vec![]).unwrap();
    let none = TripletIndices::upload(&none, &device());
    let (triplet, margin) = (
        TripletMarginLossConfig::new().init(&device()),
        MarginLossConfig::new().init(&device()),
    );
    assert_is_zero_of_nothing("mined triplets", &|x| triplet.forward_mined(x, &none));
    assert_is_zero_of_nothing("mined margins", &|x| {
        margin.forward_mined(x, no_labels(), &none)
    });
}

#[test]
fn labels_without_rows_are_still_an_error() {
    for (name, loss) in against_classes() {
        let call = std::panic::AssertUnwindSafe(|| loss(no_rows(), labels(&[0]).into()));
        let panic = std::panic::catch_unwind(call).expect_err(name);
        let message = panic.downcast_ref::<String>().expect("with a message");
        assert!(message.contains("one label a row"), "{name}: {message}");
    }
}

#[test]
fn regularizers_and_losses_of_given_pairs_are_zero_for_an_empty_batch() {
    let device = device();
    let lp = LpRegularizerConfig::new().init(&device);
    let zero_mean = ZeroMeanRegularizerConfig::new().init(&device);
    let center_invariant = CenterInvariantRegularizerConfig::new().init(&device);
    let regular_face = RegularFaceRegularizerConfig::new().init(&device);
    let spherical = SphericalRegularizerConfig::new().init(&device);
    let koleo = KoLeoRegularizerConfig::new().init(&device);
    let uniformity = UniformityRegularizerConfig::new().init(&device);
    let info_nce = InfoNceLossConfig::new().init(&device);
    assert_is_zero_of_nothing("Lp", &|x| lp.forward(x));
    assert_is_zero_of_nothing("zero mean", &|x| zero_mean.forward(x));
    assert_is_zero_of_nothing("centre invariant", &|x| center_invariant.forward(x));
    assert_is_zero_of_nothing("RegularFace", &|x| regular_face.forward(x));
    assert_is_zero_of_nothing("spherical", &|x| spherical.forward(x));
    assert_is_zero_of_nothing("KoLeo", &|x| koleo.forward(x));
    assert_is_zero_of_nothing("uniformity", &|x| uniformity.forward(x));
    assert_is_zero_of_nothing("InfoNCE", &|x| info_nce.forward(x.clone(), x));
    assert_is_zero_of_nothing("a queue and no queries", &|x| {
        info_nce.forward_with_negatives(x.clone(), x, Tensor::ones([3, DIM], &device))
    });
    assert_is_zero_of_nothing("an empty queue", &|x| {
        let pairs = Tensor::<2>::ones([3, DIM], &device);
        info_nce.forward_with_negatives(pairs.clone(), pairs, x)
    });
}
