//! The reference-case runner on suites made up here, and on the real ones where they are at hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::path::Path;

use metric_bench::conformance::{
    Case, CaseError, ConformanceError, Filter, Op, OpReport, Outputs, Precision, json_lines,
    known_ops, run, run_with, text_lines,
};
use ndarray::array;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::{Value, json};

/// Writes a suite; tensors are `f64`.
fn write_suite(dir: &Path, suite: &str, cases: &Value, tensors: &[(&str, &[usize], &[f64])]) {
    std::fs::write(dir.join(format!("{suite}.json")), cases.to_string()).unwrap();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F64, shape.to_vec(), bytes).unwrap(),
        )
    });
    serialize_to_file(views, None, &dir.join(format!("{suite}.safetensors"))).unwrap();
}

fn euclidean(id: &str) -> Value {
    json!({"id": id, "op": "euclidean", "params": {}, "inputs": ["x", "y"], "expect": ["distances"]})
}

/// Two cases of distances over (0, 0) and (3, 4): the second expects 6 where 5 is right. A third names no known op.
fn small_suite(dir: &Path) {
    let mut unknown = euclidean("telepathic-000");
    unknown["op"] = json!("telepathic");
    let cases = json!([
        euclidean("euclidean-000"),
        euclidean("euclidean-001"),
        unknown
    ]);
    let mut tensors: Vec<(String, &[usize], &[f64])> = Vec::new();
    for (id, distance) in [
        ("euclidean-000", &[5.0]),
        ("euclidean-001", &[6.0]),
        ("telepathic-000", &[0.0]),
    ] {
        tensors.push((format!("{id}/x"), &[1, 2], &[0.0, 0.0]));
        tensors.push((format!("{id}/y"), &[1, 2], &[3.0, 4.0]));
        tensors.push((format!("{id}/distances"), &[1, 1], distance));
    }
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(n, s, v)| (n.as_str(), *s, *v))
        .collect();
    write_suite(dir, "distances", &cases, &tensors);
}

fn all(dir: &Path) -> Result<Vec<OpReport>, ConformanceError> {
    run(dir, &Filter::default(), Precision::F32)
}

#[test]
fn passed_failed_and_missing_are_told_apart_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let reports = all(folder.path()).unwrap();
    let [euclidean, telepathic] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!(
        (euclidean.cases, euclidean.passed, euclidean.missing),
        (2, 1, false)
    );
    assert_eq!(euclidean.failed, ["euclidean-001"]);
    assert!(
        euclidean.reasons[0].contains("euclidean-001"),
        "{:?}",
        euclidean.reasons
    );
    assert!((euclidean.worst_value - 1.0 / 6.0).abs() < 1e-6);
    assert_eq!(
        (telepathic.cases, telepathic.passed, telepathic.missing),
        (1, 0, true)
    );
    assert_eq!(telepathic.failed, ["telepathic-000"]);

    let lines = json_lines(&reports);
    let object: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    let expected = json!({
        "suite": "distances", "op": "telepathic", "cases": 1, "passed": 0, "worst_value": 0.0,
        "worst_gradient": 0.0, "failed": ["telepathic-000"], "missing": true
    });
    assert_eq!(object, expected);
    let text = text_lines(&reports);
    assert!(
        text.contains("FAILED euclidean-001") && text.contains("missing"),
        "{text}"
    );
    assert!(text.ends_with("1 of 3 cases passed\n"), "{text}");
}

#[test]
fn filters_choose_a_suite_and_an_op_and_an_empty_choice_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let run = |suite: Option<&str>, op: Option<&str>| {
        let filter = Filter {
            suite: suite.map(Into::into),
            op: op.map(Into::into),
        };
        run(folder.path(), &filter, Precision::F32)
    };
    assert_eq!(run(Some("distances"), Some("telepathic")).unwrap().len(), 1);
    assert!(matches!(
        run(Some("losses"), None),
        Err(ConformanceError::NothingToRun { .. })
    ));
    let error = run(None, Some("cosine")).unwrap_err().to_string();
    assert!(error.ends_with("op cosine"), "{error}");
}

#[test]
fn faulty_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let absent = dir.join("absent");
    assert!(all(&absent).unwrap_err().to_string().contains("absent"));

    small_suite(dir);
    let tensors = dir.join("distances.safetensors");
    let bytes = std::fs::read(&tensors).unwrap();
    std::fs::write(&tensors, &bytes[..bytes.len() / 2]).unwrap();
    let error = all(dir).unwrap_err();
    assert!(matches!(error, ConformanceError::Tensors { .. }));
    assert!(
        error.to_string().contains("distances.safetensors"),
        "{error}"
    );

    std::fs::remove_file(&tensors).unwrap();
    let error = all(dir).unwrap_err();
    assert!(matches!(error, ConformanceError::Read { .. }));
    assert!(
        error.to_string().contains("distances.safetensors"),
        "{error}"
    );

    small_suite(dir);
    std::fs::write(dir.join("distances.json"), "[{\"id\": 3}]").unwrap();
    let error = all(dir).unwrap_err();
    assert!(matches!(error, ConformanceError::Cases { .. }));
    assert!(error.to_string().contains("distances.json"), "{error}");

    let twice = json!([euclidean("a"), euclidean("a")]);
    write_suite(
        dir,
        "distances",
        &twice,
        &[
            ("a/x", &[1, 1], &[0.0]),
            ("a/y", &[1, 1], &[0.0]),
            ("a/distances", &[1, 1], &[0.0]),
        ],
    );
    assert!(matches!(all(dir), Err(ConformanceError::DuplicateCase { id, .. }) if id == "a"));

    write_suite(
        dir,
        "distances",
        &json!([euclidean("a")]),
        &[("a/x", &[1, 1], &[0.0])],
    );
    let error = all(dir).unwrap_err();
    assert!(matches!(&error, ConformanceError::MissingTensor { name, .. } if name == "a/y"));
}

#[test]
fn double_precision_asks_for_more_of_ops_that_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases = json!([euclidean("euclidean-000")]);
    // Off by 1e-6: within 1e-4, not within 1e-9.
    write_suite(
        folder.path(),
        "distances",
        &cases,
        &[
            ("euclidean-000/x", &[1, 2], &[0.0, 0.0]),
            ("euclidean-000/y", &[1, 2], &[3.0, 4.0]),
            ("euclidean-000/distances", &[1, 1], &[5.000_005]),
        ],
    );
    let passed = |ops: &[Op], precision| {
        run_with(ops, folder.path(), &Filter::default(), precision).unwrap()[0].passed
    };
    let mut ops = known_ops();
    assert_eq!(passed(&ops, Precision::F32), 1);
    assert_eq!(passed(&ops, Precision::F64), 0);
    for op in &mut ops {
        op.double = None;
    }
    assert_eq!(
        passed(&ops, Precision::F64),
        1,
        "runs in single, judged as single"
    );
    assert_eq!("f64".parse::<Precision>().unwrap(), Precision::F64);
    assert!("f16".parse::<Precision>().is_err());
}

#[test]
fn a_case_that_panics_or_asks_for_the_unknown_fails_alone() {
    fn panicking(case: &Case) -> Result<Outputs, CaseError> {
        assert!(case.id() != "euclidean-000", "on purpose");
        let words = case.params();
        if case.id() == "telepathic-000" {
            return Err(words.wrong("reducer", "a reducer that is known here"));
        }
        Ok(Outputs::new().with("distances", &array![[6.0]]))
    }
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let op = |name| Op {
        suite: "distances",
        name,
        single: panicking,
        double: None,
    };
    let ops = [op("euclidean"), op("telepathic")];
    let reports = run_with(&ops, folder.path(), &Filter::default(), Precision::F64).unwrap();
    assert_eq!(reports[0].failed, ["euclidean-000"]);
    assert_eq!(reports[0].passed, 1);
    assert!(
        reports[0].reasons[0].contains("on purpose"),
        "{:?}",
        reports[0].reasons
    );
    assert!(
        reports[1].reasons[0].contains("parameter reducer must be"),
        "{:?}",
        reports[1].reasons
    );
}

#[test]
fn wrong_parameters_and_tensors_are_named_with_their_case() {
    let folder = tempfile::tempdir().unwrap();
    let mut no_p = euclidean("a");
    no_p["op"] = json!("minkowski");
    let mut small_p = euclidean("b");
    small_p["op"] = json!("minkowski");
    small_p["params"] = json!({"p": 0.5});
    let flat = euclidean("c");
    let mut tensors: Vec<(String, &[usize], &[f64])> = Vec::new();
    for id in ["a", "b", "c"] {
        let shape: &[usize] = if id == "c" { &[2] } else { &[1, 2] };
        tensors.push((format!("{id}/x"), shape, &[0.0, 0.0]));
        tensors.push((format!("{id}/y"), shape, &[3.0, 4.0]));
        tensors.push((format!("{id}/distances"), &[1, 1], &[5.0]));
    }
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(n, s, v)| (n.as_str(), *s, *v))
        .collect();
    write_suite(
        folder.path(),
        "distances",
        &json!([no_p, small_p, flat]),
        &tensors,
    );
    let reports = all(folder.path()).unwrap();
    let reasons: Vec<_> = reports.iter().flat_map(|report| &report.reasons).collect();
    assert_eq!(
        reasons[0],
        "case c: tensor x must be a matrix of numbers, got shape [2]"
    );
    assert_eq!(
        reasons[1],
        "case a: parameter p must be a number, got nothing"
    );
    assert!(
        reasons[2].starts_with("case b: p must be"),
        "{}",
        reasons[2]
    );
}

#[test]
fn known_ops_pass_every_reference_case() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    if !golden.is_dir() {
        eprintln!("skipped: there is no folder {}", golden.display());
        return;
    }
    for precision in [Precision::F32, Precision::F64] {
        let reports = run(&golden, &Filter::default(), precision).unwrap();
        eprintln!("{precision:?}\n{}", text_lines(&reports));
        for report in reports.iter().filter(|report| !report.missing) {
            assert!(report.is_passed(), "{precision:?}: {:#?}", report.reasons);
        }
    }
}
