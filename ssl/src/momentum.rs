//! Momentum encoders: a teacher that follows its student slowly.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Why a teacher cannot follow its student.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MomentumError {
    /// A momentum outside its range.
    #[error("momentum must be from 0 to 1, got {got}")]
    OutOfRange {
        /// What it was.
        got: f64,
    },
    /// Teacher and student are not built alike.
    #[error("tensor {index} of the teacher has shape {teacher:?}, of the student {student:?}")]
    Mismatch {
        /// Which tensor, in the order of the module.
        index: usize,
        /// Shape in the teacher; empty if it has fewer tensors.
        teacher: Vec<usize>,
        /// Shape in the student; empty if it has fewer tensors.
        student: Vec<usize>,
    },
}

/// A copy of `student` to start a teacher from: same values, its own batch-norm statistics, and no
/// gradients.
///
/// A plain `clone` would share the running statistics of batch norm with the student, whose
/// forward passes would then change the teacher.
pub fn teacher_of<M: Module>(student: &M) -> M {
    student.valid().no_grad()
}

/// As [`teacher_of`], but batch norm goes on using the statistics of each batch, as the key encoder of `MoCo` and the
/// target of BYOL do; its running ones follow those batches too.
///
/// The student must lie on a device with autodiff, where alone batch norm computes with the statistics of a batch.
pub fn training_teacher_of<M: Module>(student: &M) -> M {
    student.valid().train().no_grad()
}

/// The teacher moved towards the student (He et al., *Momentum Contrast*, CVPR 2020,
/// <https://arxiv.org/abs/1911.05722>, eq. 2; Tarvainen, Valpola, *Mean teachers are better role
/// models*, NIPS 2017).
///
/// With momentum `m` from 0 (copy) to 1 (stay), for every parameter and running statistic:
/// ```text
/// teacher ← m · teacher + (1 − m) · student
/// ```
/// Deviates from the papers' code by averaging the running statistics of batch norm too, brought
/// up to date first, so that a teacher in evaluation mode has the statistics of its own weights.
/// Cost: one copy of the student's parameters.
///
/// # Errors
/// [`MomentumError::OutOfRange`], or [`MomentumError::Mismatch`] if the modules are not built alike.
pub fn momentum_update<M: Module>(
    teacher: M,
    student: &M,
    momentum: f64,
) -> Result<M, MomentumError> {
    if !(0.0..=1.0).contains(&momentum) {
        return Err(MomentumError::OutOfRange { got: momentum });
    }
    // `valid` brings running statistics up to date, in place. A visitor alone would see them one update late, and an update
    // that is still to come would overwrite what a mapper has set.
    let mut values = Values::default();
    student.valid().visit(&mut values);
    let mut shapes = Values::default();
    teacher.valid().visit(&mut shapes);
    values.check_alike(&shapes)?;
    Ok(teacher.map(&mut Follow {
        student: values.0,
        momentum,
    }))
}

/// The float tensors of a module, in its order.
#[derive(Default)]
struct Values(VecDeque<TensorData>);

impl Values {
    fn check_alike(&self, teacher: &Self) -> Result<(), MomentumError> {
        let shape = |values: &Self, index: usize| {
            values
                .0
                .get(index)
                .map_or(Vec::new(), |data| data.shape().to_vec())
        };
        for index in 0..self.0.len().max(teacher.0.len()) {
            let (teacher, student) = (shape(teacher, index), shape(self, index));
            if teacher != student {
                return Err(MomentumError::Mismatch {
                    index,
                    teacher,
                    student,
                });
            }
        }
        Ok(())
    }
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(param.val().into_data());
    }
}

struct Follow {
    student: VecDeque<TensorData>,
    momentum: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, teacher, mapper) = param.consume();
        // `momentum_update` has checked that there are as many, of the same shapes.
        let Some(student) = self.student.pop_front() else {
            return Param::from_mapped_value(id, teacher, mapper);
        };
        let teacher = teacher.detach();
        let options = (&teacher.device(), teacher.dtype());
        let student = Tensor::<D>::from_data(student, options);
        let moved = teacher * self.momentum + student * (1.0 - self.momentum);
        Param::from_mapped_value(id, moved, mapper)
    }
}
