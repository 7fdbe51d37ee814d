//! What losses over tuples of pairs promise beyond their definitions: order, extremes, broken input, parameters.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use burn::tensor::{Int, Tensor};
use metric_losses::{
    AngularLossConfig, CircleLossConfig, GeneralizedLiftedStructureLossConfig,
    IntraPairVarianceLossConfig, LiftedStructureLossConfig, MarginLossConfig,
    MultiSimilarityLossConfig, NPairsLossConfig, NcaLossConfig,
    ThresholdConsistentMarginLossConfig, TupletMarginLossConfig, l2_normalize,
};

use crate::common::*;

const CLASSES: [i64; 8] = [0, 0, 0, 1, 1, 2, 2, 3];

type Forward = Box<dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>>;

macro_rules! losses {
    ($($config:ident),*) => {
        vec![$((stringify!($config), {
            let loss = $config::new().init(&device());
            Box::new(move |x, labels| loss.forward(l2_normalize(x), labels)) as Forward
        })),*]
    };
}

/// Every loss with its defaults, on the unit sphere.
fn all() -> Vec<(&'static str, Forward)> {
    losses!(
        AngularLossConfig,
        CircleLossConfig,
        GeneralizedLiftedStructureLossConfig,
        IntraPairVarianceLossConfig,
        LiftedStructureLossConfig,
        MarginLossConfig,
        MultiSimilarityLossConfig,
        NPairsLossConfig,
        NcaLossConfig,
        ThresholdConsistentMarginLossConfig,
        TupletMarginLossConfig
    )
}

#[test]
fn the_order_of_the_batch_does_not_matter() {
    // N-pairs takes the first two rows of each class: the order is part of its definition.
    for (_, loss) in all()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("NPairs"))
    {
        assert_ignores_order(&rows(8, 3), &CLASSES, &*loss);
    }
}

#[test]
fn extreme_embeddings_stay_finite() {
    for (name, loss) in all() {
        for classes in [CLASSES, [0; 8], [0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_stays_finite(8, 3, &|x| loss(x, labels(&classes)));
        }
        // Antipodal rows, as positives and as negatives; one row.
        for classes in [[0i64, 0], [0, 1]] {
            let antipodal = vec![vec![1.0, 0.5], vec![-1.0, -0.5]];
            let (value, gradient) =
                value_and_gradient(&antipodal, burn::tensor::DType::F32, &|x| {
                    loss(x, labels(&classes))
                });
            assert!(value.is_finite(), "{name}");
            assert!(gradient.concat().iter().all(|g| g.is_finite()), "{name}");
        }
        assert_is_zero_on_the_graph(&rows(1, 3), &|x| loss(x, labels(&[0])));
    }
}

#[test]
fn broken_embeddings_show() {
    for (_, loss) in all() {
        assert_shows_nan(8, 3, &|x| loss(x, labels(&CLASSES)));
    }
}
