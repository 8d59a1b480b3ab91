//! A matrix laid out for products on the processor, which its threads share.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::kernels::{self, Block, COLUMNS, Reading};

/// Products of a value and a weight that are too few to be shared out: some microseconds of work.
const FEW: usize = 1 << 19;
/// Values of rows that one thread works on with one panel after the other: half of what a core has for itself.
const NEAR: usize = 1 << 17;

/// A matrix `[lines, columns]`, and what is added to its products. All results are the same to the bit whatever
/// rows are given together, on any number of threads.
#[derive(Debug)]
pub(super) struct Panels {
    reading: Reading,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    /// In panels of [`COLUMNS`], the last one filled with zeros.
    Wide { columns: usize, panels: Vec<[f32; COLUMNS]>, bias: Vec<[f32; COLUMNS]> },
    /// A single column, followed by zeros.
    Single { column: Vec<f32>, bias: f32 },
}

impl Panels {
    /// From a matrix, line by line, and one value for each column; the rows are read as is said.
    pub(super) fn new(matrix: &[f32], bias: &[f32], reading: Reading) -> Self {
        let columns = bias.len();
        let lines = reading.lines();
        let layout = match bias {
            [bias] if reading.parts == 1 => {
                let mut column = matrix.to_vec();
                column.resize(lines.next_multiple_of(COLUMNS), 0.0);
                Layout::Single { column, bias: *bias }
            }
            _ => {
                let mut panels = Vec::with_capacity(lines * columns.div_ceil(COLUMNS));
                for from in (0..columns).step_by(COLUMNS) {
                    let to = columns.min(from + COLUMNS);
                    panels.extend(matrix.chunks_exact(columns).map(|line| filled(&line[from..to])));
                }
                Layout::Wide { columns, panels, bias: bias.chunks(COLUMNS).map(filled).collect() }
            }
        };
        Self { reading, layout }
    }

    /// The products of the first `count` rows.
    pub(super) fn product(&self, values: &[f32], count: usize) -> Vec<f32> {
        let reading = self.reading;
        match &self.layout {
            Layout::Single { column, bias } => single(values, reading, count, column, *bias),
            Layout::Wide { columns, panels, bias } => {
                let whole = Block { values, reading, panels, bias };
                let weights = reading.lines() * columns;
                if count * weights <= FEW || rayon::current_num_threads() == 1 {
                    written(count * columns, |out| whole.write(*columns, out))
                } else if count * reading.step >= weights {
                    written(count * columns, |out| by_rows(whole, *columns, out))
                } else {
                    by_columns(whole, *columns, count)
                }
            }
        }
    }
}

/// A line of a panel.
fn filled(line: &[f32]) -> [f32; COLUMNS] {
    let mut filled = [0.0; COLUMNS];
    filled[..line.len()].copy_from_slice(line);
    filled
}

/// Each thread takes some rows.
fn by_rows(whole: Block, columns: usize, out: &mut [MaybeUninit<f32>]) {
    let rows = out.len() / columns;
    let at_once =
        (NEAR / whole.reading.step.max(1)).min(rows.div_ceil(2 * rayon::current_num_threads())).max(1);
    out.par_chunks_mut(at_once * columns).enumerate().for_each(|(part, out)| {
        whole.after(part * at_once).write(columns, out);
    });
}

/// Each thread takes some panels, so that of a large matrix each part is read by one of them only.
fn by_columns(whole: Block, columns: usize, rows: usize) -> Vec<f32> {
    let at_once = whole.bias.len().div_ceil(4 * rayon::current_num_threads());
    let parts: Vec<Vec<f32>> = (0..whole.bias.len().div_ceil(at_once))
        .into_par_iter()
        .map(|part| {
            let from = part * at_once;
            let width = (at_once * COLUMNS).min(columns - from * COLUMNS);
            let panels = whole.panels(from, width.div_ceil(COLUMNS));
            written(rows * width, |out| panels.write(width, out))
        })
        .collect();
    let mut out = vec![0.0; rows * columns];
    for (part, values) in parts.iter().enumerate() {
        let from = part * at_once * COLUMNS;
        let width = values.len() / rows;
        for (out, values) in out.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
            out[from..from + width].copy_from_slice(values);
        }
    }
    out
}

/// As many values, which `write` writes: whole blocks of products, without zeros before.
#[allow(unsafe_code, reason = "clearing memory that is written next takes time")]
fn written(count: usize, write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    write(&mut values.spare_capacity_mut()[..count]);
    // SAFETY: the blocks that are written in this file are all of the rows and columns there are.
    unsafe { values.set_len(count) };
    values
}

fn single(values: &[f32], reading: Reading, count: usize, column: &[f32], bias: f32) -> Vec<f32> {
    let mut out = vec![0.0; count];
    let at_once = (FEW / column.len().max(1)).max(1);
    out.par_chunks_mut(at_once).enumerate().for_each(|(part, out)| {
        kernels::dots(&values[part * at_once * reading.step..], reading, column, bias, out);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    #[test]
    fn a_product_is_the_same_to_the_bit_however_it_is_shared_out() {
        let mut random = Random::new(4);
        let mut values = |count: usize| (0..count).map(|_| random.bipolar()).collect::<Vec<f32>>();
        // Few, by rows, by columns, a matrix that does not stay near, a single column; rows overlap.
        for (count, step, lines, columns) in
            [(7, 3, 9, 5), (1500, 40, 80, 40), (33, 32, 64, 500), (11, 8, 4000, 300), (90_000, 4, 7, 1)]
        {
            let (matrix, bias) = (values(lines * columns), values(columns));
            let reading = Reading { step, ..Reading::plain(lines) };
            let signal = values(reading.span(count));
            let panels = Panels::new(&matrix, &bias, reading);
            let whole = panels.product(&signal, count);
            assert_eq!(whole.len(), count * columns);
            for row in 0..count.min(40) {
                let alone = panels.product(&signal[row * step..], 1);
                assert_eq!(alone, whole[row * columns..][..columns], "row {row} of {count}");
                for (column, found) in alone.iter().enumerate() {
                    let products = (0..lines).map(|line| {
                        f64::from(signal[row * step + line]) * f64::from(matrix[line * columns + column])
                    });
                    let exact = products.sum::<f64>() + f64::from(bias[column]);
                    let rounding = 1e-6 * lines.max(10) as f64;
                    assert!((f64::from(*found) - exact).abs() < rounding, "{found} for {exact}");
                }
            }
        }
    }
}
