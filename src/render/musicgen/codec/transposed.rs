//! Transposed convolution of a signal that comes piece by piece.

use candle_core::{Error, Tensor};

use super::{
    config::Config,
    memory::Walk,
    rows::{self, Rows},
    taps::Taps,
    values::Activation,
};

/// A transposed convolution with a kernel of twice its stride, `[n, in]` to `[n * stride, out]`: what it
/// gives beyond that is cut on both sides, or by the configured ratio when causal.
#[derive(Clone, Debug)]
pub(super) struct Transposed {
    taps: Taps,
    activation: Activation,
    stride: usize,
    cut_left: usize,
    cut_right: usize,
    begun: bool,
    /// The last row that has come, on which the next `stride` results depend too.
    held: Rows,
}

impl Transposed {
    /// From the weight `[in, out, 2 * stride]` and the bias `[out]`.
    pub(super) fn new(
        config: &Config,
        stride: usize,
        activation: Activation,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Self, Error> {
        // As much as the kernel is longer than the stride.
        let cut = stride;
        let cut_right = if config.use_causal_conv {
            (cut as f64 * config.trim_right_ratio).ceil() as usize
        } else {
            cut / 2
        };
        Ok(Self {
            taps: Taps::of_transposed(weight, bias, stride)?,
            activation,
            stride,
            cut_left: cut - cut_right,
            cut_right,
            begun: false,
            held: None,
        })
    }

    /// Takes more of the signal and gives what can be known by now. With `last` the signal ends.
    pub(super) fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        let Some(rows) = rows::join(self.held.take(), rows, self.activation)? else { return Ok(None) };
        // Beyond its ends the signal is zero.
        let (before, after) = (usize::from(!self.begun), usize::from(last));
        let rows = rows.pad_with_zeros(0, before, after)?;
        self.held = rows::rest(&rows, rows.dim(0)? - 1)?;
        if rows.dim(0)? < self.taps.reach() {
            return Ok(None);
        }
        let upsampled = self.taps.apply(&rows)?;
        let upsampled = upsampled.reshape(((), upsampled.dim(1)? / self.stride))?;
        let start = if self.begun { 0 } else { self.cut_left };
        let cut = start + if last { self.cut_right } else { 0 };
        self.begun = true;
        rows::part(&upsampled, start, upsampled.dim(0)? - cut)
    }

    pub(super) fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        walk.flag(&mut self.begun)?;
        walk.rows(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use serde_json::json;

    use super::*;
    use crate::audio::Random;

    fn in_pieces(transposed: &Transposed, signal: &[f32], size: usize) -> Vec<f32> {
        let mut transposed = transposed.clone();
        let mut out = Vec::new();
        let mut take = |rows: Rows| {
            if let Some(rows) = rows {
                out.extend(rows.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
        };
        for piece in signal.chunks(size * 2) {
            let rows = Tensor::new(piece, &Device::Cpu).unwrap().reshape(((), 2)).unwrap();
            take(transposed.push(Some(rows), false).unwrap());
        }
        take(transposed.push(None, true).unwrap());
        out
    }

    #[test]
    fn it_equals_plain_loops_cut_on_both_sides() {
        let mut random = Random::new(4);
        // Stride, causal, ratio, what is cut on the left.
        for (stride, causal, ratio, cut) in [
            (8, false, 1.0, 4),
            (5, false, 1.0, 3),
            (2, false, 1.0, 1),
            (1, false, 1.0, 1),
            (5, true, 1.0, 0),
            (5, true, 0.5, 2),
            (5, true, 0.0, 5),
        ] {
            let config = json!({"use_causal_conv": causal, "trim_right_ratio": ratio});
            let config = Config::from_json(&config).unwrap();
            let (ins, outs, kernel) = (2, 3, 2 * stride);
            let weight: Vec<f32> = (0..ins * outs * kernel).map(|_| random.bipolar()).collect();
            let bias = [0.5, -0.25, 1.0];
            let tensor = Tensor::from_slice(&weight, (ins, outs, kernel), &Device::Cpu).unwrap();
            let bias_tensor = Tensor::new(&bias, &Device::Cpu).unwrap().to_dtype(tensor.dtype()).unwrap();
            let transposed =
                Transposed::new(&config, stride, Activation::Identity, &tensor, &bias_tensor).unwrap();
            for n in [1, 2, 7] {
                let signal: Vec<f32> = (0..n * ins).map(|_| random.bipolar()).collect();
                let mut whole: Vec<f32> =
                    bias.iter().map(|bias| *bias as f32).collect::<Vec<_>>().repeat((n + 1) * stride);
                for row in 0..n {
                    for channel in 0..ins {
                        for out in 0..outs {
                            for tap in 0..kernel {
                                whole[(row * stride + tap) * outs + out] += signal[row * ins + channel]
                                    * weight[(channel * outs + out) * kernel + tap];
                            }
                        }
                    }
                }
                let expected = &whole[cut * outs..(cut + n * stride) * outs];
                for size in [1, 2, n] {
                    let found = in_pieces(&transposed, &signal, size);
                    assert_eq!(found.len(), expected.len(), "stride {stride}, {n} by {size}");
                    for (found, expected) in found.iter().zip(expected) {
                        assert!((found - expected).abs() < 1e-5, "stride {stride}, {n} by {size}");
                    }
                }
            }
        }
    }
}
