use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use metric_bench::run::{Dataset, Watch};

/// Without a terminal, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Shows a run on standard error, and stops it on Ctrl-C.
pub(crate) struct Progress {
    bar: ProgressBar,
    name: String,
    last_line: Instant,
    interrupted: Arc<AtomicBool>,
    is_terminal: bool,
}

impl Progress {
    /// From here on Ctrl-C asks the run to stop; a second one ends the program at once.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })?;
        Ok(Self {
            bar: ProgressBar::hidden(),
            name: String::new(),
            last_line: Instant::now(),
            interrupted,
            is_terminal: std::io::stderr().is_terminal(),
        })
    }
}

impl Watch for Progress {
    fn data(&mut self, seed: u64, data: &Dataset) {
        eprintln!(
            "seed {seed}: {} training examples of {} classes; judged on {} of {} classes: {}",
            data.train.len(),
            data.train.class_names().len(),
            data.test.len(),
            data.test.class_names().len(),
            data.test_is(),
        );
        if data.left_out > 0 {
            eprintln!("{} rows without a label were left out", data.left_out);
        }
    }

    fn model(&mut self, name: &str, step: u64, steps: u64) {
        self.name = name.to_owned();
        self.last_line = Instant::now();
        self.bar = ProgressBar::new(steps);
        let style = "{prefix:16} {wide_bar} {pos}/{len} steps, {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(self.name.clone());
        self.bar.set_position(step);
        self.bar.set_message("first step");
        self.bar.reset_eta();
    }

    fn step(&mut self, step: u64, loss: f32, images_per_second: f64) {
        self.bar
            .set_message(format!("loss {loss:.4}, {images_per_second:.0} images/s"));
        self.bar.set_position(step);
        if !self.is_terminal && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let steps = self.bar.length().unwrap_or(step);
            eprintln!(
                "{}: step {step} of {steps}, loss {loss:.4}, {images_per_second:.0} images/s",
                self.name
            );
        }
    }

    fn note(&mut self, what: &str) {
        self.bar.suspend(|| eprintln!("{what}"));
    }

    fn warn(&mut self, what: &str) {
        self.bar.suspend(|| eprintln!("warning: {what}"));
    }

    fn model_done(&mut self) {
        self.bar.finish_and_clear();
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}
