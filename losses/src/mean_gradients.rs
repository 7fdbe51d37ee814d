use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Element, Tensor, TensorData};
use metric_core::collective::{Collective, CollectiveError, Number, all_reduce_sum};

use crate::host::to_vec;

/// The mean over ranks of the gradients of every parameter, added in the order of the ranks: all have the same bits.
///
/// After [`gather`](crate::gather) it is the gradient of one process over the whole batch. A parameter without a
/// gradient on some ranks counts as zero there; one without any stays without. The ranks' modules have the same
/// parameters in the same order, whatever their ids.
///
/// Cost: two exchanges of every gradient's size, one parameter after another.
///
/// # Errors
/// [`CollectiveError`] if the modules differ in the number of parameters or the size of one, or the exchange fails.
///
/// # Examples
/// ```
/// use burn::module::{Module, Param};
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use metric_core::collective::{Collective, InProcess};
/// use metric_losses::mean_gradients;
///
/// #[derive(Module, Debug)]
/// struct Slope {
///     value: Param<Tensor<1>>,
/// }
///
/// let ranks = InProcess::group(2).into_iter().map(|rank| {
///     std::thread::spawn(move || {
///         let one = Tensor::from_floats([1.0], &Device::flex().autodiff());
///         let module = Slope { value: Param::from_tensor(one) };
///         let loss = module.value.val() * [1.0, 4.0][rank.rank()];
///         let own = GradientsParams::from_grads(loss.backward(), &module);
///         let mean = mean_gradients(&module, own, &rank).unwrap();
///         mean.get::<1>(module.value.id).unwrap().into_scalar::<f32>()
///     })
/// });
/// for rank in ranks.collect::<Vec<_>>() {
///     assert_eq!(rank.join().unwrap(), 2.5);
/// }
/// ```
pub fn mean_gradients<M: Module>(
    module: &M,
    gradients: GradientsParams,
    ranks: &dyn Collective,
) -> Result<GradientsParams, CollectiveError> {
    let mut present = Present {
        gradients: &gradients,
        counts: Vec::new(),
    };
    module.visit(&mut present);
    let mut counts = present.counts;
    all_reduce_sum(ranks, &mut counts)?;
    let mut mean = Mean {
        gradients,
        counts: counts.into_iter(),
        ranks,
        means: Ok(GradientsParams::new()),
    };
    module.visit(&mut mean);
    mean.means
}

/// Which parameters have a gradient: 1, else 0.
struct Present<'a> {
    gradients: &'a GradientsParams,
    counts: Vec<i64>,
}

impl ModuleVisitor for Present<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id);
        self.counts.push(i64::from(gradient.is_some()));
    }
}

struct Mean<'a> {
    gradients: GradientsParams,
    /// How many ranks have a gradient for each parameter.
    counts: std::vec::IntoIter<i64>,
    ranks: &'a dyn Collective,
    means: Result<GradientsParams, CollectiveError>,
}

impl ModuleVisitor for Mean<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(means) = &mut self.means else {
            return;
        };
        if self.counts.next().unwrap_or(0) == 0 {
            return;
        }
        let own = self.gradients.remove::<D>(param.id);
        let own = own.unwrap_or_else(|| param.val().inner().zeros_like());
        let mean = match own.dtype() {
            DType::F64 => mean_of::<f64, D>(own, self.ranks),
            _ => mean_of::<f32, D>(own, self.ranks),
        };
        match mean {
            Ok(mean) => means.register(param.id, mean),
            Err(error) => self.means = Err(error),
        }
    }
}

fn mean_of<T: Number + Element, const D: usize>(
    own: Tensor<D>,
    ranks: &dyn Collective,
) -> Result<Tensor<D>, CollectiveError> {
    let (shape, device, dtype) = (own.dims(), own.device(), own.dtype());
    let mut sum = to_vec::<T>(own.into_data());
    all_reduce_sum(ranks, &mut sum)?;
    let sum = Tensor::from_data(TensorData::new(sum, shape), (&device, dtype));
    Ok(sum * (1.0 / ranks.size() as f64))
}
