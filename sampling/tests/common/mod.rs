//! Batches of every kind as plain tables, and every miner there is.

use metric_core::{LabelSets, Relevance, SquaredEuclidean};
use metric_sampling::{
    AllPairs, AllTriplets, AngularMiner, Batch, BatchEasyHard, BatchHard, Capped, Choice,
    DistanceWeighted, HardClusters, HardestNegatives, Hdc, MultiSimilarityMiner, NegativePairs,
    PairMargin, PairMiner, Pairs, PositivePairs, RandomTriplets, RhoSwitch, SemiHard, SoftHard,
    TripletKind, TripletMarginMiner, TripletMiner, UniformHistogram,
};
use metric_testkit::oracle::squared_euclidean;
use metric_testkit::strategy::labelled_grid_points;
use ndarray::Array2;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) type Triples = Vec<(u32, u32, u32)>;
pub(crate) type Twos = Vec<(u32, u32)>;

pub(crate) fn matrix(rows: &[Vec<f64>]) -> Array2<f32> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] as f32)
}

pub(crate) fn generator(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Unit rows from every direction alike.
pub(crate) fn sphere(n: usize, dim: usize, seed: u64) -> Array2<f32> {
    let mut rng = generator(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let mut rows = Array2::from_shape_simple_fn((n, dim), &mut normal);
    for mut row in rows.rows_mut() {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    rows.mapv(|x| x as f32)
}

pub(crate) fn triplets(miner: &dyn TripletMiner, batch: &Batch<'_>, seed: u64) -> Triples {
    let mined = miner.mine(batch, &mut generator(seed)).unwrap();
    mined.iter().collect()
}

/// Positive and negative pairs.
pub(crate) fn pairs(miner: &dyn PairMiner, batch: &Batch<'_>, seed: u64) -> (Twos, Twos) {
    let mined = miner.mine(batch, &mut generator(seed)).unwrap();
    (
        mined.positive.iter().collect(),
        mined.negative.iter().collect(),
    )
}

/// What an item is to an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Positive,
    Negative,
    Neither,
}

/// How a batch comes by its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Own,
    Reference,
    Candidates,
    ReferenceCandidates,
    Sets,
    Function,
}

pub(crate) const WAYS: [Way; 6] = [
    Way::Own,
    Way::Reference,
    Way::Candidates,
    Way::ReferenceCandidates,
    Way::Sets,
    Way::Function,
];

/// A batch as tables.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) items: Vec<Vec<f64>>,
    pub(crate) item_labels: Vec<u32>,
    pub(crate) row_labels: Vec<u32>,
    pub(crate) kinds: Vec<Vec<Kind>>,
}

impl World {
    /// Squared distance; of grid points exact in both precisions.
    pub(crate) fn d2(&self, a: usize, j: usize) -> f64 {
        squared_euclidean(&self.rows[a], &self.items[j])
    }

    /// Distance as a miner has it: the root of an exact square, rounded once.
    pub(crate) fn d(&self, a: usize, j: usize) -> f64 {
        f64::from(self.d2(a, j).sqrt() as f32)
    }

    fn of_kind(&self, a: usize, kind: Kind) -> Vec<usize> {
        let items = 0..self.items.len();
        items.filter(|&j| self.kinds[a][j] == kind).collect()
    }

    pub(crate) fn positives(&self, a: usize) -> Vec<usize> {
        self.of_kind(a, Kind::Positive)
    }

    pub(crate) fn negatives(&self, a: usize) -> Vec<usize> {
        self.of_kind(a, Kind::Negative)
    }

    /// All pairs of a kind.
    pub(crate) fn all(&self, kind: Kind) -> Vec<(usize, usize)> {
        let anchors = 0..self.rows.len();
        let of = |a| self.of_kind(a, kind).into_iter().map(move |j| (a, j));
        anchors.flat_map(of).collect()
    }
}

pub(crate) fn narrow2(pairs: impl IntoIterator<Item = (usize, usize)>) -> Twos {
    pairs
        .into_iter()
        .map(|(a, b)| (a as u32, b as u32))
        .collect()
}

/// Points, labels, a seed, where to split rows from reference, and a way.
pub(crate) type Input = ((Vec<Vec<f64>>, Vec<u32>), u64, f64, Way);

pub(crate) fn inputs(most: usize) -> impl Strategy<Value = Input> {
    (
        labelled_grid_points(2..most, 4),
        any::<u64>(),
        0.1..0.9f64,
        proptest::sample::select(WAYS.to_vec()),
    )
}

/// Calls a test with a batch and the tables it should agree with.
pub(crate) fn with_world<R>(input: &Input, test: impl FnOnce(&World, &Batch<'_>) -> R) -> R {
    let ((points, labels), seed, split, way) = input;
    let mut rng = generator(*seed);
    let is_apart = matches!(way, Way::Reference | Way::ReferenceCandidates);
    let cut = if is_apart {
        ((points.len() as f64 * split) as usize).clamp(1, points.len() - 1)
    } else {
        0
    };
    let (row_labels, item_labels) = if is_apart {
        labels.split_at(cut)
    } else {
        (&labels[..], &labels[..])
    };
    let (rows, items) = if is_apart {
        points.split_at(cut)
    } else {
        (&points[..], &points[..])
    };
    let (n, m) = (rows.len(), items.len());
    // Sets of up to three labels of four, by their bits.
    let masks: Vec<u32> = (0..m).map(|_| rng.random_range(0..16)).collect();
    let grades: Vec<f32> = (0..n * m).map(|_| rng.random_range(-1.0..1.0)).collect();
    let chosen: Vec<Kind> = (0..n * m)
        .map(|_| [Kind::Positive, Kind::Negative, Kind::Neither][rng.random_range(0..3)])
        .collect();
    let kind = |a: usize, j: usize| {
        let is_positive = match way {
            Way::Own | Way::Reference => row_labels[a] == item_labels[j],
            Way::Sets => masks[a] & masks[j] != 0 || masks[a] | masks[j] == 0,
            Way::Function => grades[a * m + j] > 0.0,
            Way::Candidates | Way::ReferenceCandidates => return chosen[a * m + j],
        };
        if is_positive {
            Kind::Positive
        } else {
            Kind::Negative
        }
    };
    let kinds = (0..n)
        .map(|a| {
            let or_itself = |j| {
                if !is_apart && a == j {
                    Kind::Neither
                } else {
                    kind(a, j)
                }
            };
            (0..m).map(or_itself).collect()
        })
        .collect();
    let world = World {
        rows: rows.to_vec(),
        items: items.to_vec(),
        item_labels: item_labels.to_vec(),
        row_labels: row_labels.to_vec(),
        kinds,
    };
    let bits = |&mask: &u32| (0..4).filter(move |bit| mask >> bit & 1 == 1);
    let set_labels: Vec<u32> = masks.iter().flat_map(bits).collect();
    let sizes = masks.iter().map(|mask| mask.count_ones() as usize);
    let ends: Vec<usize> = sizes
        .scan(0, |end, size| {
            *end += size;
            Some(*end)
        })
        .collect();
    let grade = |a: usize, j: usize| grades[a * m + j];
    let relevance = match way {
        Way::Sets => Relevance::sets(LabelSets::new(&set_labels, &ends).unwrap()),
        Way::Function => Relevance::with(n, m, &grade),
        _ => Relevance::labels_against(row_labels, item_labels),
    };
    let (rows, items) = (matrix(rows), matrix(items));
    let batch = if is_apart {
        Batch::against(rows.view(), items.view(), relevance).unwrap()
    } else {
        Batch::new(rows.view(), relevance).unwrap()
    };
    if matches!(way, Way::Candidates | Way::ReferenceCandidates) {
        let candidates = Pairs {
            positive: PositivePairs::from_iter(narrow2(world.all(Kind::Positive))),
            negative: NegativePairs::from_iter(narrow2(world.all(Kind::Negative))),
        };
        test(&world, &batch.among(&candidates).unwrap())
    } else {
        test(&world, &batch)
    }
}

pub(crate) type NamedTriplets = (&'static str, Box<dyn TripletMiner>);
pub(crate) type NamedPairs = (&'static str, Box<dyn PairMiner>);

/// Every triplet miner that does not draw.
pub(crate) fn fixed_triplet_miners() -> Vec<NamedTriplets> {
    let margin = |kind| Box::new(TripletMarginMiner::new(0.2, kind).unwrap());
    vec![
        ("all triplets", Box::new(AllTriplets)),
        ("batch hard", Box::new(BatchHard::new())),
        ("semi-hard", Box::new(SemiHard::new(0.2).unwrap())),
        (
            "squared semi-hard",
            Box::new(SemiHard::new(0.2).unwrap().with_distance(SquaredEuclidean)),
        ),
        ("margin, all", margin(TripletKind::All)),
        ("margin, hard", margin(TripletKind::Hard)),
        ("margin, semi-hard", margin(TripletKind::SemiHard)),
        ("margin, easy", margin(TripletKind::Easy)),
        ("angular", Box::new(AngularMiner::default())),
    ]
}

/// Every triplet miner that draws.
pub(crate) fn random_triplet_miners() -> Vec<NamedTriplets> {
    let distance_weighted = DistanceWeighted::new();
    vec![
        ("random", Box::new(RandomTriplets::new(3).unwrap())),
        ("soft-hard", Box::new(SoftHard::new())),
        ("distance-weighted", Box::new(distance_weighted)),
        (
            "distance-weighted, 5",
            Box::new(distance_weighted.with_per_anchor(5).unwrap()),
        ),
        ("capped", Box::new(Capped::new(AllTriplets, 3).unwrap())),
    ]
}

/// One that makes triplets which the batch does not have.
pub(crate) fn rho_switch() -> RhoSwitch<BatchHard> {
    RhoSwitch::new(BatchHard::new(), 0.3).unwrap()
}

/// Every pair miner that does not draw and takes any labels.
pub(crate) fn fixed_pair_miners() -> Vec<NamedPairs> {
    let mut miners: Vec<NamedPairs> = vec![
        ("all pairs", Box::new(AllPairs)),
        (
            "hardest negatives",
            Box::new(HardestNegatives::new(2).unwrap().skipping(1)),
        ),
        ("pair margin", Box::new(PairMargin::default())),
        (
            "multi-similarity",
            Box::new(MultiSimilarityMiner::default()),
        ),
        ("hdc", Box::new(Hdc::new(0.3).unwrap())),
    ];
    for (positive, negative) in choices() {
        let miner = BatchEasyHard::new(positive, negative).unwrap();
        miners.push(("batch easy hard", Box::new(miner)));
    }
    miners
}

/// Every pair miner that draws.
pub(crate) fn random_pair_miners() -> Vec<NamedPairs> {
    vec![
        (
            "histogram",
            Box::new(UniformHistogram::new(4, 2, 2).unwrap()),
        ),
        ("capped", Box::new(Capped::new(AllPairs, 2).unwrap())),
    ]
}

/// One that is about classes.
pub(crate) fn hard_clusters() -> NamedPairs {
    ("hard clusters", Box::new(HardClusters::new(1).unwrap()))
}

/// All that are allowed.
pub(crate) fn choices() -> Vec<(Choice, Choice)> {
    use Choice::{All, Easy, Hard, SemiHard};
    let all = [Hard, SemiHard, Easy, All];
    let choices = all.into_iter().flat_map(|p| all.map(|n| (p, n)));
    let refused = [(SemiHard, SemiHard), (SemiHard, All), (All, SemiHard)];
    choices.filter(|choice| !refused.contains(choice)).collect()
}
