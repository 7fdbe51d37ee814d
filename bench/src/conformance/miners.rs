//! Suite `miners`: which triplets of a batch are chosen.

use metric_core::Relevance;
use metric_sampling::{Batch, BatchHard, TripletKind, TripletMarginMiner, TripletMiner};
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Case, CaseError, Op, Outputs};

pub(super) const OPS: &[Op] = &[
    Op::single("miners", "batch_hard", |case| {
        triplets(case, &BatchHard::new())
    }),
    Op::single("miners", "triplet_margin", triplet_margin),
];

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
    let miner = TripletMarginMiner::new(case.f64_param("margin")?, kind);
    triplets(case, &miner.map_err(|e| case.refused(e))?)
}

fn triplets(case: &Case, miner: &dyn TripletMiner) -> Result<Outputs, CaseError> {
    let rows = rows(case)?;
    let labels = case.labels("labels")?;
    let batch = Batch::new(rows.view(), Relevance::labels(&labels)).map_err(|e| case.refused(e))?;
    // None of these miners draws.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mined = miner
        .mine(&batch, &mut random)
        .map_err(|e| case.refused(e))?;
    let mut rows = Array2::zeros((mined.len(), 3));
    for (mut row, (anchor, positive, negative)) in rows.outer_iter_mut().zip(mined.iter()) {
        row.assign(&ndarray::aview1(
            &[anchor, positive, negative].map(|index| index as usize),
        ));
    }
    Ok(Outputs::new().with_indices("triplets", &rows))
}

/// The embeddings, such that Euclidean distance between them is the distance the case asks for.
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
        "l2_raw" => {}
        _ => return Err(distance.wrong("kind", "a distance that is known here")),
    }
    Ok(rows.mapv(|value| value as f32))
}
