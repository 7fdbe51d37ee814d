//! Memory for large results.

/// Zeros, in large pages where the system offers them: touching a fresh matrix page by page costs more than filling it.
pub(crate) fn zeros<T: Copy + Default>(count: usize) -> Vec<T> {
    let mut values = vec![T::default(); count];
    prefer_large(&mut values);
    values
}

#[cfg(all(target_os = "linux", not(miri)))]
fn prefer_large<T>(values: &mut [T]) {
    const LARGE: usize = 2 << 20;
    const SMALL: usize = 4 << 10;
    let bytes = size_of_val(values);
    if bytes < LARGE {
        return;
    }
    // From the page that holds the first byte: the system puts large allocations at the start of a large page, and the
    // allocator a few bytes behind it.
    let start = values.as_mut_ptr().cast::<u8>();
    let before = start.addr() % SMALL;
    let start = start.wrapping_sub(before);
    // SAFETY: every page of the range holds bytes of the slice or is next to them in the same page; this advice changes
    // no contents, and failing is harmless.
    let _ = unsafe { libc::madvise(start.cast(), before + bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(any(not(target_os = "linux"), miri))]
fn prefer_large<T>(_: &mut [T]) {}
