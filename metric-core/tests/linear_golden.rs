//! Learned maps against scikit-learn and metric-learn; `golden/linear.py` made the numbers.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use metric_core::linear::{Covariance, Estimator, Lda, LinearMap, Nca, Pca, Rca};
use ndarray::{Array1, Array2, ArrayView2, array, s};
use serde_json::Value;

struct Golden(Value);

impl Golden {
    fn read() -> Self {
        let text = include_str!("golden/linear.json");
        Self(serde_json::from_str(text).unwrap())
    }

    fn matrix(&self, path: &str) -> Array2<f64> {
        let rows = self.0.pointer(path).unwrap().as_array().unwrap();
        let entry = |(i, j): (usize, usize)| rows[i][j].as_f64().unwrap();
        let columns = rows[0].as_array().unwrap().len();
        Array2::from_shape_fn((rows.len(), columns), entry)
    }

    fn number(&self, path: &str) -> f64 {
        self.0.pointer(path).unwrap().as_f64().unwrap()
    }

    fn labels(&self) -> Vec<u32> {
        let labels = self.0["labels"].as_array().unwrap();
        labels.iter().map(|l| l.as_u64().unwrap() as u32).collect()
    }
}

// Both sides are backward stable in `f64` on matrices of condition below 1e4 and eigenvalue gaps above 1e-2 of the
// largest: 1e4 ε / 1e-2 = 2e-10.
const LIMIT: f64 = 1e-9;

fn close(got: ArrayView2<'_, f64>, want: ArrayView2<'_, f64>) {
    assert_eq!(got.dim(), want.dim());
    let largest = want.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (at, want) in want.indexed_iter() {
        let error = (got[at] - want).abs();
        assert!(error <= LIMIT * largest, "{at:?}: {} for {want}", got[at]);
    }
}

/// Row for row, up to sign.
fn close_but_for_signs(got: ArrayView2<'_, f64>, want: ArrayView2<'_, f64>) {
    assert_eq!(got.dim(), want.dim());
    let signs = got.rows().into_iter().zip(want.rows());
    let signs: Vec<f64> = signs.map(|(g, w)| g.dot(&w).signum()).collect();
    let signs = Array2::from_shape_vec((signs.len(), 1), signs).unwrap();
    close(got, (&want * &signs).view());
}

#[test]
fn ledoit_wolf_is_that_of_scikit_learn() {
    let golden = Golden::read();
    for (rows, name) in [("/rows", "/ledoit_wolf"), ("/wide", "/ledoit_wolf_wide")] {
        let covariance =
            Covariance::fit(golden.matrix(rows).view(), Estimator::LedoitWolf).unwrap();
        let want = golden.number(&format!("{name}/shrinkage"));
        assert!((covariance.shrinkage() - want).abs() <= LIMIT * want);
        let want = golden.matrix(&format!("{name}/covariance"));
        close(covariance.matrix().view(), want.view());
    }
}

#[test]
fn covariance_is_that_of_numpy() {
    let golden = Golden::read();
    let got = Covariance::fit(golden.matrix("/rows").view(), Estimator::Unbiased).unwrap();
    close(got.matrix().view(), golden.matrix("/covariance").view());
}

#[test]
fn principal_components_are_those_of_scikit_learn() {
    let golden = Golden::read();
    let rows = golden.matrix("/rows");
    let map = Pca::components(5).fit(rows.view()).unwrap();
    close_but_for_signs(map.matrix(), golden.matrix("/pca").view());
    let images = map.transform(rows.view()).unwrap();
    let got = Covariance::fit(images.view(), Estimator::Unbiased).unwrap();
    let variances = golden.0["pca_variances"].as_array().unwrap();
    let variances = variances.iter().map(|v| v.as_f64().unwrap());
    let want = Array2::from_diag(&variances.collect::<Array1<f64>>());
    close(got.matrix().view(), want.view());
    let whitened = Pca::components(2).whiten(true).fit(rows.view()).unwrap();
    let images = whitened.transform(rows.view()).unwrap();
    close_but_for_signs(images.t(), golden.matrix("/pca_whitened").t());
}

#[test]
fn discriminants_are_those_of_both_solvers_of_scikit_learn() {
    let golden = Golden::read();
    let rows = golden.matrix("/rows");
    let map = Lda::new().fit(rows.view(), &golden.labels()).unwrap();
    close_but_for_signs(map.matrix(), golden.matrix("/lda_eigen").view());
    // The other solver divides by n − classes, not n.
    let unbiased = Lda::new().estimator(Estimator::Unbiased);
    let images = unbiased.fit(rows.view(), &golden.labels()).unwrap();
    let images = images.transform(rows.view()).unwrap();
    close_but_for_signs(images.t(), golden.matrix("/lda_svd").t());
    let first = Lda::new().components(1).fit(rows.view(), &golden.labels());
    assert_eq!(first.unwrap().matrix(), map.matrix().slice(s![..1, ..]));
}

#[test]
fn relevant_components_are_those_of_metric_learn() {
    let golden = Golden::read();
    let chunklets = golden.0["chunklets"].as_array().unwrap();
    let chunklets: Vec<Option<u32>> = chunklets
        .iter()
        .map(|c| u32::try_from(c.as_i64().unwrap()).ok())
        .collect();
    let map = Rca::new().fit(golden.matrix("/rows").view(), &chunklets);
    close(map.unwrap().matrix(), golden.matrix("/rca").view());
}

/// `Σ pᵢ`, as in the paper.
fn picks(images: &Array2<f64>, labels: &[u32]) -> f64 {
    let n = images.nrows();
    let distance = |i: usize, j: usize| {
        let difference = &images.row(i) - &images.row(j);
        difference.dot(&difference)
    };
    let share = |i: usize| {
        let others = || (0..n).filter(|&j| j != i);
        let least = others()
            .map(|j| distance(i, j))
            .fold(f64::INFINITY, f64::min);
        let sum = |same: bool| -> f64 {
            let chosen = others().filter(|&j| !same || labels[i] == labels[j]);
            chosen.map(|j| (least - distance(i, j)).exp()).sum()
        };
        sum(true) / sum(false)
    };
    (0..n).map(share).sum()
}

#[test]
fn neighbourhood_components_are_those_of_scikit_learn_where_there_is_one_maximum() {
    let golden = Golden::read();
    let rows = golden.matrix("/rows").slice(s![.., ..1]).to_owned() / golden.number("/nca/divisor");
    let labels = golden.labels();
    let search = Nca::new().iterations(500).tolerance(1e-12);
    let one = LinearMap::new(array![[1.0]].view(), array![0.0].view()).unwrap();
    for map in [
        search.fit(rows.view(), &labels).unwrap(),
        search.fit_from(rows.view(), &labels, &one).unwrap(),
    ] {
        let got = picks(&map.transform(rows.view()).unwrap(), &labels);
        let want = golden.number("/nca/objective");
        // A step near the maximum gains less than 1e-12 of about 12 where each side stops.
        assert!((got - want).abs() <= 1e-10 * want, "{got}, {want}");
        // The maximum is flat: an error e in the map costs e² there.
        let (got, want) = (map.matrix()[[0, 0]], golden.number("/nca/map"));
        assert!((got.abs() - want).abs() <= 1e-5 * want, "{got}, {want}");
    }
}
