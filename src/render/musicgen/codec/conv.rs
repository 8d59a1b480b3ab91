//! Convolution of a signal that comes piece by piece.

use candle_core::{Error, Tensor};

use super::{
    config::{Config, PadMode},
    memory::Walk,
    rows::{self, Rows},
    taps::Taps,
    values::Activation,
};

/// The size of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    pub(super) ins: usize,
    pub(super) outs: usize,
    pub(super) kernel: usize,
    /// Either 1 or a divisor of `kernel`, then without dilation.
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Of what it takes.
    pub(super) activation: Activation,
}

/// A convolution `[n, in]` to `[ceil(n / stride), out]`, padded on both sides, or before the signal only when
/// causal.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    taps: Taps,
    activation: Activation,
    stride: usize,
    /// Rows under the whole kernel.
    reach: usize,
    mode: PadMode,
    left: usize,
    right: usize,
    /// Rows that have come.
    received: usize,
    begun: bool,
    /// The end of what has come, with what stands before the signal.
    held: Rows,
    /// How many of the rows held no result depends on any more: they are kept to be mirrored at the end.
    passed: usize,
}

impl Conv {
    /// From the weight `[out, in, kernel]` and the bias `[out]`.
    pub(super) fn new(
        config: &Config,
        shape: ConvShape,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Self, Error> {
        let reach = (shape.kernel - 1) * shape.dilation + 1;
        let padding = reach.saturating_sub(shape.stride);
        let right = if config.use_causal_conv { 0 } else { padding / 2 };
        Ok(Self {
            taps: Taps::of_conv(weight, bias, shape.stride, shape.dilation)?,
            activation: shape.activation,
            stride: shape.stride,
            reach,
            mode: config.pad_mode,
            left: padding - right,
            right,
            received: 0,
            begun: false,
            held: None,
            passed: 0,
        })
    }

    /// Takes more of the signal and gives what can be known by now. With `last` the signal ends.
    pub(super) fn push(&mut self, rows: Rows, last: bool) -> Result<Rows, Error> {
        self.received += rows::count(&rows)?;
        let Some(rows) = rows::join(self.held.take(), rows, self.activation)? else { return Ok(None) };
        if !last && !self.begun && rows.dim(0)? < self.needed() {
            self.held = Some(rows);
            return Ok(None);
        }
        let left = if self.begun { 0 } else { self.left };
        let to_whole_stride = self.received.next_multiple_of(self.stride) - self.received;
        let right = if last { self.right + to_whole_stride } else { 0 };
        let rows = self.mode.extend(&rows, left, right)?;
        self.begun = true;
        self.slide(&rows)
    }

    pub(super) fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        walk.count(&mut self.received)?;
        walk.count(&mut self.passed)?;
        walk.flag(&mut self.begun)?;
        walk.rows(&mut self.held)
    }

    /// Rows that must be at hand at each end of the signal, so that it can be mirrored there.
    fn needed(&self) -> usize {
        self.mode.needs(self.left.max(self.right + self.stride - 1))
    }

    /// Puts the kernel wherever it fits, and holds what it will need further on.
    fn slide(&mut self, rows: &Tensor) -> Result<Rows, Error> {
        let (length, width) = rows.dims2()?;
        let count = (length + self.stride).saturating_sub(self.passed + self.reach) / self.stride;
        let given = match count.checked_sub(1) {
            Some(further) => {
                let under = rows.narrow(0, self.passed, further * self.stride + self.reach)?;
                Some(self.taps.apply(&under.reshape(((), self.stride * width))?)?)
            }
            None => None,
        };
        let next = self.passed + count * self.stride;
        let held_from = next.min(length.saturating_sub(self.needed()));
        self.held = rows::rest(rows, held_from)?;
        self.passed = next - held_from;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use serde_json::json;

    use super::*;
    use crate::audio::Random;

    /// The reference's rule in plain loops: pad (mirrored, or zeros), then slide the kernel.
    fn naive(
        signal: &[Vec<f32>],
        weight: &[Vec<Vec<f32>>],
        bias: &[f32],
        shape: ConvShape,
        config: &Config,
    ) -> Vec<f32> {
        let n = signal.len() as isize;
        let reach = ((shape.kernel - 1) * shape.dilation + 1) as isize;
        let stride = shape.stride as isize;
        let padding = reach - stride;
        let extra = (stride - n % stride) % stride;
        let right = if config.use_causal_conv { 0 } else { padding / 2 };
        let left = padding - right;
        let right = right + extra;
        let longer = n.max(left.max(right) + 1);
        let at = |row: isize, channel: usize| match config.pad_mode {
            PadMode::Zeros => signal.get(row as usize).map_or(0.0, |row| row[channel]),
            PadMode::Reflect => {
                let row = row.abs();
                let row = if row >= longer { 2 * (longer - 1) - row } else { row };
                signal.get(row as usize).map_or(0.0, |row| row[channel])
            }
        };
        // Of a signal made longer by zeros, as many rows are cut at the end as there were zeros.
        let kept = left + longer + right - (longer - n);
        let mut out = Vec::new();
        for start in (0..=kept - reach).step_by(shape.stride) {
            for (kernels, bias) in weight.iter().zip(bias) {
                let mut sum = *bias;
                for (channel, kernel) in kernels.iter().enumerate() {
                    for (tap, factor) in kernel.iter().enumerate() {
                        sum += at(start + (tap * shape.dilation) as isize - left, channel) * factor;
                    }
                }
                out.push(sum);
            }
        }
        out
    }

    fn in_pieces(conv: &Conv, signal: &[Vec<f32>], size: usize) -> Vec<f32> {
        let mut conv = conv.clone();
        let mut out = Vec::new();
        let mut take = |rows: Rows| {
            if let Some(rows) = rows {
                out.extend(rows.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
        };
        for piece in signal.chunks(size) {
            take(conv.push(Some(Tensor::new(piece.to_vec(), &Device::Cpu).unwrap()), false).unwrap());
        }
        take(conv.push(None, true).unwrap());
        out
    }

    #[test]
    fn it_equals_plain_loops_whatever_the_pieces() {
        let mut random = Random::new(4);
        let shapes =
            [(7, 1, 1), (3, 1, 1), (1, 1, 1), (3, 1, 4), (4, 2, 1), (10, 5, 1), (16, 8, 1), (4, 1, 1)];
        for (kernel, stride, dilation) in shapes {
            for causal in [false, true] {
                for pad_mode in ["reflect", "constant"] {
                    let config = json!({"use_causal_conv": causal, "pad_mode": pad_mode});
                    let config = Config::from_json(&config).unwrap();
                    let shape = ConvShape {
                        ins: 3,
                        outs: 2,
                        kernel,
                        stride,
                        dilation,
                        activation: Activation::Identity,
                    };
                    let mut row = |n: usize| (0..n).map(|_| random.bipolar()).collect::<Vec<_>>();
                    let weight: Vec<Vec<Vec<f32>>> =
                        (0..shape.outs).map(|_| (0..shape.ins).map(|_| row(kernel)).collect()).collect();
                    let bias = row(shape.outs);
                    let tensors = (
                        Tensor::new(weight.clone(), &Device::Cpu).unwrap(),
                        Tensor::new(bias.clone(), &Device::Cpu).unwrap(),
                    );
                    let conv = Conv::new(&config, shape, &tensors.0, &tensors.1).unwrap();
                    for n in [1_usize, 2, 3, 4, 5, 8, 12, 13, 27, 40, 41] {
                        let signal: Vec<Vec<f32>> = (0..n).map(|_| row(shape.ins)).collect();
                        let expected = naive(&signal, &weight, &bias, shape, &config);
                        assert_eq!(expected.len(), n.div_ceil(stride) * shape.outs);
                        for size in [1, 2, 3, 11, n] {
                            let found = in_pieces(&conv, &signal, size);
                            assert_eq!(found.len(), expected.len(), "{shape:?} {n} in pieces of {size}");
                            for (found, expected) in found.iter().zip(&expected) {
                                let case = format!("{shape:?} {pad_mode} causal {causal}, {n} by {size}");
                                assert!((found - expected).abs() < 1e-5, "{case}");
                            }
                        }
                    }
                }
            }
        }
    }
}
