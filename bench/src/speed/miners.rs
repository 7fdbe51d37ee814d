//! `miner:<name>`: triplets of one batch under Euclidean distance.

use std::hint::black_box;

use metric_core::Relevance;
use metric_sampling::{
    Batch, BatchHard, MiningError, RandomTriplets, SemiHard, TripletKind, TripletMarginMiner,
    TripletMiner,
};

use super::{Op, Settings, SpeedError, Work, data};

/// Default of `--param margin`.
const MARGIN: f64 = 0.2;

type Make = fn(f64) -> Result<Box<dyn TripletMiner>, MiningError>;

/// Names with a miner for a margin.
const MINERS: &[(&str, &[&str], Make)] = &[
    ("miner:batch_hard", &[], |_| Ok(Box::new(BatchHard::new()))),
    ("miner:semi_hard", &["margin"], |margin| {
        Ok(Box::new(SemiHard::new(margin)?))
    }),
    ("miner:triplet_margin", &["margin"], |margin| {
        Ok(Box::new(TripletMarginMiner::new(margin, TripletKind::All)?))
    }),
    ("miner:random", &[], |_| {
        Ok(Box::new(RandomTriplets::new(1)?))
    }),
];

pub(super) fn ops() -> Vec<Op> {
    let op = |&(name, params, make)| {
        Op::new(name, move |settings| prepare(settings, make)).with_params(params)
    };
    MINERS.iter().map(op).collect()
}

fn prepare(settings: &Settings, make: Make) -> Result<Work, SpeedError> {
    let refused = SpeedError::refused("miner");
    let miner = make(settings.number("margin", MARGIN)?).map_err(refused)?;
    let rows = data::rows(settings, settings.n, 1)?;
    let labels = data::labels(settings);
    let mut random = data::generator(4);
    Ok(Work::new(move || {
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).map_err(refused)?;
        black_box(miner.mine(&batch, &mut random).map_err(refused)?);
        Ok(())
    }))
}
