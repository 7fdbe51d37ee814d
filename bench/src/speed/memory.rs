//! Memory of this process, as Linux tells it; elsewhere nothing is known.

use std::fs;

/// Resident now, in MB (2^20 bytes).
pub(super) fn resident_mb() -> Option<f64> {
    status_mb("VmRSS:")
}

/// The most that was resident since the start, or since [`reset_peak`].
pub(super) fn peak_mb() -> Option<f64> {
    status_mb("VmHWM:")
}

/// Forgets the peak so far; says whether that was allowed.
pub(super) fn reset_peak() -> bool {
    // proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn status_mb(field: &str) -> Option<f64> {
    field_mb(&fs::read_to_string("/proc/self/status").ok()?, field)
}

fn field_mb(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_status_is_read_in_mb() {
        let status = "VmPeak:\t  9999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t     512 kB\n";
        assert_eq!(field_mb(status, "VmHWM:"), Some(2.0));
        assert_eq!(field_mb(status, "VmRSS:"), Some(0.5));
        assert_eq!(field_mb(status, "VmSwap:"), None);
    }
}
