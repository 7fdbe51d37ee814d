//! Suite `miners`: which pairs and triplets of a batch are chosen.

use metric_core::Relevance;
use metric_sampling::{
    AngularMiner, Batch, BatchEasyHard, BatchHard, Choice, Hdc, MiningError, MultiSimilarityMiner,
    PairMargin, PairMiner, TripletKind, TripletMarginMiner, TripletMiner,
};
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Case, CaseError, Op, Outputs};

pub(super) const OPS: &[Op] = &[
    Op::single("miners", "batch_hard", |case| {
        triplets(case, Ok(BatchHard::new()))
    }),
    Op::single("miners", "batch_easy_hard", batch_easy_hard),
    Op::single("miners", "triplet_margin", triplet_margin),
    Op::single("miners", "multi_similarity", |case| {
        pairs(case, MultiSimilarityMiner::new(case.f64_param("epsilon")?))
    }),
    Op::single("miners", "pair_margin", |case| {
        let (pull, push) = (case.f64_param("pos_margin")?, case.f64_param("neg_margin")?);
        pairs(case, PairMargin::new(pull, push))
    }),
    Op::single("miners", "angular", |case| {
        triplets(case, AngularMiner::new(case.f64_param("angle")?))
    }),
    Op::single("miners", "hdc", |case| {
        pairs(case, Hdc::new(case.f64_param("filter_percentage")?))
    }),
];

fn batch_easy_hard(case: &Case) -> Result<Outputs, CaseError> {
    let choice = |key: &str| {
        Ok(match case.str_param(key)? {
            "hard" => Choice::Hard,
            "semihard" => Choice::SemiHard,
            "easy" => Choice::Easy,
            "all" => Choice::All,
            _ => return Err(case.params().wrong(key, "a choice that is known here")),
        })
    };
    let (positive, negative) = (choice("pos_strategy")?, choice("neg_strategy")?);
    pairs(case, BatchEasyHard::new(positive, negative))
}

fn triplet_margin(case: &Case) -> Result<Outputs, CaseError> {
    let kind = match case.str_param("type_of_triplets")? {
        "all" => TripletKind::All,
        "hard" => TripletKind::Hard,
        "semihard" => TripletKind::SemiHard,
        "easy" => TripletKind::Easy,
        _ => {
            return Err(case
                .params()
                .wrong("type_of_triplets", "a kind that is known here"));
        }
    };
    let margin = case.f64_param("margin")?;
    triplets(case, TripletMarginMiner::new(margin, kind))
}

fn triplets(
    case: &Case,
    miner: Result<impl TripletMiner, MiningError>,
) -> Result<Outputs, CaseError> {
    let mined = mine(case, miner, |miner, batch, random| {
        miner.mine(batch, random)
    })?;
    let rows = mined.iter().map(|(a, p, n)| [a, p, n]);
    Ok(Outputs::new().with_indices("triplets", &table(rows)))
}

fn pairs(case: &Case, miner: Result<impl PairMiner, MiningError>) -> Result<Outputs, CaseError> {
    let mined = mine(case, miner, |miner, batch, random| {
        miner.mine(batch, random)
    })?;
    let table = |pairs: &mut dyn Iterator<Item = (u32, u32)>| table(pairs.map(|(a, b)| [a, b]));
    Ok(Outputs::new()
        .with_indices("positive_pairs", &table(&mut mined.positive.iter()))
        .with_indices("negative_pairs", &table(&mut mined.negative.iter())))
}

fn mine<M, T>(
    case: &Case,
    miner: Result<M, MiningError>,
    of: impl FnOnce(&M, &Batch<'_>, &mut ChaCha8Rng) -> Result<T, MiningError>,
) -> Result<T, CaseError> {
    let miner = miner.map_err(|e| case.refused(e))?;
    let rows = rows(case)?;
    let labels = case.labels("labels")?;
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).map_err(|e| case.refused(e))?;
    // None of these miners draws.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    of(&miner, &batch, &mut random).map_err(|e| case.refused(e))
}

fn table<const N: usize>(tuples: impl Iterator<Item = [u32; N]>) -> Array2<usize> {
    let tuples: Vec<[u32; N]> = tuples.collect();
    Array2::from_shape_fn((tuples.len(), N), |(i, j)| tuples[i][j] as usize)
}

/// The embeddings, such that the miner's own distance between them is the one the case asks for.
fn rows(case: &Case) -> Result<Array2<f32>, CaseError> {
    let mut rows = case.matrix::<f64>("embeddings")?;
    let distance = case.params().object("distance")?;
    match distance.str("kind")? {
        "l2_normalized" => {
            for mut row in rows.axis_iter_mut(Axis(0)) {
                let length = row.dot(&row).sqrt().max(1e-12);
                row /= length;
            }
        }
        "l2_raw" | "cosine" => {}
        _ => return Err(distance.wrong("kind", "a distance that is known here")),
    }
    Ok(rows.mapv(|value| value as f32))
}
