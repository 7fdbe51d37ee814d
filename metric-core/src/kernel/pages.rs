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
    let bytes = size_of_val(values);
    let start = values.as_mut_ptr().cast::<u8>();
    let skip = start.align_offset(LARGE);
    if bytes < skip.saturating_add(LARGE) {
        return;
    }
    // SAFETY: `skip` is within the slice.
    let start = unsafe { start.add(skip) };
    let length = (bytes - skip) / LARGE * LARGE;
    // SAFETY: the range lies inside the slice, and this advice changes no contents. Failing is harmless.
    let _ = unsafe { libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE) };
}

#[cfg(any(not(target_os = "linux"), miri))]
fn prefer_large<T>(_: &mut [T]) {}
