//! Matrices and neighbours of any two matrices: never a panic, and typed errors or results that are right.
#![no_main]

#[path = "../../tests/fuzz/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::check(bytes);
});
