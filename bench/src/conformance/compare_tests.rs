use std::collections::BTreeMap;

use ndarray::{Array, Dimension, array};
use serde_json::{Value, json};

use super::super::case::Head;
use super::*;

fn case(op: &str, params: Value, tensors: &[(&str, Tensor)], expect: &str) -> Case {
    Case {
        head: Head {
            id: format!("{op}-000"),
            op: op.into(),
            params,
            inputs: vec![],
            expect: vec![expect.into()],
            rtol: None,
        },
        tensors: tensors
            .iter()
            .map(|(n, t)| ((*n).into(), t.clone()))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn floats<D: Dimension>(values: Array<f64, D>) -> Tensor {
    Tensor::Float(values.into_dyn())
}

fn ints<D: Dimension>(values: Array<i64, D>) -> Tensor {
    Tensor::Int(values.into_dyn())
}

fn passes(suite: &str, case: &Case, outputs: &Outputs) -> bool {
    compare(suite, case, outputs, Precision::F32)
        .faults
        .is_empty()
}

#[test]
fn a_loss_may_be_off_by_a_ten_thousandth_or_a_millionth() {
    let case = case(
        "contrastive",
        json!({}),
        &[("loss", floats(array![2.0]))],
        "loss",
    );
    let passes = |loss: f64| passes("losses", &case, &Outputs::new().with_value("loss", loss));
    // Allowed: 1e-4 * 2 + 1e-6 = 2.01e-4.
    assert!(passes(2.0 + 2.00e-4) && passes(2.0 - 2.00e-4));
    assert!(!passes(2.0 + 2.02e-4));
    assert!(!passes(f64::NAN) && !passes(f64::INFINITY));
}

#[test]
fn a_case_brings_its_own_tolerance_but_in_f64_only_for_views() {
    let mut case = case(
        "ranked_list",
        json!({}),
        &[("loss", floats(array![1.0]))],
        "loss",
    );
    case.head.rtol = Some(0.01);
    let outputs = Outputs::new().with_value("loss", 1.009);
    let passes =
        |case: &Case, suite, precision| compare(suite, case, &outputs, precision).faults.is_empty();
    assert!(passes(&case, "losses", Precision::F32));
    assert!(!passes(&case, "losses", Precision::F64));
    assert!(passes(&case, "views", Precision::F64));
    // 1e-5 + 1e-6 for the two that the reference itself rounds.
    let near = Outputs::new().with_value("loss", 1.0 + 1.05e-5);
    case.head.op = "histogram".into();
    assert!(
        compare("losses", &case, &near, Precision::F64)
            .faults
            .is_empty()
    );
    case.head.op = "circle".into();
    assert!(
        !compare("losses", &case, &near, Precision::F64)
            .faults
            .is_empty()
    );
}

#[test]
fn gradients_are_measured_by_their_norm_and_kept_apart() {
    let want = floats(array![[3.0, 0.0], [0.0, 4.0]]);
    let case = case(
        "circle",
        json!({}),
        &[("grad_embeddings", want)],
        "grad_embeddings",
    );
    // Norm 5: one entry may be off by 5e-3 + 1e-6.
    let off = |by: f64| Outputs::new().with("grad_embeddings", &array![[3.0, by], [0.0, 4.0]]);
    let verdict = compare("losses", &case, &off(4.9e-3), Precision::F32);
    assert!(verdict.faults.is_empty());
    // 4.9e-3 / (5 + 1e-6 / 1e-3) = 9.798e-4.
    assert!((verdict.worst_gradient - 9.798e-4).abs() < 1e-7 && verdict.worst_value <= 0.0);
    assert!(!passes("losses", &case, &off(5.1e-3)));
    assert!(!passes(
        "losses",
        &case,
        &Outputs::new().with("grad_embeddings", &array![3.0, 4.0])
    ));
    assert!(!passes("losses", &case, &Outputs::new()));
}

#[test]
fn a_distance_of_zero_must_be_zero_unless_it_is_an_angle() {
    let zero = |op| {
        case(
            op,
            json!({}),
            &[("distances", floats(array![[0.0]]))],
            "distances",
        )
    };
    let outputs = Outputs::new().with("distances", &array![[4e-7]]);
    let verdict = compare("distances", &zero("euclidean"), &outputs, Precision::F32);
    assert!(!verdict.faults.is_empty() && verdict.worst_value.is_finite());
    assert!(passes("distances", &zero("cosine"), &outputs));
    assert!(passes(
        "distances",
        &zero("euclidean"),
        &Outputs::new().with("distances", &array![[0.0]])
    ));
}

#[test]
fn an_inner_product_is_held_against_the_lengths_of_its_rows() {
    let tensors = [
        ("x", floats(array![[3.0, 4.0]])),
        ("y", floats(array![[4.0, -3.0], [0.0, 0.0]])),
        ("distances", floats(array![[0.0, 0.0]])),
    ];
    let case = case("inner_product", json!({}), &tensors, "distances");
    // 1e-6 * 5 * 5 = 2.5e-5 for the first, 0 for the second.
    let passes = |a, b| {
        passes(
            "distances",
            &case,
            &Outputs::new().with("distances", &array![[a, b]]),
        )
    };
    assert!(passes(2.4e-5, 0.0));
    assert!(!passes(2.6e-5, 0.0));
    assert!(!passes(0.0, 1e-9));
}

#[test]
fn mined_rows_are_sets() {
    let want = ints(array![[0i64, 1, 2], [1, 0, 2]]);
    let case = case("batch_hard", json!({}), &[("triplets", want)], "triplets");
    let passes = |rows: Array2<usize>| {
        passes(
            "miners",
            &case,
            &Outputs::new().with_indices("triplets", &rows),
        )
    };
    assert!(passes(array![[1, 0, 2], [0, 1, 2]]));
    assert!(!passes(array![[1, 0, 2]]));
    assert!(!passes(array![[1, 0, 2], [0, 1, 2], [2, 1, 0]]));
    assert!(!passes(array![[1, 0], [0, 1]]));
}

#[test]
fn neighbours_equally_far_may_change_places_and_no_others() {
    let tensors = [
        ("x", floats(array![[0.0], [1.0], [-1.0 - 1e-8], [3.0]])),
        ("indices", ints(array![[1i64, 2], [0, 3], [0, 1], [1, 0]])),
    ];
    let params = json!({"k": 2, "metric": "euclidean", "exclude_self": true});
    let case = case("knn", params, &tensors, "indices");
    let passes = |first: [usize; 2]| {
        let rows = array![first, [0, 3], [0, 1], [1, 0]];
        passes(
            "retrieval",
            &case,
            &Outputs::new().with_indices("indices", &rows),
        )
    };
    assert!(passes([1, 2]));
    assert!(passes([2, 1]));
    assert!(!passes([1, 3]));
    assert!(!passes([1, 1]), "the same one twice");
    assert!(!passes([1, 0]), "itself");
    assert!(!passes([1, 9]), "not a row");
}
