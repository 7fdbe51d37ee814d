//! A loss whose value and gradients are found together, as an operation of the CPU backend.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use metric_core::Scalar;
use ndarray::ArrayView2;
use rayon::prelude::*;

use super::rows::SOME;

/// What a task is given: rows, the reference set's if there is one, and a number for each row if there are some.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs<'a, T> {
    pub(crate) x: ArrayView2<'a, T>,
    pub(crate) y: Option<ArrayView2<'a, T>>,
    pub(crate) given: Option<&'a [T]>,
    /// Whether gradients are wanted.
    pub(crate) followed: bool,
}

impl<'a, T> Inputs<'a, T> {
    fn new(
        x: ArrayView2<'a, T>,
        y: ArrayView2<'a, T>,
        given: ArrayView2<'a, T>,
        followed: bool,
    ) -> Self {
        Self {
            x,
            y: (!y.is_empty()).then_some(y),
            given: (!given.is_empty()).then(|| given.to_slice().expect("contiguous")),
            followed,
        }
    }
}

/// The loss, and its gradients by each input that there is; none where none is wanted.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: f64,
    pub(crate) x: Vec<T>,
    pub(crate) y: Vec<T>,
    pub(crate) given: Vec<T>,
}

impl<T> Found<T> {
    pub(crate) fn without_gradients(value: f64) -> Self {
        let (x, y, given) = (Vec::new(), Vec::new(), Vec::new());
        Self { value, x, y, given }
    }
}

impl<T: Scalar> Found<T> {
    /// Nothing if a gradient is not finite.
    pub(super) fn if_finite(self) -> Option<Self> {
        let is_finite = |part: &[T]| part.iter().all(|&x| x.is_finite());
        let finite = |gradient: &[T]| gradient.par_chunks(SOME).all(is_finite);
        let all = finite(&self.x) && finite(&self.y) && finite(&self.given);
        all.then_some(self)
    }
}

/// A loss of numbers; `None` where it cannot be had.
pub(crate) trait Task {
    fn run<'a, T: Scalar>(&'a self, inputs: Inputs<'a, T>) -> Option<Found<T>>;
}

/// A task where the type of the numbers is seen late.
pub(crate) trait AnyTask {
    fn single<'a>(&'a self, inputs: Inputs<'a, f32>) -> Option<Found<f32>>;
    fn double<'a>(&'a self, inputs: Inputs<'a, f64>) -> Option<Found<f64>>;
}

impl<A: Task> AnyTask for A {
    fn single<'a>(&'a self, inputs: Inputs<'a, f32>) -> Option<Found<f32>> {
        self.run(inputs)
    }

    fn double<'a>(&'a self, inputs: Inputs<'a, f64>) -> Option<Found<f64>> {
        self.run(inputs)
    }
}

type Four<B> = (
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
    FloatTensor<B>,
);

/// The operation behind [`run`].
#[backend_extension(Flex: cfg(feature = "flex"), Autodiff)]
pub(crate) trait TaskOps: Backend {
    #[cfg_attr(
        not(feature = "flex"),
        allow(unused_variables, reason = "there is no backend with the operation")
    )]
    /// The loss, NaN where there is none, and its gradients by the three inputs; no `y` and no `given` are empty.
    fn task(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        given: FloatTensor<Self>,
        task: &dyn AnyTask,
        followed: bool,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );

    /// A gradient times the one number of `above`, where it lies if nobody else holds it.
    fn scaled(gradient: FloatTensor<Self>, above: FloatTensor<Self>) -> FloatTensor<Self>;
}

#[derive(Debug)]
struct Attached;

impl<B: Backend + TaskOps> Backward<B, 3> for Attached {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let above = grads.consume::<B>(&ops.node);
        for (node, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = node {
                grads.register::<B>(node.id, B::scaled(gradient, above.clone()));
            }
        }
    }
}

impl<B: Backend + TaskOps, C: CheckpointStrategy> TaskOps for Autodiff<B, C> {
    fn task(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        given: FloatTensor<Self>,
        task: &dyn AnyTask,
        _: bool,
    ) -> Four<Self> {
        let inputs = [x, y, given];
        let nodes = [0, 1, 2].map(|i| inputs[i].node());
        let prepared = Attached.prepare::<C>(nodes).compute_bound().stateful();
        let followed = inputs.iter().any(|input| input.is_tracked());
        let [x, y, given] = inputs.map(|input| input.into_primitive());
        let (value, x, y, given) = B::task(x, y, given, task, followed);
        let out = match prepared {
            OpsKind::Tracked(prep) => prep.finish([x.clone(), y.clone(), given.clone()], value),
            OpsKind::UnTracked(prep) => prep.finish(value),
        };
        (
            out,
            Self::from_inner(x),
            Self::from_inner(y),
            Self::from_inner(given),
        )
    }

    fn scaled(_: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("gradients of gradients are not defined")
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::FlexTensor;
    use burn::backend::{Flex, TensorMetadata};
    use burn::tensor::{DType, Element, TensorData};
    use metric_core::Scalar;
    use metric_core::simd::map_in_place;
    use ndarray::ArrayView2;
    use rayon::prelude::*;

    use super::{AnyTask, Found, Four, Inputs, SOME, TaskOps};

    impl TaskOps for Flex {
        fn task(
            x: FlexTensor,
            y: FlexTensor,
            given: FlexTensor,
            task: &dyn AnyTask,
            followed: bool,
        ) -> Four<Self> {
            let inputs = [x, y, given].map(|input| input.to_contiguous());
            match inputs[0].dtype() {
                DType::F64 => typed(&inputs, FlexTensor::as_slice::<f64>, |[x, y, given]| {
                    task.double(Inputs::new(x, y, given, followed))
                }),
                _ => typed(&inputs, FlexTensor::as_slice::<f32>, |[x, y, given]| {
                    task.single(Inputs::new(x, y, given, followed))
                }),
            }
        }

        fn scaled(mut gradient: FlexTensor, above: FlexTensor) -> FlexTensor {
            match gradient.dtype() {
                DType::F64 => scale::<f64>(gradient.storage_mut(), above.storage()[0]),
                _ => scale::<f32>(gradient.storage_mut(), above.storage()[0]),
            }
            gradient
        }
    }

    /// Of the loss itself `above` is exactly 1, and a class matrix takes its time.
    fn scale<T: Scalar>(gradient: &mut [T], above: T) {
        if above != T::ONE {
            let parts = gradient.par_chunks_mut(SOME);
            parts.for_each(|part| map_in_place(part, move |slope| slope * above));
        }
    }

    fn typed<'a, T: Element>(
        inputs: &'a [FlexTensor; 3],
        slice: fn(&'a FlexTensor) -> Option<&'a [T]>,
        task: impl FnOnce([ArrayView2<'a, T>; 3]) -> Option<Found<T>>,
    ) -> Four<Flex> {
        let shapes = inputs.each_ref().map(|input| {
            let shape = input.shape();
            (shape[0], shape[1])
        });
        let view = |i: usize| {
            let values = slice(&inputs[i]).expect("contiguous, and of the type asked for");
            ArrayView2::from_shape(shapes[i], values).expect("a tensor's shape")
        };
        let found = task([0, 1, 2].map(view));
        let tensor = |values: Vec<T>, shape: (usize, usize)| {
            let shape = if values.is_empty() {
                (0, shape.1)
            } else {
                shape
            };
            FlexTensor::from_data(TensorData::new(values, [shape.0, shape.1]))
        };
        let (value, gradients) = match found {
            Some(found) => (found.value, [found.x, found.y, found.given]),
            None => (f64::NAN, [const { Vec::new() }; 3]),
        };
        let [x, y, given] = gradients;
        (
            FlexTensor::from_data(TensorData::new(vec![T::from_elem(value)], [1])),
            tensor(x, shapes[0]),
            tensor(y, shapes[1]),
            tensor(given, shapes[2]),
        )
    }
}

/// A task's loss of `x` `[n, dim]`, of a reference set `[m, dim]` and of a number for each row `[n, 1]` if there are, with
/// gradients by all of them; `None` where the task has none.
pub(super) fn run(
    task: &impl Task,
    x: Tensor<2>,
    y: Option<Tensor<2>>,
    given: Option<Tensor<2>>,
) -> Option<Tensor<1>> {
    let none = Tensor::<2>::empty([0, 0], (&x.device(), x.dtype()));
    let [x, y, given] = [x, y.unwrap_or(none.clone()), given.unwrap_or(none)];
    let inputs = [x, y, given].map(Tensor::into_dispatch);
    let [x, y, given] = inputs;
    let (value, ..) = <Dispatch as TaskOps>::task(x, y, given, task, false);
    let value = Tensor::<1>::from_dispatch(value);
    let number = value.clone().detach().into_data().convert::<f64>();
    let is_finite = number
        .try_to_vec::<f64>()
        .is_ok_and(|number| number[0].is_finite());
    is_finite.then_some(value)
}
