//! The arithmetic of every convolution: one matrix product per tap.

use candle_core::{Error, Tensor};

/// Products of shifted rows, `out[t] = bias + sum over j of rows[t + j * dilation] * weight[j]`.
///
/// A convolution is this with one matrix per kernel position. With stride `s` and a kernel of `2 s`, `s` rows
/// are read as one and there are two matrices. The transposed convolution of that stride and kernel is the
/// same thing again, with `s` rows written as one.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    /// Each `[in, out]`.
    weights: Vec<Tensor>,
    /// `[out]`.
    bias: Tensor,
    dilation: usize,
}

impl Taps {
    /// From the weight `[out, in, kernel]` and bias `[out]` of a convolution. A stride above 1 must divide
    /// the kernel and excludes a dilation. The rows that it takes are `[n, stride * in]`.
    pub(super) fn of_conv(
        weight: &Tensor,
        bias: Tensor,
        stride: usize,
        dilation: usize,
    ) -> Result<Self, Error> {
        let (outs, ins, kernel) = weight.dims3()?;
        let taps = kernel / stride;
        let weight = weight.permute((2, 1, 0))?.reshape((taps, stride * ins, outs))?;
        let weights = (0..taps).map(|tap| weight.get(tap)?.contiguous()).collect::<Result<_, Error>>()?;
        Ok(Self { weights, bias, dilation })
    }

    /// From the weight `[in, out, kernel]` and bias `[out]` of a transposed convolution whose stride divides
    /// the kernel. The rows that it gives are `[n, stride * out]`.
    pub(super) fn of_transposed(weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Self, Error> {
        let (ins, outs, kernel) = weight.dims3()?;
        let taps = kernel / stride;
        // The part of the kernel that comes last in time is what the oldest row adds.
        let weight = weight.permute((0, 2, 1))?.reshape((ins, taps, stride * outs))?;
        let weights = (0..taps)
            .rev()
            .map(|tap| weight.narrow(1, tap, 1)?.squeeze(1)?.contiguous())
            .collect::<Result<_, Error>>()?;
        Ok(Self { weights, bias: bias.repeat(stride)?, dilation: 1 })
    }

    /// How many rows one row of the result depends on.
    pub(super) fn reach(&self) -> usize {
        (self.weights.len() - 1) * self.dilation + 1
    }

    /// `[n, in]` to `[n - reach + 1, out]`; `n` is at least [`Self::reach`].
    pub(super) fn apply(&self, rows: &Tensor) -> Result<Tensor, Error> {
        let count = rows.dim(0)? + 1 - self.reach();
        let product = |tap: usize| rows.narrow(0, tap * self.dilation, count)?.matmul(&self.weights[tap]);
        let mut sum = product(0)?.broadcast_add(&self.bias)?;
        for tap in 1..self.weights.len() {
            sum = (sum + product(tap)?)?;
        }
        Ok(sum)
    }
}
