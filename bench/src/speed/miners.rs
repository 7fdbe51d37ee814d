//! `miner:<name>`: pairs or triplets of one batch, or of `--queries` anchors against a bank of `--n` items, unit rows all.

use std::hint::black_box;

use metric_core::Relevance;
use metric_sampling::density::{LogDensity, ManifoldDensity};
use metric_sampling::*;
use ndarray::{Array2, Axis};

use super::{Op, Settings, SpeedError, Work, data};

enum Miner {
    Triplets(Box<dyn TripletMiner>),
    Pairs(Box<dyn PairMiner>),
}

type Make = fn(&Settings, &Array2<f32>) -> Result<Miner, SpeedError>;

/// The value of a parameter, and its default.
macro_rules! numbers {
    ($($key:literal = $default:expr),*; $make:expr) => {
        |settings, _| {
            let make: fn($(numbers!(@type $key)),*) -> Result<Miner, MiningError> = $make;
            make($(settings.number($key, $default)?),*).map_err(SpeedError::refused("miner"))
        }
    };
    (@type $key:literal) => { f64 };
}

fn of_triplets(miner: impl TripletMiner + 'static) -> Miner {
    Miner::Triplets(Box::new(miner))
}

fn of_pairs(miner: impl PairMiner + 'static) -> Miner {
    Miner::Pairs(Box::new(miner))
}

/// Names, parameters, and how a miner is made.
const MINERS: &[(&str, &[&str], Make)] = &[
    ("all_pairs", &[], numbers!(; || Ok(of_pairs(AllPairs)))),
    (
        "angular",
        &["angle"],
        numbers!("angle" = 20.0; |angle| {
            Ok(of_triplets(AngularMiner::new(angle)?))
        }),
    ),
    (
        "batch_easy_hard",
        &[],
        numbers!(; || {
            Ok(of_pairs(BatchEasyHard::new(Choice::Easy, Choice::SemiHard)?))
        }),
    ),
    (
        "batch_hard",
        &[],
        numbers!(; || Ok(of_triplets(BatchHard::new()))),
    ),
    (
        "density_aware",
        &["beta", "gamma", "lower", "upper"],
        density_aware,
    ),
    (
        "distance_weighted",
        &[],
        numbers!(; || Ok(of_triplets(DistanceWeighted::new()))),
    ),
    (
        "hard_clusters",
        &["clusters"],
        numbers!("clusters" = 8.0; |clusters| {
            Ok(of_pairs(HardClusters::new(clusters as usize)?))
        }),
    ),
    (
        "hardest_negatives",
        &["hardest"],
        numbers!("hardest" = 10.0; |k| {
            Ok(of_pairs(HardestNegatives::new(k as usize)?))
        }),
    ),
    (
        "hdc",
        &["share"],
        numbers!("share" = 0.5; |share| Ok(of_pairs(Hdc::new(share)?))),
    ),
    (
        "multi_similarity",
        &["epsilon"],
        numbers!("epsilon" = 0.1; |epsilon| {
            Ok(of_pairs(MultiSimilarityMiner::new(epsilon)?))
        }),
    ),
    (
        "pair_margin",
        &["pos_margin", "neg_margin"],
        numbers!("pos_margin" = 0.2, "neg_margin" = 0.8; |pull, push| {
            Ok(of_pairs(PairMargin::new(pull, push)?))
        }),
    ),
    (
        "random",
        &[],
        numbers!(; || Ok(of_triplets(RandomTriplets::new(1)?))),
    ),
    (
        "semi_hard",
        &["margin"],
        numbers!("margin" = 0.2; |margin| {
            Ok(of_triplets(SemiHard::new(margin)?))
        }),
    ),
    (
        "soft_hard",
        &[],
        numbers!(; || Ok(of_triplets(SoftHard::new()))),
    ),
    (
        "triplet_margin",
        &["margin"],
        numbers!("margin" = 0.2; |margin| {
            Ok(of_triplets(TripletMarginMiner::new(margin, TripletKind::All)?))
        }),
    ),
    (
        "triplet_margin_semi_hard",
        &["margin"],
        numbers!("margin" = 0.2; |margin| {
            Ok(of_triplets(TripletMarginMiner::new(margin, TripletKind::SemiHard)?))
        }),
    ),
    (
        "uniform_histogram",
        &[],
        numbers!(; || Ok(of_pairs(UniformHistogram::new(100, 10, 10)?))),
    ),
];

/// Of a bank the densities are held, of a batch they are estimated with it.
fn density_aware(settings: &Settings, items: &Array2<f32>) -> Result<Miner, SpeedError> {
    let (beta, gamma) = (
        settings.number("beta", 10.0)?,
        settings.number("gamma", 0.5)?,
    );
    let ring = (
        settings.number("lower", 0.0)?,
        settings.number("upper", 1.0)?,
    );
    let refused = SpeedError::refused("miner");
    let make = || {
        let miner = DensityAware::new().with_beta(beta)?.with_gamma(gamma)?;
        let miner = miner.with_ring(ring.0, ring.1)?;
        if settings.queries == 0 {
            return Ok(miner);
        }
        miner.with_log_density(ManifoldDensity::default().log_density_self(items.view())?)
    };
    make().map(of_triplets).map_err(refused)
}

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, params, make)| {
        Op::new(format!("miner:{name}"), move |settings| {
            prepare(settings, make)
        })
        .with_params(params)
    };
    MINERS.iter().map(op).collect()
}

fn prepare(settings: &Settings, make: Make) -> Result<Work, SpeedError> {
    let refused = SpeedError::refused("miner");
    let items = unit(data::rows(settings, settings.n, 1)?);
    let miner = make(settings, &items)?;
    let labels = data::labels(settings);
    let anchors = match settings.queries {
        0 => None,
        queries => Some(unit(data::rows(settings, queries, 2)?)),
    };
    let of_anchors: Vec<u32> = (0..settings.queries)
        .map(|row| (row % settings.classes) as u32)
        .collect();
    let mut random = data::generator(4);
    Ok(Work::new(move || {
        let batch = match &anchors {
            None => Batch::new(items.view(), Relevance::labels(&labels)),
            Some(anchors) => {
                let relevance = Relevance::labels_against(&of_anchors, &labels);
                Batch::against(anchors.view(), items.view(), relevance)
            }
        };
        let batch = batch.map_err(refused)?;
        match &miner {
            Miner::Triplets(miner) => {
                black_box(miner.mine(&batch, &mut random).map_err(refused)?);
            }
            Miner::Pairs(miner) => {
                black_box(miner.mine(&batch, &mut random).map_err(refused)?);
            }
        }
        Ok(())
    }))
}

pub(super) fn unit(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.axis_iter_mut(Axis(0)) {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    rows
}
