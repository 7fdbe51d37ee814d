//! Memory for large results, and memory that is used again and again.

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

/// Has the allocator keep what is freed, up to the size of a large batch's tensor, instead of giving it back to the system,
/// which would hand it out page by page again. For programs that make and drop the same results in every step.
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
pub(crate) fn keep_pages() {
    // The most that every version of the library accepts.
    const KEPT: libc::c_int = 32 << 20;
    const NEVER: libc::c_int = -1;
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, KEPT),
        (libc::M_TRIM_THRESHOLD, NEVER),
    ] {
        // SAFETY: this only sets when the allocator asks the system for memory, and gives it back; failing is harmless.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}

#[cfg(any(not(all(target_os = "linux", target_env = "gnu")), miri))]
pub(crate) fn keep_pages() {}
