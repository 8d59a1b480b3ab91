//! A layer of LSTM on the processor.

use super::{
    kernels::{self, Column, LINES, Reading},
    panels::Panels,
};
use crate::render::musicgen::{crew::with_crew, lanes};

/// Units whose four gates are worked on together.
const UNITS: usize = LINES / 4;
/// Blocks that a thread works on at a time: some tens of microseconds.
const TOGETHER: usize = 4;
/// The largest whole number that a weight is kept as.
const LARGEST: f32 = ((1 << 23) - 1) as f32;
/// Units of a layer that are too few to be shared out.
const FEW: usize = 256;

/// One layer. Gates stand in the order input, forget, cell, output; of [`UNITS`] units each, one such block after
/// the other.
///
/// Every step reads all weights of the recurrent product, far more than any cache near a core holds, and nothing
/// else takes as long. So they are kept in 24 bits, as multiples of one 2^23rd of the largest in their line: as close
/// to the given ones as f32 is where it matters, since a sum of products is rounded to more than that.
#[derive(Debug)]
pub(super) struct Recurrence {
    width: usize,
    from_input: Panels,
    /// `width` columns for every block.
    from_hidden: Vec<Column>,
    /// What one stands for in the lines of every block.
    scales: Vec<[f32; LINES]>,
}

impl Recurrence {
    /// From weights `[4 width, width]` and a bias `[4 width]`.
    pub(super) fn new(from_input: &[f32], from_hidden: &[f32], bias: &[f32], width: usize) -> Self {
        let blocks = width.div_ceil(UNITS);
        // The line of the weights that stands in a line of a block.
        let line = |block: usize, line: usize| {
            let unit = block * UNITS + line % UNITS;
            (unit < width).then_some(line / UNITS * width + unit)
        };
        let lines = (0..blocks).flat_map(|block| (0..LINES).map(move |at| line(block, at)));
        let lines: Vec<Option<usize>> = lines.collect();
        let inputs = turned(from_input, &lines, width);
        let bias: Vec<f32> = lines.iter().map(|line| line.map_or(0.0, |line| bias[line])).collect();
        let scale = |line: &Option<usize>| {
            let weights = line.map_or(&[][..], |line| &from_hidden[line * width..][..width]);
            weights.iter().fold(0.0_f32, |most, weight| most.max(weight.abs())) / LARGEST
        };
        let (mut columns, mut scales) = (Vec::with_capacity(blocks * width), Vec::with_capacity(blocks));
        for lines in lines.as_chunks::<LINES>().0 {
            let scale = lines.each_ref().map(scale);
            for column in turned(from_hidden, lines, width).as_chunks::<LINES>().0 {
                let whole: [i32; LINES] = std::array::from_fn(|at| {
                    let exact = f64::from(column[at]) / f64::from(scale[at]);
                    // To the nearest. Not a number where all are zero, which becomes zero.
                    (exact + 0.5_f64.copysign(exact)) as i32
                });
                columns.push(Column {
                    high: whole.map(|whole| (whole >> 8) as i16),
                    low: whole.map(|whole| (whole & 255) as u8),
                });
            }
            scales.push(scale);
        }
        Self {
            width,
            from_input: Panels::new(&inputs, &bias, Reading::plain(width)),
            from_hidden: columns,
            scales,
        }
    }

    /// What the layer gives for each row, beginning with what it held; `hidden` and `cell` are left as they are
    /// after the last one.
    pub(super) fn push(&self, rows: &[f32], hidden: &mut Vec<f32>, cell: &mut Vec<f32>) -> Vec<f32> {
        let width = self.width;
        let count = rows.len() / width;
        // What depends on the input alone is one product for all rows.
        let inputs = self.from_input.product(rows, count);
        cell.resize(self.scales.len() * UNITS, 0.0);
        let mut parts: Vec<Part> = cell
            .as_chunks()
            .0
            .chunks(TOGETHER)
            .map(|cell| Part { hidden: cell.to_vec(), cell: cell.to_vec() })
            .collect();
        let mut out = Vec::with_capacity(rows.len());
        with_crew(|crew| {
            // A step is over too soon for a layer of few units to be shared out.
            let together = if width > FEW { 1 } else { parts.len() };
            for inputs in inputs.as_chunks().0.chunks(self.scales.len()) {
                crew.each_chunk(&mut parts, together, |first, parts| {
                    for (at, part) in parts.iter_mut().enumerate() {
                        self.turn(first * together + at, part, inputs, hidden);
                    }
                });
                hidden.clear();
                hidden.extend(parts.iter().flat_map(|part| part.hidden.as_flattened()));
                hidden.truncate(width);
                out.extend_from_slice(hidden);
            }
        });
        cell.clear();
        cell.extend(parts.iter().flat_map(|part| part.cell.as_flattened()));
        cell.truncate(width);
        out
    }

    /// The next step of a part.
    fn turn(&self, part: usize, state: &mut Part, inputs: &[[f32; LINES]], hidden: &[f32]) {
        for (at, (next, cell)) in state.hidden.iter_mut().zip(&mut state.cell).enumerate() {
            let block = part * TOGETHER + at;
            let sums = kernels::recurrent(&self.from_hidden[block * self.width..][..self.width], hidden);
            turn(sums, &self.scales[block], &inputs[block], next, cell);
        }
    }
}

/// The state of [`TOGETHER`] blocks.
struct Part {
    hidden: Vec<[f32; UNITS]>,
    cell: Vec<[f32; UNITS]>,
}

/// The next state of some units.
fn turn(
    sums: [f32; LINES],
    scales: &[f32; LINES],
    inputs: &[f32; LINES],
    hidden: &mut [f32; UNITS],
    cell: &mut [f32; UNITS],
) {
    lanes::widest(
        #[inline(always)]
        || {
            for unit in 0..UNITS {
                let gate = |kind: usize| {
                    let line = kind * UNITS + unit;
                    inputs[line] + scales[line] * sums[line]
                };
                let kept = lanes::sigmoid(gate(1)) * cell[unit];
                cell[unit] = kept + lanes::sigmoid(gate(0)) * lanes::tanh(gate(2));
                hidden[unit] = lanes::sigmoid(gate(3)) * lanes::tanh(cell[unit]);
            }
        },
    );
}

/// Some lines of a matrix, column by column: `[width, lines]`, zeros where there is none.
fn turned(matrix: &[f32], lines: &[Option<usize>], width: usize) -> Vec<f32> {
    /// Values of a line that come from memory at once.
    const NEAR: usize = 16;
    let mut turned = vec![0.0; width * lines.len()];
    for from in (0..width).step_by(NEAR) {
        for (at, line) in lines.iter().enumerate().filter_map(|(at, line)| Some((at, (*line)?))) {
            let values = &matrix[line * width + from..(line + 1) * width];
            for (column, value) in (from..).zip(&values[..NEAR.min(width - from)]) {
                turned[column * lines.len() + at] = *value;
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    /// Against the textbook in f64, and wide enough to be shared out; the error is that of f32.
    #[test]
    fn a_wide_layer_is_as_exact_as_its_floats() {
        let width = FEW + 5;
        let mut random = Random::new(4);
        let mut values = |count: usize| (0..count).map(|_| random.bipolar()).collect::<Vec<f32>>();
        let scale = (width as f32).sqrt().recip();
        let mut matrix = || values(4 * width * width).iter().map(|x| x * scale).collect::<Vec<f32>>();
        let (from_input, from_hidden) = (matrix(), matrix());
        let (bias, rows) = (values(4 * width), values(6 * width));
        let layer = Recurrence::new(&from_input, &from_hidden, &bias, width);
        let (mut hidden, mut cell) = (vec![0.0; width], vec![0.0; width]);
        let found = layer.push(&rows, &mut hidden, &mut cell);
        assert_eq!(found[5 * width..], hidden);

        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (mut hidden, mut cell) = (vec![0.0_f64; width], vec![0.0_f64; width]);
        for (row, found) in rows.chunks(width).zip(found.chunks(width)) {
            let before = hidden.clone();
            for unit in 0..width {
                let gate = |kind: usize| {
                    let line = (kind * width + unit) * width;
                    let products = (0..width).map(|column| {
                        f64::from(from_input[line + column]) * f64::from(row[column])
                            + f64::from(from_hidden[line + column]) * before[column]
                    });
                    products.sum::<f64>() + f64::from(bias[kind * width + unit])
                };
                cell[unit] = sigmoid(gate(1)) * cell[unit] + sigmoid(gate(0)) * gate(2).tanh();
                hidden[unit] = sigmoid(gate(3)) * cell[unit].tanh();
                assert!((f64::from(found[unit]) - hidden[unit]).abs() < 1e-6, "unit {unit}");
            }
        }
    }
}
