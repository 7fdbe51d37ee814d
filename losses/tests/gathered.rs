//! Losses over the rows of several ranks against one process.
#![allow(clippy::unwrap_used, reason = "tests: panics are failures")]

use std::thread;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Int, Tensor};
use metric_core::collective::{Collective, CollectiveError, InProcess};
use metric_losses::{CrossBatchMemoryConfig, GatherError, gather, mean_gradients};

use crate::ranks::assert_is_one_process;

/// What each of `size` ranks returns, in order.
fn on<R: Send + 'static>(size: usize, run: fn(&InProcess) -> R) -> Vec<R> {
    let threads = InProcess::group(size).into_iter();
    let threads: Vec<_> = threads.map(|r| thread::spawn(move || run(&r))).collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn ranks_have_the_loss_and_the_gradients_of_one_process_and_the_same_bits() {
    for size in 1..=4 {
        let bits = on(size, |rank| assert_is_one_process(rank));
        assert!(bits.iter().all(|other| *other == bits[0]), "{size} ranks");
    }
}

#[test]
fn gathered_rows_keep_their_bits_also_in_sixteen() {
    let gathered = on(3, |rank| {
        let rows = [[0.1f32, -0.0], [1e-3, 3.7], [1e4, -7.7e-6]];
        let own = Tensor::<2>::from_floats([rows[rank.rank()]], &device());
        let labels = Tensor::from_ints([rank.rank() as i64 - 1], &device());
        [DType::F64, DType::F32, DType::F16].map(|dtype| {
            let own = own.clone().cast(dtype).require_grad();
            let (all, labels) = gather(own, labels.clone(), rank).unwrap();
            assert_eq!(all.dtype(), dtype);
            let labels = labels.into_data().convert::<i64>();
            assert_eq!(labels.try_to_vec::<i64>().unwrap(), [-1, 0, 1]);
            let values = all.into_data().convert::<f64>().try_to_vec::<f64>();
            values
                .unwrap()
                .into_iter()
                .map(|v| (v + 0.0).to_bits())
                .collect::<Vec<_>>()
        })
    });
    assert!(gathered.iter().all(|other| *other == gathered[0]));
}

#[test]
fn a_rank_without_rows_takes_part() {
    on(2, |rank| {
        let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0]], &device());
        let labels = Tensor::<1, Int>::from_ints([5, 6], &device());
        let own = 0..2 * (1 - rank.rank());
        let (all, labels) = gather(x.slice([own.clone()]), labels.slice([own]), rank).unwrap();
        assert_eq!((all.dims(), labels.dims()), ([2, 2], [2]));
    });
}

#[test]
fn what_is_wrong_on_one_rank_is_refused_by_all() {
    let labels = on(3, |rank| {
        let x = Tensor::<2>::zeros([2, 2], &device());
        let labels = Tensor::<1, Int>::zeros([2 - rank.rank() % 2], &device());
        gather(x, labels, rank).map(|_| ()).unwrap_err()
    });
    let expected = GatherError::Labels {
        rank: 1,
        rows: 2,
        labels: 1,
    };
    assert_eq!(labels, vec![expected; 3]);
    let dims = on(3, |rank| {
        let x = Tensor::<2>::zeros([2, 2 + rank.rank() / 2], &device());
        let labels = Tensor::<1, Int>::zeros([2], &device());
        gather(x, labels, rank).map(|_| ()).unwrap_err()
    });
    let expected = GatherError::Dim {
        rank: 2,
        expected: 2,
        got: 3,
    };
    assert_eq!(dims, vec![expected; 3]);
    let precisions = on(2, |rank| {
        let dtype = [DType::F32, DType::F64][rank.rank()];
        let x = Tensor::<2>::zeros([2, 2], (&device(), dtype));
        let labels = Tensor::<1, Int>::zeros([2], &device());
        gather(x, labels, rank).map(|_| ()).unwrap_err()
    });
    for error in precisions {
        let expected = matches!(
            error,
            GatherError::Exchange(CollectiveError::OtherCall { .. })
        );
        assert!(expected, "{error}");
    }
}

#[test]
fn memories_of_gathered_rows_are_the_same_on_all_ranks() {
    let memories = on(3, |rank| {
        let mut memory = CrossBatchMemoryConfig::new(4, 2).init(&device());
        for step in 0..2 {
            let value = (10 * step + rank.rank()) as f64;
            let x = Tensor::<2>::ones([1, 2], &device()) * value;
            let labels = Tensor::from_ints([rank.rank() as i64], &device());
            let (all, labels) = gather(x.require_grad(), labels, rank).unwrap();
            memory.push(all, labels).unwrap();
        }
        memory
    });
    assert_eq!(memories[0].rows().labels(), [2, 0, 1, 2]);
    assert!(memories.iter().all(|other| *other == memories[0]));
}

#[derive(Module, Debug)]
struct Numbers {
    first: Param<Tensor<1>>,
    second: Param<Tensor<1>>,
    third: Param<Tensor<1>>,
}

#[test]
fn a_gradient_that_only_some_ranks_have_counts_as_zero_on_the_others() {
    let means = on(4, |rank| {
        let one = || Param::from_tensor(Tensor::<1>::ones([1], &device()));
        let module = Numbers {
            first: one(),
            second: one(),
            third: one(),
        };
        let mut loss = module.first.val() * (1.0 + rank.rank() as f64);
        if rank.rank() == 2 {
            loss = loss + module.third.val() * 6.0;
        }
        let own = GradientsParams::from_grads(loss.backward(), &module);
        let mean = mean_gradients(&module, own, rank).unwrap();
        [&module.first, &module.second, &module.third]
            .map(|param| mean.get::<1>(param.id).map(Tensor::into_scalar::<f32>))
    });
    assert_eq!(means, vec![[Some(2.5), None, Some(1.5)]; 4]);
}

#[test]
fn modules_that_differ_are_refused_by_all() {
    let errors = on(2, |rank| {
        let ones = Tensor::<1>::ones([1 + rank.rank()], &device());
        let module = vec![Param::from_tensor(ones)];
        let loss = module[0].val().sum();
        let own = GradientsParams::from_grads(loss.backward(), &module);
        mean_gradients(&module, own, rank).map(|_| ()).unwrap_err()
    });
    for error in errors {
        let expected = matches!(error, CollectiveError::OtherArgument { .. });
        assert!(expected, "{error}");
    }
}
