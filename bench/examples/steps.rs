//! Steps of learning without labels on views that are given: `steps METHOD RATE STEPS VIEWS FOLDER`.
//!
//! `VIEWS` holds little-endian `f32`: step by step two views of every image, 28 x 28 pixels. Writes all that learns before the
//! first step and after the last to `FOLDER/start.safetensors` and `FOLDER/end.safetensors`, and prints the loss of each step.
//! Plain SGD at that rate; heads of 512 and 128, a momentum of 0.99.

use std::error::Error;
use std::path::Path;

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, Tensor, TensorData};
use metric_bench::encoder::{EncoderConfig, InputShape};
use metric_ssl::{AnyMethod, Learner, Method, MethodName, Now, Settings};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 28;

#[expect(clippy::print_stdout, reason = "an example shows its results")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, rate, steps, views, folder] = args.as_slice() else {
        return Err("usage: steps METHOD RATE STEPS VIEWS FOLDER".into());
    };
    let name: MethodName = serde_json::from_value(name.as_str().into())?;
    let (rate, steps): (f64, u64) = (rate.parse()?, steps.parse()?);
    let bytes = std::fs::read(views)?;
    let numbers: Vec<f32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|&x| f32::from_le_bytes(x))
        .collect();
    let size = numbers.len() / (2 * steps.max(1) as usize);
    let images = size / (SIDE * SIDE);
    if images == 0 {
        return Err(format!("{views} has fewer than two views of an image a step").into());
    }

    let device = Device::flex().autodiff();
    device.seed(1);
    let shape = InputShape::Image {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    let settings = Settings {
        hidden: Some(512),
        output: Some(128),
        momentum: Some(0.99),
        ..Settings::default()
    };
    let encoder = EncoderConfig::new(shape).init(&device);
    let method = AnyMethod::new(name, &settings, &device);
    let parts = settings.apply(method.parts(encoder.feature_size()));
    let mut learner = Learner::with_parts(encoder, method, &parts, &device);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let memory = learner.memory(images, &mut random)?;
    let mut optimizer = SgdConfig::new().init();
    let examples: Vec<usize> = (0..images).collect();
    let save = |learner: &Learner<_, _>, name: &str| {
        let mut store = SafetensorsStore::from_file(Path::new(folder).join(name)).overwrite(true);
        learner.valid().save_into(&mut store)
    };
    save(&learner, "start.safetensors")?;
    for (step, views) in (0..steps).zip(numbers.chunks_exact(2 * size)) {
        let view = |numbers: &[f32]| {
            let shape = [images, 1, SIDE, SIDE];
            Tensor::from_data(TensorData::new(numbers.to_vec(), shape), &device)
        };
        let views = views.chunks_exact(size).map(view).collect();
        let mut now = Now {
            step,
            steps,
            examples: &examples,
            labels: None,
            memory: &memory,
            random: &mut random,
        };
        let learned = learner.gradients(&[views], &mut now)?;
        println!("{}", learned.loss.into_scalar::<f32>());
        learner = learner.updated(&mut optimizer, rate, rate, learned.gradients);
        learner = learner.after_step(&learned.outputs, &mut now)?;
    }
    save(&learner, "end.safetensors")?;
    Ok(())
}
