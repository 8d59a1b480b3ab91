//! The arithmetic of every convolution: one matrix product per tap.

use std::sync::Arc;

use candle_core::{Error, Tensor};

use super::{kernels::Reading, panels::Panels, values};

/// Products of shifted rows, `out[t] = bias + sum over j of rows[t + j * dilation] * weight[j]`.
///
/// A convolution is this with one matrix per kernel position. With stride `s` and a kernel of `2 s`, `s` rows
/// are read as one and there are two matrices. The transposed convolution of that stride and kernel is the
/// same thing again, with `s` rows written as one.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    count: usize,
    dilation: usize,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// On the processor: rows that follow each other are read as one long row, so that it is one product.
    Panels { panels: Arc<Panels>, outs: usize },
    /// On any device: each weight `[in, out]`, and the bias `[out]`.
    Tensors { weights: Vec<Tensor>, bias: Tensor },
}

impl Taps {
    /// From the weight `[out, in, kernel]` and bias `[out]` of a convolution. A stride above 1 must divide
    /// the kernel and excludes a dilation. The rows that it takes are `[n, stride * in]`.
    pub(super) fn of_conv(
        weight: &Tensor,
        bias: &Tensor,
        stride: usize,
        dilation: usize,
    ) -> Result<Self, Error> {
        let (outs, ins, kernel) = weight.dims3()?;
        let taps = kernel / stride;
        let weight = weight.permute((2, 1, 0))?.reshape((taps, stride * ins, outs))?;
        Self::new(&weight, bias, dilation)
    }

    /// From the weight `[in, out, kernel]` and bias `[out]` of a transposed convolution whose stride divides
    /// the kernel. The rows that it gives are `[n, stride * out]`.
    pub(super) fn of_transposed(weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Self, Error> {
        let (ins, outs, kernel) = weight.dims3()?;
        let taps = kernel / stride;
        // The part of the kernel that comes last in time is what the oldest row adds.
        let weight = weight.permute((0, 2, 1))?.reshape((ins, taps, stride * outs))?.transpose(0, 1)?;
        Self::new(&weight.contiguous()?.flip(&[0])?, &bias.repeat(stride)?, 1)
    }

    /// From the weight `[taps, in, out]`, the first of which belongs to the oldest row.
    fn new(weight: &Tensor, bias: &Tensor, dilation: usize) -> Result<Self, Error> {
        let form = if weight.device().is_cpu() {
            Form::panels(weight, bias, dilation)?
        } else {
            Form::tensors(weight, bias)?
        };
        Ok(Self { count: weight.dim(0)?, dilation, form })
    }

    /// How many rows one row of the result depends on.
    pub(super) fn reach(&self) -> usize {
        (self.count - 1) * self.dilation + 1
    }

    /// `[n, in]` to `[n - reach + 1, out]`; `n` is at least [`Self::reach`].
    pub(super) fn apply(&self, rows: &Tensor) -> Result<Tensor, Error> {
        let count = rows.dim(0)? + 1 - self.reach();
        match &self.form {
            Form::Panels { panels, outs } => {
                let product = values::read(rows, |values| panels.product(values, count))?;
                Tensor::from_vec(product, (count, *outs), rows.device())
            }
            Form::Tensors { weights, bias } => {
                let product = |tap: usize| rows.narrow(0, tap * self.dilation, count)?.matmul(&weights[tap]);
                let mut sum = product(0)?.broadcast_add(bias)?;
                for tap in 1..self.count {
                    sum = (sum + product(tap)?)?;
                }
                Ok(sum)
            }
        }
    }
}

impl Form {
    fn panels(weight: &Tensor, bias: &Tensor, dilation: usize) -> Result<Self, Error> {
        let (taps, ins, outs) = weight.dims3()?;
        let reading = if dilation == 1 {
            Reading { step: ins, ..Reading::plain(taps * ins) }
        } else {
            Reading { parts: taps, length: ins, apart: dilation * ins, step: ins }
        };
        let matrix = weight.flatten_all()?.to_vec1()?;
        Ok(Self::Panels { panels: Arc::new(Panels::new(&matrix, &bias.to_vec1()?, reading)), outs })
    }

    fn tensors(weight: &Tensor, bias: &Tensor) -> Result<Self, Error> {
        let taps = 0..weight.dim(0)?;
        let weights = taps.map(|tap| weight.get(tap)?.contiguous()).collect::<Result<_, Error>>()?;
        Ok(Self::Tensors { weights, bias: bias.clone() })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::audio::Random;

    #[test]
    fn both_forms_give_the_same() {
        let mut random = Random::new(4);
        let mut tensor = |shape: &[usize]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.bipolar()).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        for (taps, ins, outs, dilation) in [(1, 5, 40, 1), (7, 3, 1, 1), (3, 4, 33, 4), (3, 4, 1, 2)] {
            let (weight, bias, rows) = (tensor(&[taps, ins, outs]), tensor(&[outs]), tensor(&[30, ins]));
            let panels = Taps::new(&weight, &bias, dilation).unwrap();
            let tensors = Taps { form: Form::tensors(&weight, &bias).unwrap(), ..panels.clone() };
            let [found, expected] = [panels, tensors].map(|taps| taps.apply(&rows).unwrap());
            assert_eq!(found.dims(), expected.dims());
            let most = (found - expected).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
            assert!(most.to_scalar::<f32>().unwrap() < 1e-5, "{taps} {ins} {outs} {dilation}");
        }
    }
}
