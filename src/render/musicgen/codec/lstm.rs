//! The recurrent layers, with a residual connection around them.

use std::sync::Arc;

use candle_core::{Error, Tensor};
use candle_nn::ops::sigmoid;

use super::{memory::Walk, recurrence::Recurrence, values, weights::Weights};

/// Layers of LSTM, one direction, each as wide as the signal: `[n, width]` to `[n, width]`, the signal added
/// to what the last layer gives.
#[derive(Clone, Debug)]
pub(super) struct Lstm {
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    form: Form,
    /// `[1, width]`
    hidden: Tensor,
    /// `[1, width]`
    cell: Tensor,
}

#[derive(Clone, Debug)]
enum Form {
    /// On the processor.
    Recurrence(Arc<Recurrence>),
    /// On any device. Gates stand in the order input, forget, cell, output.
    Tensors {
        /// `[width, 4 width]`
        from_input: Tensor,
        /// `[width, 4 width]`
        from_hidden: Tensor,
        /// `[4 width]`
        bias: Tensor,
    },
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
    /// From weights `[4 width, width]` and a bias `[4 width]`.
    fn new(from_input: &Tensor, from_hidden: &Tensor, bias: &Tensor) -> Result<Self, Error> {
        let width = from_hidden.dim(1)?;
        let form = if bias.device().is_cpu() {
            Form::recurrence(from_input, from_hidden, bias, width)?
        } else {
            Form::tensors(from_input, from_hidden, bias)?
        };
        let silence = Tensor::zeros((1, width), bias.dtype(), bias.device())?;
        Ok(Self { form, hidden: silence.clone(), cell: silence })
    }

    fn push(&mut self, rows: &Tensor) -> Result<Tensor, Error> {
        match &self.form {
            Form::Recurrence(recurrence) => {
                let plain = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
                let (mut hidden, mut cell) = (plain(&self.hidden)?, plain(&self.cell)?);
                let out = values::read(rows, |rows| recurrence.push(rows, &mut hidden, &mut cell))?;
                self.hidden = Tensor::from_vec(hidden, self.hidden.shape(), rows.device())?;
                self.cell = Tensor::from_vec(cell, self.cell.shape(), rows.device())?;
                Tensor::from_vec(out, rows.shape(), rows.device())
            }
            Form::Tensors { from_input, from_hidden, bias } => {
                let width = self.hidden.dim(1)?;
                // What depends on the input alone is one product for all rows.
                let inputs = rows.matmul(from_input)?.broadcast_add(bias)?;
                let mut outputs = Vec::with_capacity(rows.dim(0)?);
                for row in 0..rows.dim(0)? {
                    let gates = (inputs.narrow(0, row, 1)? + self.hidden.matmul(from_hidden)?)?;
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
    }
}

impl Form {
    fn recurrence(
        from_input: &Tensor,
        from_hidden: &Tensor,
        bias: &Tensor,
        width: usize,
    ) -> Result<Self, Error> {
        let plain = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let recurrence = Recurrence::new(&plain(from_input)?, &plain(from_hidden)?, &plain(bias)?, width);
        Ok(Self::Recurrence(Arc::new(recurrence)))
    }

    fn tensors(from_input: &Tensor, from_hidden: &Tensor, bias: &Tensor) -> Result<Self, Error> {
        Ok(Self::Tensors { from_input: from_input.t()?, from_hidden: from_hidden.t()?, bias: bias.clone() })
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
        let mut forms: [Vec<Layer>; 2] = Default::default();
        for _ in 0..2 {
            let (input, hidden, bias) =
                (values(4 * WIDTH * WIDTH), values(4 * WIDTH * WIDTH), values(4 * WIDTH));
            expected = naive(&expected, &input, &hidden, &bias);
            let square = [4 * WIDTH, WIDTH];
            let [input, hidden] = [input, hidden].map(|matrix| tensor(&matrix, &square));
            let bias = tensor(&bias, &[4 * WIDTH]);
            let layer = Layer::new(&input, &hidden, &bias).unwrap();
            let tensors = Form::tensors(&input, &hidden, &bias).unwrap();
            forms[1].push(Layer { form: tensors, ..layer.clone() });
            forms[0].push(layer);
        }
        for (layers, size) in forms.iter().flat_map(|layers| [1, 2, 9].map(|size| (layers, size))) {
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
