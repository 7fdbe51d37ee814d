//! `product`: the bare matrix product `x yᵀ` of `n × dim` by `dim × n`, the unit in which losses over all pairs are counted.
//!
//! Blocks of rows are computed into room that exists beforehand, so that neither the memory of the result nor its pages
//! count. The engine is that of this library's matrices and streamed losses, the fastest of the three here;
//! `--param engine=` times the others.

use std::hint::black_box;

use burn::tensor::{Device, Tensor, TensorData};
use metric_core::{Distance, Form, InnerProduct, Similarity, pairwise_into};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis, s};

use super::{Op, Settings, SpeedError, Work, data};

/// Rows of a block.
const ROWS: usize = 256;

pub(super) fn ops() -> Vec<Op> {
    vec![Op::new("product", product).with_params(&["engine"])]
}

fn product(settings: &Settings) -> Result<Work, SpeedError> {
    let (x, y) = data::both(settings)?;
    match settings.word("engine").unwrap_or("tiles") {
        "tiles" => Ok(by_blocks(x, y.nrows(), move |block, out| {
            pairwise_into(
                &Product,
                block.view(),
                y.view(),
                out.slice_mut(s![..block.nrows(), ..]),
            )
            .map_err(SpeedError::refused("product"))
        })),
        "ndarray" => Ok(by_blocks(x, y.nrows(), move |block, out| {
            let mut out = out.slice_mut(s![..block.nrows(), ..]);
            general_mat_mul(1.0, block, &y.t(), 0.0, &mut out);
            Ok(())
        })),
        "burn" => {
            let device = Device::flex();
            let upload = |rows: &Array2<f32>| {
                let values = rows.iter().copied().collect();
                let data = TensorData::new::<f32, _>(values, [rows.nrows(), rows.ncols()]);
                Tensor::<2>::from_data(data, &device)
            };
            let columns = upload(&y).transpose();
            let blocks: Vec<Tensor<2>> = (x.axis_chunks_iter(Axis(0), ROWS))
                .map(|block| upload(&block.to_owned()))
                .collect();
            Ok(Work::new(move || {
                for block in &blocks {
                    black_box(block.clone().matmul(columns.clone()));
                }
                Ok(())
            }))
        }
        other => Err(SpeedError::option(
            "--param engine",
            "tiles, ndarray or burn",
            other,
        )),
    }
}

/// Calls `multiply` with every block of rows of `x`, and room for its products with all columns.
fn by_blocks(
    x: Array2<f32>,
    columns: usize,
    multiply: impl Fn(&Array2<f32>, &mut Array2<f32>) -> Result<(), SpeedError> + 'static,
) -> Work {
    let blocks: Vec<Array2<f32>> = (x.axis_chunks_iter(Axis(0), ROWS))
        .map(|block| block.to_owned())
        .collect();
    let mut out = Array2::ones((ROWS.min(x.nrows()), columns));
    Work::new(move || {
        for block in &blocks {
            multiply(block, &mut out)?;
            black_box(&out);
        }
        Ok(())
    })
}

/// The inner product where the engine asks for a distance.
#[derive(Debug)]
struct Product;

impl Distance<f32> for Product {
    fn distance(&self, a: &[f32], b: &[f32]) -> f32 {
        InnerProduct.similarity(a, b)
    }

    fn form(&self) -> Form<'_, f32> {
        Similarity::<f32>::form(&InnerProduct)
    }
}
