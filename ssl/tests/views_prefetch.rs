//! Running ahead on another thread.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metric_ssl::views::{ImageRef, ImageShape, Prefetch, Recipe, ViewError, Views};

#[test]
fn items_keep_their_order_and_come_to_an_end() {
    for depth in [0, 1, 7] {
        let mut items = Prefetch::new(depth, 0..100).unwrap();
        assert!(items.by_ref().eq(0..100));
        assert_eq!(items.next(), None, "still at its end");
    }
}

#[test]
fn no_more_is_made_ahead_than_asked_for() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let source = (0..1000).inspect(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let mut items = Prefetch::new(2, source).unwrap();
    items.next().unwrap();
    // One taken, two waiting, one that cannot be handed over.
    let start = Instant::now();
    while made.load(Ordering::SeqCst) < 4 && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(made.load(Ordering::SeqCst), 4);
}

#[test]
fn dropping_it_ends_the_thread_and_drops_the_source() {
    let alive = Arc::new(());
    let held = alive.clone();
    let endless = (0..).inspect(move |_| {
        let _ = &held;
    });
    let mut items = Prefetch::new(1, endless).unwrap();
    assert_eq!(items.next(), Some(0));
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(items);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_panic_of_the_source_reaches_who_asks() {
    let source = (0..5).inspect(|&i| assert!(i < 3, "no item {i}"));
    let mut items = Prefetch::new(9, source).unwrap();
    assert!(items.by_ref().take(3).eq(0..3));
    let panic = catch_unwind(AssertUnwindSafe(|| items.next())).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "no item 3");
    assert_eq!(items.next(), None);
    // Unasked, it stays on its thread.
    drop(Prefetch::new(9, (0..5).inspect(|_| panic!("at once"))).unwrap());
}

#[test]
fn views_and_their_errors_come_through() {
    let views = Views::pair(Recipe::simclr(8, 0.5)).unwrap();
    let shape = ImageShape::new(3, 8, 8).unwrap();
    let made = {
        let views = views.clone();
        (0..3u64).map(move |draw| {
            let pixels = vec![draw as u8 * 50; shape.values()];
            let image = ImageRef::bytes(shape, &pixels)?;
            // The last batch lacks a draw.
            views.make(&[image], 1, &[draw][..usize::from(draw < 2)])
        })
    };
    let ahead: Vec<_> = Prefetch::new(1, made.clone()).unwrap().collect();
    assert_eq!(ahead, made.collect::<Vec<_>>());
    assert!(matches!(
        ahead[2],
        Err(ViewError::Draws {
            images: 1,
            draws: 0
        })
    ));
}
