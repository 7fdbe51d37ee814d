//! Who lies dense, who is an outlier, and in how many dimensions: `densities BANK [QUERIES] [k=10] [h=BANDWIDTH]`.
//!
//! The files hold a row of numbers a line. Without queries every row of the bank is compared with the others. Prints, a row a
//! line, the log density by `k` neighbours, the log density by Gaussian kernels, and the local outlier factor.

use std::error::Error;

use metric_sampling::density::*;
use ndarray::Array2;

fn read(file: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let numbers: Result<Vec<f32>, _> = text.split_whitespace().map(str::parse).collect();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    let (numbers, rows) = (numbers?, lines.max(1));
    Ok(Array2::from_shape_vec(
        (rows, numbers.len() / rows),
        numbers,
    )?)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example shows its results"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let (mut files, mut k, mut bandwidth) = (Vec::new(), 10, None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("k", value)) => k = value.parse()?,
            Some(("h", value)) => bandwidth = Some(value.parse()?),
            _ => files.push(argument),
        }
    }
    let bank = read(
        files
            .first()
            .ok_or("usage: densities BANK [QUERIES] [k=10] [h=BANDWIDTH]")?,
    )?;
    let queries = files.get(1).map(|file| read(file)).transpose()?;

    let kernel = match bandwidth {
        Some(bandwidth) => GaussianKernelDensity::new(bandwidth)?,
        None => GaussianKernelDensity::leave_one_out(bank.view(), None)?,
    };
    let outliers = LocalOutlierFactor::fit(bank.view(), k)?;
    let knn = KnnDensity::new(k)?;
    let (knn, gaussian, factors) = match &queries {
        Some(queries) => (
            knn.log_density(queries.view(), bank.view())?,
            kernel.log_density(queries.view(), bank.view())?,
            outliers.factors_of(queries.view())?,
        ),
        None => (
            knn.log_density_self(bank.view())?,
            kernel.log_density_self(bank.view())?,
            outliers.factors().to_vec(),
        ),
    };
    for ((knn, gaussian), factor) in knn.iter().zip(gaussian).zip(factors) {
        println!("{knn} {gaussian} {factor}");
    }
    eprintln!(
        "bandwidth {}, dimension {:.2} by likelihood, {:.2} by two neighbours",
        kernel.bandwidth(),
        maximum_likelihood_dimension(bank.view(), k, DimensionAverage::Inverse)?,
        two_nn_dimension(bank.view(), 0.1)?
    );
    Ok(())
}
