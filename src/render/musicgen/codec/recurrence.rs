//! A layer of LSTM on the processor.

use std::{
    hint, mem,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    kernels::{self, Column, LINES, Reading},
    panels::Panels,
};
use crate::render::musicgen::lanes;

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
        let inputs: Vec<f32> = (0..width)
            .flat_map(|column| {
                lines.iter().map(move |line| line.map_or(0.0, |line| from_input[line * width + column]))
            })
            .collect();
        let bias: Vec<f32> = lines.iter().map(|line| line.map_or(0.0, |line| bias[line])).collect();
        let weight =
            |line: Option<usize>, column| line.map_or(0.0, |line| from_hidden[line * width + column]);
        let scale = |line: &Option<usize>| {
            (0..width).fold(0.0_f32, |most, column| most.max(weight(*line, column).abs())) / LARGEST
        };
        let (mut columns, mut scales) = (Vec::with_capacity(blocks * width), Vec::with_capacity(blocks));
        for lines in lines.as_chunks::<LINES>().0 {
            let scale: [f32; LINES] = std::array::from_fn(|at| scale(&lines[at]));
            for column in 0..width {
                let whole = |at: usize| {
                    let exact = f64::from(weight(lines[at], column)) / f64::from(scale[at]);
                    // Not a number where all are zero.
                    exact.round() as i32
                };
                let (high, low) = (|at| (whole(at) >> 8) as i16, |at| (whole(at) & 255) as u8);
                columns.push(Column { high: std::array::from_fn(high), low: std::array::from_fn(low) });
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
        let parts = cell
            .as_chunks()
            .0
            .chunks(TOGETHER)
            .map(|cell| Part { hidden: cell.to_vec(), cell: cell.to_vec() });
        let steps = Steps {
            layer: self,
            inputs: inputs.as_chunks().0,
            hidden: RwLock::new(mem::take(hidden)),
            parts: parts.map(Mutex::new).collect(),
            open: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        };
        let mut out = Vec::with_capacity(rows.len());
        rayon::scope(|scope| {
            let threads = if width > FEW { rayon::current_num_threads() } else { 1 };
            for _ in 1..threads {
                scope.spawn(|_| steps.help());
            }
            for step in 1..=count {
                out.extend_from_slice(&steps.take(step));
            }
            steps.over.store(true, Ordering::Release);
        });
        *hidden = steps.hidden.into_inner().unwrap_or_else(PoisonError::into_inner);
        cell.clear();
        for part in steps.parts {
            cell.extend(part.into_inner().unwrap_or_else(PoisonError::into_inner).cell.as_flattened());
        }
        cell.truncate(width);
        out
    }
}

/// The steps of a layer through some rows, which threads share.
///
/// A step is over too soon for threads to sleep in between, so they wait awake. Nobody waits for a thread that has not come:
/// each takes the next part that nobody has begun, and a thread that is alone does all of them.
struct Steps<'a> {
    layer: &'a Recurrence,
    inputs: &'a [[f32; LINES]],
    /// After the last step that is done.
    hidden: RwLock<Vec<f32>>,
    parts: Vec<Mutex<Part>>,
    /// Parts of all steps, counted on: those that may be begun, that were begun, and that are done.
    open: AtomicUsize,
    begun: AtomicUsize,
    done: AtomicUsize,
    over: AtomicBool,
}

/// The state of [`TOGETHER`] blocks.
struct Part {
    hidden: Vec<[f32; UNITS]>,
    cell: Vec<[f32; UNITS]>,
}

impl Steps<'_> {
    /// Does a step, counted from 1, with those who help; the hidden state after it.
    fn take(&self, step: usize) -> Vec<f32> {
        let all = step * self.parts.len();
        self.open.store(all, Ordering::Release);
        while self.work() {}
        let mut turns = 0;
        while self.done.load(Ordering::Acquire) < all {
            wait(&mut turns);
        }
        let mut next = Vec::with_capacity(self.parts.len() * TOGETHER * UNITS);
        for part in &self.parts {
            next.extend(part.lock().unwrap_or_else(PoisonError::into_inner).hidden.as_flattened());
        }
        next.truncate(self.layer.width);
        self.hidden.write().unwrap_or_else(PoisonError::into_inner).clone_from(&next);
        next
    }

    fn help(&self) {
        let mut turns = 0;
        while !self.over.load(Ordering::Acquire) {
            if self.work() {
                turns = 0;
            } else {
                wait(&mut turns);
            }
        }
    }

    /// Does one more part, if there is one.
    fn work(&self) -> bool {
        let open = self.open.load(Ordering::Acquire);
        let begin = |begun| (begun < open).then_some(begun + 1);
        let Ok(begun) = self.begun.fetch_update(Ordering::AcqRel, Ordering::Acquire, begin) else {
            return false;
        };
        let (step, part) = (begun / self.parts.len(), begun % self.parts.len());
        let (width, blocks) = (self.layer.width, self.layer.scales.len());
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        let Part { hidden: next, cell } = &mut *state;
        for (at, (next, cell)) in next.iter_mut().zip(cell).enumerate() {
            let block = part * TOGETHER + at;
            let sums = kernels::recurrent(&self.layer.from_hidden[block * width..][..width], &hidden);
            turn(sums, &self.layer.scales[block], &self.inputs[step * blocks + block], next, cell);
        }
        drop((hidden, state));
        self.done.fetch_add(1, Ordering::Release);
        true
    }
}

/// Waits some nanoseconds, or longer after many turns.
fn wait(turns: &mut usize) {
    *turns += 1;
    if turns.is_multiple_of(4096) {
        thread::yield_now();
    } else {
        hint::spin_loop();
    }
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
