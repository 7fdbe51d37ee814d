//! The checks of the fuzz target, driven by seeded random bytes so that they always run. `cargo fuzz run distances`
//! in this crate drives them by coverage instead.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

#[path = "fuzz/body.rs"]
mod body;

use std::panic::catch_unwind;

use body::input::splitmix;
use body::{Outcome, check};

/// Inputs that once failed; add what a fuzzer finds.
const FOUND: &[&[u8]] = &[&[], &[0], &[1; 40], &[255; 200]];

#[test]
fn found_inputs_stay_right() {
    for &bytes in FOUND {
        check(bytes);
    }
}

#[test]
fn random_bytes_give_right_matrices_or_typed_errors() {
    let mut state = 1;
    let (mut refused, mut compared) = (0, 0);
    for run in 0..2000 {
        let length = splitmix(&mut state) % 200;
        let bytes: Vec<u8> = (0..length).map(|_| splitmix(&mut state) as u8).collect();
        match catch_unwind(|| check(&bytes)) {
            Ok(Outcome::Refused) => refused += 1,
            Ok(Outcome::Compared) => compared += 1,
            Err(_) => panic!("run {run} fails: {bytes:?}"),
        }
    }
    // Of the matrices of any bits most hold a NaN; one in eight is such, and one in sixteen does not fit.
    assert!(
        refused > 100 && compared > 1000,
        "{refused} refused, {compared} compared"
    );
}
