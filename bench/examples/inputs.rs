//! What a run without labels learns from, for another system to learn from the same: `inputs DIR`.
//!
//! `DIR` is a run's folder. Writes all that learns, as it was before the first step, to `DIR/start.safetensors`, and then the
//! views of all steps to the standard output: step by step, view by view and image by image the pixels as little-endian `f32`.

use std::error::Error;
use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use metric_bench::run::Pretraining;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: inputs DIR")?;
    let dir = Path::new(&dir);
    let inputs = Pretraining::open(dir)?.inputs()?;
    let mut store = SafetensorsStore::from_file(dir.join("start.safetensors")).overwrite(true);
    inputs.start.valid().save_into(&mut store)?;
    let mut out = BufWriter::new(stdout().lock());
    for batch in inputs.batches {
        for pixel in batch?.views.iter().flatten() {
            match out.write_all(&pixel.to_le_bytes()) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            }
        }
    }
    Ok(out.flush()?)
}
