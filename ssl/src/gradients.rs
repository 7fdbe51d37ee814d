use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// All gradients of `module` made shorter together, so that their common Euclidean norm is at most `max_norm` (Pascanu,
/// Mikolov, Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013,
/// <https://arxiv.org/abs/1211.5063>, algorithm 1). Gives them and the norm before.
///
/// ```text
/// g ← g · min(1, max_norm / ‖g‖)
/// ```
/// Burn's own clipping by norm looks at each parameter alone, which turns the direction of the step; this does not.
/// A norm that is not finite leaves the gradients as they are: the caller sees it and can skip the step. The norm is summed
/// in `f64`.
///
/// Cost: every gradient is read back once.
pub fn clip_global_norm<M: Module>(
    module: &M,
    mut gradients: GradientsParams,
    max_norm: f64,
) -> (GradientsParams, f64) {
    let mut squares = Squares {
        gradients: &gradients,
        sum: 0.0,
    };
    module.visit(&mut squares);
    let norm = squares.sum.sqrt();
    if norm.is_finite() && norm > max_norm {
        module.visit(&mut Scale {
            gradients: &mut gradients,
            factor: max_norm / norm,
        });
    }
    (gradients, norm)
}

/// Takes the gradients of a part of a module out of those of the whole, for another learning rate, or none.
///
/// Cost: nothing is copied.
pub fn take_gradients<M: Module>(part: &M, gradients: &mut GradientsParams) -> GradientsParams {
    let mut taken = GradientsParams::new();
    part.visit(&mut Take {
        gradients,
        taken: &mut taken,
    });
    taken
}

struct Take<'a> {
    gradients: &'a mut GradientsParams,
    taken: &'a mut GradientsParams,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.taken.register(param.id, gradient);
        }
    }
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let values = gradient.into_data();
            self.sum += values.iter::<f64>().map(|value| value * value).sum::<f64>();
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
