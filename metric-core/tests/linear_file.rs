//! Saving and loading maps.

#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::fs;
use std::path::Path;

use metric_core::Error;
use metric_core::linear::{LinearMap, MapFault};
use ndarray::{Array1, Array2, array};

/// Numbers of every kind: long fractions, subnormal, huge, negative zero.
fn map() -> LinearMap<f32> {
    let matrix = array![
        [0.1, -1.0 / 3.0, 5e-324],
        [f64::MAX, -0.0, f64::MIN_POSITIVE / 3.0]
    ];
    LinearMap::new(
        matrix.view(),
        array![1e-300, std::f64::consts::PI, -7.0].view(),
    )
    .unwrap()
}

fn bits(map: &LinearMap<f32>) -> Vec<u64> {
    let numbers = map
        .mean()
        .into_iter()
        .chain(&map.matrix())
        .copied()
        .collect::<Vec<f64>>();
    numbers.into_iter().map(f64::to_bits).collect()
}

fn fault(path: &Path, bytes: &[u8]) -> MapFault {
    fs::write(path, bytes).unwrap();
    let error = LinearMap::<f32>::load(path).unwrap_err();
    assert_eq!(error.path, path);
    assert!(error.to_string().contains("map.json"), "{error}");
    error.fault
}

#[test]
fn a_map_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json");
    map().save(&path).unwrap();
    let back = LinearMap::load(&path).unwrap();
    assert_eq!(bits(&back), bits(&map()));
    assert_eq!(back.matrix().dim(), (2, 3));
    let many = Array2::from_shape_fn((37, 53), |(i, j)| ((i * 53 + j) as f64).sin().powi(9));
    let mean: Array1<f64> = many.row(3).mapv(|x| x.exp());
    let many = LinearMap::new(many.view(), mean.view()).unwrap();
    many.save(&path).unwrap(); // in place of the other
    assert_eq!(bits(&LinearMap::load(&path).unwrap()), bits(&many));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json");
    map().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        let fault = fault(&path, &whole[..length]);
        assert!(matches!(fault, MapFault::Json(_)), "{length}: {fault}");
    }
    let longer = [whole.as_slice(), b"}"].concat();
    assert!(matches!(fault(&path, &longer), MapFault::Json(_)));
}

#[test]
fn a_file_with_any_byte_changed_is_refused_or_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json");
    map().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        // One bit, which turns digits into digits.
        broken[at] ^= 1;
        fs::write(&path, &broken).unwrap();
        match LinearMap::<f32>::load(&path) {
            // A digit past the precision of the number.
            Ok(back) => assert_eq!(bits(&back), bits(&map())),
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > whole.len() * 9 / 10,
        "{refused} of {}",
        whole.len()
    );
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json");
    map().save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        fault(&path, text.replacen(from, to, 1).as_bytes())
    };
    let got = with("metric-core linear map", "a cake");
    assert!(matches!(got, MapFault::Format { got } if got == "a cake"));
    let got = with("\"version\":1", "\"version\":2");
    assert!(matches!(got, MapFault::Version { got: 2 }));
    let got = with("\"dim\":3", "\"dim\":4");
    assert!(matches!(
        got,
        MapFault::Shape {
            what: "mean",
            expected: 4,
            got: 3,
            ..
        }
    ));
    let got = with("\"out\":2", "\"out\":3");
    assert!(matches!(
        got,
        MapFault::Shape {
            what: "matrix",
            expected: 9,
            got: 6,
            ..
        }
    ));
    let got = with("\"out\":2", &format!("\"out\":{}", usize::MAX));
    assert!(matches!(got, MapFault::Shape { what: "matrix", .. }));
    let got = with("0.1", "0.2");
    assert!(matches!(got, MapFault::Checksum { .. }));
    for number in ["NaN", "null", "1e999", "\"0.1\"", "[]"] {
        let got = with("0.1", number);
        assert!(matches!(got, MapFault::Json(_)), "{number}: {got}");
    }
    let got = with("\"mean\"", "\"average\"");
    assert!(matches!(got, MapFault::Json(_)));
    let missing = LinearMap::<f32>::load(folder.path().join("none.json")).unwrap_err();
    assert!(matches!(missing.fault, MapFault::Io(_)));
    assert!(missing.to_string().contains("none.json"));
}

#[test]
fn a_map_without_entries_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json");
    // The checksum of no numbers and the shape 0 x 0.
    let text = "{\"format\":\"metric-core linear map\",\"version\":1,\"out\":0,\"dim\":0,\
                \"mean\":[],\"matrix\":[],\"checksum\":\"88201fb960ff6465\"}";
    let got = fault(&path, text.as_bytes());
    assert!(matches!(got, MapFault::Map(Error::Empty { .. })), "{got}");
}

#[test]
fn a_place_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let error = map()
        .save(folder.path().join("no/such/folder.json"))
        .unwrap_err();
    assert!(matches!(error.fault, MapFault::Io(_)));
    // A folder is in the way of the name.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "kept").unwrap();
    assert!(matches!(
        map().save(&taken).unwrap_err().fault,
        MapFault::Io(_)
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(taken.join("inside")).unwrap(), "kept");
}
