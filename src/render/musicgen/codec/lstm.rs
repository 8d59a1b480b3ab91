//! The recurrent layers, with a residual connection around them.

use candle_core::{Error, Tensor};
use candle_nn::ops::sigmoid;

use super::{memory::Walk, weights::Weights};

/// Layers of LSTM, one direction, each as wide as the signal: `[n, width]` to `[n, width]`, the signal added
/// to what the last layer gives.
#[derive(Clone, Debug)]
pub(super) struct Lstm {
    layers: Vec<Layer>,
}

/// Gates stand in the order input, forget, cell, output.
#[derive(Clone, Debug)]
struct Layer {
    /// `[width, 4 width]`
    from_input: Tensor,
    /// `[width, 4 width]`
    from_hidden: Tensor,
    /// `[4 width]`
    bias: Tensor,
    /// `[1, width]`
    hidden: Tensor,
    /// `[1, width]`
    cell: Tensor,
}

impl Lstm {
    /// Reads `{lstm}.weight_ih_l0` and so on.
    pub(super) fn load<W: Weights>(
        weights: &W,
        lstm: &str,
        width: usize,
        layers: usize,
    ) -> Result<Self, W::Error> {
        let layer = |index: usize| {
            let matrix = |kind| weights.get(&format!("{lstm}.weight_{kind}_l{index}"), &[4 * width, width]);
            let bias = |kind| weights.get(&format!("{lstm}.bias_{kind}_l{index}"), &[4 * width]);
            Ok(Layer::new(&matrix("ih")?, &matrix("hh")?, &(bias("ih")? + bias("hh")?)?)?)
        };
        Ok(Self { layers: (0..layers).map(layer).collect::<Result<_, W::Error>>()? })
    }

    /// The next rows of the signal.
    pub(super) fn push(&mut self, rows: &Tensor) -> Result<Tensor, Error> {
        let deep = self.layers.iter_mut().try_fold(rows.clone(), |rows, layer| layer.push(&rows))?;
        deep + rows
    }

    pub(super) fn walk(&mut self, walk: &mut dyn Walk) -> Result<(), Error> {
        self.layers.iter_mut().try_for_each(|layer| {
            walk.tensor(&mut layer.hidden)?;
            walk.tensor(&mut layer.cell)
        })
    }
}

impl Layer {
    fn new(from_input: &Tensor, from_hidden: &Tensor, bias: &Tensor) -> Result<Self, Error> {
        let silence = Tensor::zeros((1, from_hidden.dim(1)?), bias.dtype(), bias.device())?;
        Ok(Self {
            from_input: from_input.t()?,
            from_hidden: from_hidden.t()?,
            bias: bias.clone(),
            hidden: silence.clone(),
            cell: silence,
        })
    }

    fn push(&mut self, rows: &Tensor) -> Result<Tensor, Error> {
        let width = self.hidden.dim(1)?;
        // What depends on the input alone is one product for all rows.
        let inputs = rows.matmul(&self.from_input)?.broadcast_add(&self.bias)?;
        let mut outputs = Vec::with_capacity(rows.dim(0)?);
        for row in 0..rows.dim(0)? {
            let gates = (inputs.narrow(0, row, 1)? + self.hidden.matmul(&self.from_hidden)?)?;
            let gate = |index| gates.narrow(1, index * width, width);
            let (input, forget) = (sigmoid(&gate(0)?)?, sigmoid(&gate(1)?)?);
            let (cell, output) = (gate(2)?.tanh()?, sigmoid(&gate(3)?)?);
            self.cell = ((forget * &self.cell)? + (input * cell)?)?;
            self.hidden = (output * self.cell.tanh()?)?;
            outputs.push(self.hidden.clone());
        }
        Tensor::cat(&outputs, 0)
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use candle_core::Device;

    use super::*;
    use crate::audio::Random;

    const WIDTH: usize = 3;

    fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
        Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
    }

    /// One layer as the textbook writes it, in f64.
    fn naive(signal: &[f32], from_input: &[f32], from_hidden: &[f32], bias: &[f32]) -> Vec<f32> {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (mut hidden, mut cell) = ([0.0_f64; WIDTH], [0.0_f64; WIDTH]);
        let mut out = Vec::new();
        for row in signal.chunks(WIDTH) {
            let before = hidden;
            for unit in 0..WIDTH {
                let gate = |kind: usize| {
                    let line = kind * WIDTH + unit;
                    let products = (0..WIDTH).map(|column| {
                        f64::from(from_input[line * WIDTH + column]) * f64::from(row[column])
                            + f64::from(from_hidden[line * WIDTH + column]) * before[column]
                    });
                    products.sum::<f64>() + f64::from(bias[line])
                };
                cell[unit] = sigmoid(gate(1)) * cell[unit] + sigmoid(gate(0)) * gate(2).tanh();
                hidden[unit] = sigmoid(gate(3)) * cell[unit].tanh();
            }
            out.extend(hidden.map(|value| value as f32));
        }
        out
    }

    #[test]
    fn two_layers_equal_plain_loops_whatever_the_pieces() {
        let mut random = Random::new(4);
        let mut values = |n| iter::repeat_with(|| random.bipolar() * 2.0).take(n).collect::<Vec<_>>();
        let mut expected = values(9 * WIDTH);
        let signal = expected.clone();
        let mut layers = Vec::new();
        for _ in 0..2 {
            let (input, hidden, bias) =
                (values(4 * WIDTH * WIDTH), values(4 * WIDTH * WIDTH), values(4 * WIDTH));
            expected = naive(&expected, &input, &hidden, &bias);
            let square = [4 * WIDTH, WIDTH];
            let layer =
                Layer::new(&tensor(&input, &square), &tensor(&hidden, &square), &tensor(&bias, &[4 * WIDTH]));
            layers.push(layer.unwrap());
        }
        for size in [1, 2, 9] {
            let mut lstm = Lstm { layers: layers.clone() };
            let mut found = Vec::new();
            for piece in signal.chunks(size * WIDTH) {
                let rows = lstm.push(&tensor(piece, &[piece.len() / WIDTH, WIDTH])).unwrap();
                found.extend(rows.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
            for ((found, deep), straight) in found.iter().zip(&expected).zip(&signal) {
                assert!((found - deep - straight).abs() < 1e-6, "pieces of {size}");
            }
        }
    }
}
