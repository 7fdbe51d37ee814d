//! Time that has passed, and time that processors have worked for this process.

use std::time::Instant;

/// A moment.
pub(super) struct Clock {
    wall: Instant,
    cpu_ms: Option<f64>,
}

impl Clock {
    pub(super) fn now() -> Self {
        Self {
            cpu_ms: cpu_ms(),
            wall: Instant::now(),
        }
    }

    /// Milliseconds since then.
    pub(super) fn wall_ms(&self) -> f64 {
        self.wall.elapsed().as_secs_f64() * 1e3
    }

    /// Milliseconds of user and system time since then, all threads together; none where the system does not say.
    pub(super) fn cpu_ms(&self) -> Option<f64> {
        Some(cpu_ms()? - self.cpu_ms?)
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such clock")]
fn cpu_ms() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6)
}

#[cfg(not(unix))]
fn cpu_ms() -> Option<f64> {
    None
}
