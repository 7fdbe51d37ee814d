//! Every kernel on every instruction set of this machine, held against plain loops in `f64` or in whole numbers.
//!
//! One set of properties serves all instruction sets: none of them names one.

mod lanes;
mod power;
mod scan;
mod simd;
mod terms;
mod transpose;

use std::cell::Cell;

use proptest::prelude::*;

use super::Isa;

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// What [`Isa::best`] answers on this thread instead of the best.
pub(crate) fn forced() -> Option<Isa> {
    FORCED.get()
}

/// Does the same work once on each instruction set.
///
/// Only this thread is bound to it: work that is shared out among threads goes into a pool of one thread first.
pub(crate) fn on_every_isa(mut work: impl FnMut(Isa)) {
    for isa in Isa::available() {
        FORCED.set(Some(isa));
        work(isa);
    }
    FORCED.set(None);
}

/// As many cases, or a few where each takes a hundred times as long.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    if cfg!(miri) {
        // Miri has no files to keep failures in.
        ProptestConfig {
            cases: 2,
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    } else {
        ProptestConfig::with_cases(count)
    }
}

/// Numbers of both signs from `10⁻⁶` to `10⁶`, small whole numbers and zeros, in one slice.
pub(crate) fn mixed() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => Just(0.0),
        2 => (-9i32..=9).prop_map(f64::from),
        4 => -1.0f64..1.0,
        2 => (-6.0f64..6.0, any::<bool>()).prop_map(|(power, negative)| {
            let size = 10.0f64.powf(power);
            if negative { -size } else { size }
        }),
    ]
}

/// Whole numbers from −3 to 3 that look random: sums of their powers are exact in both types.
pub(crate) fn small_whole(index: usize, salt: u32) -> i32 {
    let mixed = (index as u32)
        .wrapping_add(salt.wrapping_mul(0x9e37_79b9))
        .wrapping_mul(0x85eb_ca6b);
    ((mixed ^ mixed >> 15).wrapping_mul(0xc2b2_ae35) >> 16) as i32 % 7 - 3
}

#[test]
fn plain_rust_is_always_among_the_instruction_sets_and_comes_last() {
    let all = Isa::available();
    assert!(matches!(all.last(), Some(Isa::Portable)), "{all:?}");
    on_every_isa(|isa| assert_eq!(format!("{isa:?}"), format!("{:?}", Isa::best())));
}
