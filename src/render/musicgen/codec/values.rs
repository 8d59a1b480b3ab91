//! The values of a tensor on the processor, and what is done with each of them by itself.

use candle_core::{Error, Storage, Tensor};
use rayon::prelude::*;

use crate::render::musicgen::lanes;

/// Values that are worked on by one thread at least; fewer are not worth sharing.
const FEW: usize = 1 << 14;

/// What a layer does to each value that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Activation {
    /// `x`
    #[default]
    Identity,
    /// `x`, or `e^x - 1` below 0.
    Elu,
}

impl Activation {
    /// Of every value.
    pub(super) fn apply(self, rows: Tensor) -> Result<Tensor, Error> {
        match self {
            Self::Identity => Ok(rows),
            Self::Elu if rows.device().is_cpu() => follow(&[], &rows, self),
            Self::Elu => rows.elu(1.0),
        }
    }

    /// Of every value of `from`.
    fn write(self, from: &[f32], to: &mut [f32]) {
        match self {
            Self::Identity => to.copy_from_slice(from),
            Self::Elu => lanes::widest(
                #[inline(always)]
                || {
                    for (to, x) in to.iter_mut().zip(from) {
                        let below = lanes::exp_m1(*x);
                        *to = if *x < 0.0 { below } else { *x };
                    }
                },
            ),
        }
    }
}

/// Reads the values of a tensor that lies on the processor.
pub(super) fn read<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> T) -> Result<T, Error> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(values), Some((from, to))) => Ok(work(&values.as_slice::<f32>()?[from..to])),
        _ => Err(Error::msg("the values of a tensor that is not on the processor")),
    }
}

/// One piece after the other, on the processor; the second one is activated.
pub(super) fn join(first: &Tensor, second: &Tensor, activation: Activation) -> Result<Tensor, Error> {
    read(first, |first| follow(first, second, activation))?
}

fn follow(first: &[f32], second: &Tensor, activation: Activation) -> Result<Tensor, Error> {
    let width = second.dim(1)?;
    let joined = read(second, |second| {
        let mut joined = vec![0.0; first.len() + second.len()];
        let (start, rest) = joined.split_at_mut(first.len());
        start.copy_from_slice(first);
        let parts = rest.par_chunks_mut(FEW).zip(second.par_chunks(FEW));
        parts.for_each(|(to, from)| activation.write(from, to));
        joined
    })?;
    Tensor::from_vec(joined, ((), width), second.device())
}

/// The sum of two tensors of one shape, on the processor.
pub(super) fn sum(one: &Tensor, other: &Tensor) -> Result<Tensor, Error> {
    let sum = read(one, |one| {
        read(other, |other| {
            let mut sum = vec![0.0; one.len()];
            let parts = sum.par_chunks_mut(FEW).zip(one.par_chunks(FEW).zip(other.par_chunks(FEW)));
            parts.for_each(|(sum, (one, other))| {
                for (sum, (one, other)) in sum.iter_mut().zip(one.iter().zip(other)) {
                    *sum = one + other;
                }
            });
            sum
        })
    })??;
    Tensor::from_vec(sum, one.shape(), one.device())
}
