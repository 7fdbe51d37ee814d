//! `miner:<name>`: pairs or triplets of one batch, or of `--queries` anchors against a bank of `--n` items, unit rows all.

use std::hint::black_box;

use metric_core::Relevance;
use metric_sampling::density::{LogDensity, ManifoldDensity};
use metric_sampling::{
    AllPairs, AngularMiner, Batch, BatchEasyHard, BatchHard, Choice, DensityAware,
    DistanceWeighted, HardClusters, HardestNegatives, Hdc, MiningError, MultiSimilarityMiner,
    PairMargin, PairMiner, RandomTriplets, SemiHard, SoftHard, TripletKind, TripletMarginMiner,
    TripletMiner, UniformHistogram,
};
use ndarray::{Array2, Axis};

use super::{Op, Settings, SpeedError, Work, data};

enum Miner {
    Triplets(Box<dyn TripletMiner>),
    Pairs(Box<dyn PairMiner>),
}

/// Makes a miner from the parameters given, each with a default, for these items.
type Make = fn(&dyn Fn(&str, f64) -> f64, Option<&Array2<f32>>) -> Result<Miner, MiningError>;

fn of_triplets(miner: impl TripletMiner + 'static) -> Miner {
    Miner::Triplets(Box::new(miner))
}

fn of_pairs(miner: impl PairMiner + 'static) -> Miner {
    Miner::Pairs(Box::new(miner))
}

/// Names, parameters, and how a miner is made.
const MINERS: &[(&str, &[&str], Make)] = &[
    ("all_pairs", &[], |_, _| Ok(of_pairs(AllPairs))),
    ("angular", &["angle"], |of, _| {
        Ok(of_triplets(AngularMiner::new(of("angle", 20.0))?))
    }),
    ("batch_easy_hard", &[], |_, _| {
        let miner = BatchEasyHard::new(Choice::Easy, Choice::SemiHard)?;
        Ok(of_pairs(miner))
    }),
    ("batch_hard", &[], |_, _| Ok(of_triplets(BatchHard::new()))),
    (
        "density_aware",
        &["beta", "gamma", "lower", "upper"],
        density_aware,
    ),
    ("distance_weighted", &[], |_, _| {
        Ok(of_triplets(DistanceWeighted::new()))
    }),
    ("hard_clusters", &["clusters"], |of, _| {
        Ok(of_pairs(HardClusters::new(of("clusters", 8.0) as usize)?))
    }),
    ("hardest_negatives", &["hardest"], |of, _| {
        let miner = HardestNegatives::new(of("hardest", 10.0) as usize)?;
        Ok(of_pairs(miner))
    }),
    ("hdc", &["share"], |of, _| {
        Ok(of_pairs(Hdc::new(of("share", 0.5))?))
    }),
    ("multi_similarity", &["epsilon"], |of, _| {
        let miner = MultiSimilarityMiner::new(of("epsilon", 0.1))?;
        Ok(of_pairs(miner))
    }),
    ("pair_margin", &["pos_margin", "neg_margin"], |of, _| {
        let miner = PairMargin::new(of("pos_margin", 0.2), of("neg_margin", 0.8))?;
        Ok(of_pairs(miner))
    }),
    ("random", &[], |_, _| {
        Ok(of_triplets(RandomTriplets::new(1)?))
    }),
    ("semi_hard", &["margin"], |of, _| {
        Ok(of_triplets(SemiHard::new(of("margin", 0.2))?))
    }),
    ("soft_hard", &[], |_, _| Ok(of_triplets(SoftHard::new()))),
    ("triplet_margin", &["margin"], |of, _| {
        let miner = TripletMarginMiner::new(of("margin", 0.2), TripletKind::All)?;
        Ok(of_triplets(miner))
    }),
    ("triplet_margin_semi_hard", &["margin"], |of, _| {
        let miner = TripletMarginMiner::new(of("margin", 0.2), TripletKind::SemiHard)?;
        Ok(of_triplets(miner))
    }),
    ("uniform_histogram", &[], |_, _| {
        Ok(of_pairs(UniformHistogram::new(100, 10, 10)?))
    }),
];

/// Of a bank the densities are held, of a batch they are estimated with it.
fn density_aware(
    of: &dyn Fn(&str, f64) -> f64,
    bank: Option<&Array2<f32>>,
) -> Result<Miner, MiningError> {
    let miner = DensityAware::new().with_beta(of("beta", 10.0))?;
    let miner = miner.with_gamma(of("gamma", 0.5))?;
    let miner = miner.with_ring(of("lower", 0.0), of("upper", 1.0))?;
    Ok(of_triplets(match bank {
        None => miner,
        Some(bank) => {
            miner.with_log_density(ManifoldDensity::default().log_density_self(bank.view())?)?
        }
    }))
}

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, params, make)| {
        Op::new(format!("miner:{name}"), move |settings| {
            prepare(settings, params, make)
        })
        .with_params(params)
    };
    MINERS.iter().map(op).collect()
}

fn prepare(settings: &Settings, params: &[&str], make: Make) -> Result<Work, SpeedError> {
    let refused = SpeedError::refused("miner");
    let items = unit(data::rows(settings, settings.n, 1)?);
    for key in params {
        settings.number(key, 0.0)?;
    }
    let number = |key: &str, default| settings.number(key, default).unwrap_or(default);
    let miner = make(&number, (settings.queries > 0).then_some(&items)).map_err(refused)?;
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
