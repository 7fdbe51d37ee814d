//! Miners against pytorch-metric-learning's, in the reference cases of the suite `miners`.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::collections::BTreeSet;
use std::path::Path;

use metric_core::Relevance;
use metric_sampling::{
    AngularMiner, Batch, BatchEasyHard, BatchHard, Choice, Hdc, MultiSimilarityMiner, PairMargin,
    PairMiner, TripletKind, TripletMarginMiner, TripletMiner,
};
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use serde_json::Value;

struct Case<'a> {
    entry: &'a Value,
    tensors: &'a SafeTensors<'a>,
}

type Tuples = BTreeSet<Vec<i64>>;

impl Case<'_> {
    fn number(&self, name: &str) -> f64 {
        self.entry["params"][name].as_f64().unwrap()
    }

    fn word(&self, name: &str) -> &str {
        self.entry["params"][name].as_str().unwrap()
    }

    fn tensor(&self, name: &str) -> (Vec<usize>, &[u8]) {
        let id = self.entry["id"].as_str().unwrap();
        let tensor = self.tensors.tensor(&format!("{id}/{name}")).unwrap();
        (tensor.shape().to_vec(), tensor.data())
    }

    fn integers(&self, name: &str) -> (Vec<usize>, Vec<i64>) {
        let (shape, bytes) = self.tensor(name);
        let (whole, _) = bytes.as_chunks::<8>();
        (
            shape,
            whole.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        )
    }

    /// The embeddings, normalised in `f64` if the case's distance is.
    fn rows(&self) -> Array2<f32> {
        let (shape, bytes) = self.tensor("embeddings");
        let (whole, _) = bytes.as_chunks::<4>();
        let values = whole.iter().map(|b| f64::from(f32::from_le_bytes(*b)));
        let shape = (shape[0], shape[1]);
        let mut rows = Array2::from_shape_vec(shape, values.collect()).unwrap();
        match self.entry["params"]["distance"]["kind"].as_str().unwrap() {
            "l2_normalized" => {
                for mut row in rows.axis_iter_mut(Axis(0)) {
                    let length = row.dot(&row).sqrt().max(1e-12);
                    row /= length;
                }
            }
            kind => assert!(["l2_raw", "cosine"].contains(&kind), "{kind}"),
        }
        rows.mapv(|x| x as f32)
    }

    fn want(&self, name: &str) -> Tuples {
        let (shape, indices) = self.integers(name);
        indices.chunks(shape[1]).map(<[i64]>::to_vec).collect()
    }

    fn is_met(&self) -> bool {
        let rows = self.rows();
        let labels: Vec<u32> = self
            .integers("labels")
            .1
            .iter()
            .map(|&l| l as u32)
            .collect();
        let batch = Batch::new(rows.view(), Relevance::labels(&labels)).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut triplets = |miner: &dyn TripletMiner| {
            let mined = miner.mine(&batch, &mut rng).unwrap();
            let got: Vec<Vec<i64>> = mined
                .iter()
                .map(|(a, p, n)| [a, p, n].map(i64::from).to_vec())
                .collect();
            (got.len() == mined.len(), BTreeSet::from_iter(got)) == (true, self.want("triplets"))
        };
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut pairs = |miner: &dyn PairMiner| {
            let mined = miner.mine(&batch, &mut rng).unwrap();
            let set = |pairs: &mut dyn Iterator<Item = (u32, u32)>| -> Tuples {
                pairs.map(|(a, b)| [a, b].map(i64::from).to_vec()).collect()
            };
            set(&mut mined.positive.iter()) == self.want("positive_pairs")
                && set(&mut mined.negative.iter()) == self.want("negative_pairs")
        };
        match self.entry["op"].as_str().unwrap() {
            "batch_hard" => triplets(&BatchHard::new()),
            "batch_easy_hard" => {
                let choice = |side| match self.word(side) {
                    "hard" => Choice::Hard,
                    "semihard" => Choice::SemiHard,
                    "easy" => Choice::Easy,
                    "all" => Choice::All,
                    other => panic!("{other}"),
                };
                let (positive, negative) = (choice("pos_strategy"), choice("neg_strategy"));
                pairs(&BatchEasyHard::new(positive, negative).unwrap())
            }
            "triplet_margin" => {
                let kind = match self.word("type_of_triplets") {
                    "all" => TripletKind::All,
                    "hard" => TripletKind::Hard,
                    "semihard" => TripletKind::SemiHard,
                    "easy" => TripletKind::Easy,
                    other => panic!("{other}"),
                };
                triplets(&TripletMarginMiner::new(self.number("margin"), kind).unwrap())
            }
            "multi_similarity" => {
                pairs(&MultiSimilarityMiner::new(self.number("epsilon")).unwrap())
            }
            "pair_margin" => {
                let (pull, push) = (self.number("pos_margin"), self.number("neg_margin"));
                pairs(&PairMargin::new(pull, push).unwrap())
            }
            "angular" => triplets(&AngularMiner::new(self.number("angle")).unwrap()),
            "hdc" => pairs(&Hdc::new(self.number("filter_percentage")).unwrap()),
            other => panic!("no miner for {other}"),
        }
    }
}

#[test]
fn reference_cases_are_met() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    if !dir.is_dir() {
        eprintln!("skipped: there is no folder {}", dir.display());
        return;
    }
    let cases = std::fs::read_to_string(dir.join("miners.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let bytes = std::fs::read(dir.join("miners.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert!(!cases.is_empty());
    let failed: Vec<&str> = cases
        .iter()
        .filter(|entry| {
            !Case {
                entry,
                tensors: &tensors,
            }
            .is_met()
        })
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}
