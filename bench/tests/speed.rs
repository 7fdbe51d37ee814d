//! The program's `metric speed` as a user runs it, and the table of its operations.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

use std::collections::BTreeMap;
use std::process::{Command, Output};

use metric_bench::speed::{Request, Settings, known_ops, measure};
use serde_json::Value;

/// `metric speed` with the words of `line` as its options.
fn speed(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_metric"))
        .arg("speed")
        .args(line.split_whitespace())
        .output()
        .expect("the program starts")
}

fn succeed(line: &str) -> Value {
    let output = speed(line);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{line}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Exit status 2 and one line on standard error, which is returned.
fn refuse(line: &str) -> String {
    let output = speed(line);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}: {error}");
    assert!(error.starts_with("error: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{line}: {error}");
    assert!(output.stdout.is_empty(), "{line}");
    error
}

#[test]
fn a_report_has_exactly_the_promised_keys_and_possible_numbers() {
    let line = "--op pairwise:euclidean --n 300 --dim 7 --threads 1 --repeat 3 --json";
    let report = succeed(line);
    let report = report.as_object().unwrap();
    let mut keys: Vec<&str> = report.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "cpu_ms",
            "dim",
            "extra_rss_mb",
            "median_ms",
            "min_ms",
            "n",
            "op",
            "peak_rss_mb",
            "threads"
        ]
    );
    assert_eq!(report["op"], "pairwise:euclidean");
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!((count("n"), count("dim"), count("threads")), (300, 7, 1));
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!(0.0 < number("min_ms") && number("min_ms") <= number("median_ms"));
    if cfg!(target_os = "linux") {
        assert!(number("cpu_ms") > 0.0);
        assert!(number("peak_rss_mb") > number("extra_rss_mb"));
    }
}

#[test]
fn the_extra_memory_of_a_matrix_is_about_its_size() {
    // Resident memory is counted in pages and batches of them; whether the peak can be reset is up to the system.
    let report = succeed("--op pairwise:manhattan --n 2000 --dim 2 --repeat 1 --json");
    if let Some(extra) = report["extra_rss_mb"].as_f64() {
        let matrix = 2000.0 * 2000.0 * 4.0 / f64::from(1 << 20);
        assert!(
            (0.9 * matrix..matrix + 8.0).contains(&extra),
            "{extra} MB, the matrix has {matrix}"
        );
    }
}

#[test]
fn every_operation_runs_on_little_data_and_says_how_long() {
    let request = Request {
        n: Some(24),
        dim: Some(5),
        classes: Some(6),
        k: Some(3),
        repeat: Some(1),
        threads: Some(2),
        ..Request::default()
    };
    let settings = Settings::new(&request).unwrap();
    let ops = known_ops();
    assert!(ops.len() > 20);
    for op in ops {
        let report = measure(&op, &settings).unwrap_or_else(|error| panic!("{op}: {error}"));
        assert_eq!((report.op, report.n, report.threads), (op, 24, 2));
        assert!(report.median_ms > 0.0 && report.median_ms.is_finite());
    }
}

#[test]
fn the_golden_names_of_what_is_built_are_known() {
    let known = known_ops();
    for name in [
        "pairwise:squared_euclidean",
        "pairwise:chebyshev",
        "pairwise:mahalanobis",
        "pairwise:inner_product",
        "pair:minkowski",
        "knn:angular",
        "kmeans",
        "kmeans++",
        "loss:triplet_margin",
        "loss:arc_face",
        "loss:signal_to_noise_ratio_contrastive",
        "loss:regularizer_center_invariant",
        "loss:smooth_ap",
        "miner:batch_hard",
        "evaluate",
        "product",
    ] {
        assert!(known.iter().any(|op| op == name), "{name}");
    }
    let mut once = known.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), known.len(), "no name is listed twice");
}

#[test]
fn queries_and_data_and_orders_are_options() {
    for line in [
        "--op knn:euclidean --n 50 --dim 4 --queries 0 --json",
        "--op knn:euclidean --n 50 --dim 4 --queries 3 --k 60 --param data=uniform --json",
        "--op pairwise:minkowski --n 20 --dim 4 --param p=1.5 --param data=clusters --json",
        "--op kmeans --n 40 --dim 3 --k 4 --param iterations=2 --param variant=hamerly --json",
        "--op kmeans++ --n 40 --dim 3 --k 4 --param trials=1 --json",
        "--op miner:triplet_margin --classes 4 --per-class 3 --dim 4 --param margin=0.1 --json",
        "--op loss:triplet_margin --classes 4 --per-class 3 --dim 4 --param mining=semi_hard --json",
        "--op loss:arc_face --n 8 --dim 4 --param num_classes=50 --json",
        "--op product --n 300 --dim 3 --param engine=burn --json",
        "--op product --n 300 --dim 3 --param engine=ndarray --json",
    ] {
        assert!(succeed(line)["median_ms"].as_f64().unwrap() > 0.0);
    }
    let batch = succeed("--op loss:contrastive --classes 4 --per-class 3 --dim 8 --json");
    assert_eq!(batch["n"], 12, "classes x examples of a class");
}

#[test]
fn without_json_it_is_a_sentence() {
    let output = speed("--op pair:euclidean --dim 16 --repeat 1 --threads 1");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("pair:euclidean, ") && text.contains("median 0.0000"),
        "{text}"
    );
}

#[test]
fn an_unknown_operation_is_answered_with_the_known_ones() {
    for op in ["pairwise:euclid", "pairwise", "", "evaluate:all"] {
        let error = refuse(&format!("--op={op}"));
        for known in [
            "pairwise:euclidean",
            "loss:center",
            "evaluate",
            "laws:cosine",
        ] {
            assert!(error.contains(known), "{op}: {error}");
        }
    }
    let error = refuse("--op laws:inner_product");
    assert!(error.contains("laws:euclidean"), "{error}");
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let refusals = BTreeMap::from([
        ("--n 0", "--n must be at least 1"),
        ("--dim 0", "--dim must be at least 1"),
        ("--classes 0", "--classes must be at least 1"),
        ("--per-class 0", "--per-class must be at least 1"),
        ("--k 0", "--k must be at least 1"),
        ("--threads 0", "--threads must be at least 1"),
        ("--repeat 0", "--repeat must be at least 1"),
        ("--threads 2000", "--threads must be at most 1024"),
        ("--n 4 --classes 5", "--classes must be at most --n"),
        (
            "--n 9 --classes 2 --per-class 4",
            "--n must be --classes x --per-class",
        ),
        ("--n 18446744073709551615", "--n must be at most"),
        ("--n 1000000000 --dim 1", "2^34"),
        ("--param p=3", "no parameter p; it has data"),
        (
            "--param data=lumps",
            "--param data must be uniform, normal or clusters",
        ),
    ]);
    for (options, expected) in refusals {
        let error = refuse(&format!("--op pairwise:euclidean {options}"));
        assert!(error.contains(expected), "{options}: {error}");
    }
    for (p, expected) in [("0.5", "p must be at least 1"), ("three", "a number")] {
        let error = refuse(&format!("--op pairwise:minkowski --n 8 --param p={p}"));
        assert!(error.contains(expected), "{p}: {error}");
    }
}

#[test]
fn parameters_of_losses_and_products_are_checked() {
    for (line, expected) in [
        (
            "loss:sup_con --param num_classes=9",
            "no parameter num_classes",
        ),
        (
            "loss:arc_face --n 8 --param num_classes=1",
            "num_classes must be at least --classes",
        ),
        (
            "loss:arc_face --n 8 --param num_classes=many",
            "a whole number",
        ),
        (
            "loss:triplet_margin --n 8 --param mining=hard",
            "none or semi_hard",
        ),
        (
            "product --n 8 --param engine=abacus",
            "tiles, ndarray or burn",
        ),
    ] {
        let error = refuse(&format!("--op {line}"));
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn laws_are_shown_for_rows_far_from_the_origin() {
    let found = succeed("--op laws:euclidean --n 40 --dim 16 --json");
    let number = |key: &str| found[key].as_f64().unwrap();
    assert_eq!(number("self_distance"), 0.0);
    assert_eq!(number("asymmetry"), 0.0);
    // A difference, a square, 16 additions and a root of f32 each round once; the differences of the rows are exact
    // enough by Sterbenz's lemma. Well below what is lost where squares near 1e8 cancel.
    assert!(number("worst_relative_error") <= 20.0 * f64::from(f32::EPSILON));
}
