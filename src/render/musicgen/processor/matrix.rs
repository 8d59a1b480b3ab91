//! Matrices in the order in which a product reads them.
//!
//! ```text
//! 16 rows of the matrix are a tile, one lane each; in it the columns follow each other:
//!
//! tile 0: w[0..16][0]  w[0..16][1]  w[0..16][2] ...     the sums of 16 products grow side by side
//! tile 1: w[16..32][0] w[16..32][1] ...
//! ```

use std::iter;

use half::{bf16, f16};
use rayon::prelude::*;

use super::{
    super::{crew::Crew, lanes::widest, precision::Precision},
    blocks::{Blocks, Rows},
    stored::Stored,
};

/// Rows of a matrix that are worked on side by side.
pub(super) const LANES: usize = 16;

/// Rows of a batch that share one pass over a tile: as many as are left of 8, 4, 2 or 1.
const PARTIES: [usize; 4] = [8, 4, 2, 1];

/// Parts of a product for each thread: should one be held up, the others take over some of what is its.
const PARTS: usize = 2;

/// A matrix `[outs, ins]` that rows are multiplied with.
#[derive(Debug)]
pub(in super::super) struct Matrix {
    outs: usize,
    ins: usize,
    tiles: Tiles,
}

#[derive(Debug)]
enum Tiles {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
    Q4(Blocks<4>),
    Q6(Blocks<6>),
    Q8(Blocks<8>),
}

/// Products of rows with a matrix.
#[derive(Debug, Default)]
pub(in super::super) struct Products {
    rows: usize,
    outs: usize,
    /// By tile, then by row.
    values: Vec<[f32; LANES]>,
}

impl Matrix {
    /// Packs a matrix that is given row by row.
    pub(in super::super) fn new(values: &[f32], outs: usize, ins: usize, precision: Precision) -> Self {
        let tiles = match precision {
            Precision::F32 => Tiles::F32(pack(values, outs, ins)),
            Precision::Bf16 => Tiles::Bf16(pack(values, outs, ins)),
            Precision::F16 => Tiles::F16(pack(values, outs, ins)),
            Precision::Q4_0 => Tiles::Q4(Blocks::new(values, outs, ins)),
            Precision::Q6_0 => Tiles::Q6(Blocks::new(values, outs, ins)),
            Precision::Q8_0 => Tiles::Q8(Blocks::new(values, outs, ins)),
        };
        Self { outs, ins, tiles }
    }

    /// From what [`Matrix::blocks`] gave for a matrix of this size and precision; `None` when it is of another.
    pub(in super::super) fn of_blocks(
        outs: usize,
        ins: usize,
        precision: Precision,
        quants: &[u8],
        scales: &[u8],
    ) -> Option<Self> {
        let tiles = match precision {
            Precision::Q4_0 => Tiles::Q4(Blocks::of_bytes(outs, ins, quants, scales)?),
            Precision::Q6_0 => Tiles::Q6(Blocks::of_bytes(outs, ins, quants, scales)?),
            Precision::Q8_0 => Tiles::Q8(Blocks::of_bytes(outs, ins, quants, scales)?),
            Precision::F32 | Precision::Bf16 | Precision::F16 => return None,
        };
        Some(Self { outs, ins, tiles })
    }

    /// Its quants and scales as they lie in memory, when it is in blocks.
    pub(in super::super) fn blocks(&self) -> Option<(&[u8], Vec<u8>)> {
        match &self.tiles {
            Tiles::Q4(blocks) => Some(blocks.bytes()),
            Tiles::Q6(blocks) => Some(blocks.bytes()),
            Tiles::Q8(blocks) => Some(blocks.bytes()),
            Tiles::F32(_) | Tiles::Bf16(_) | Tiles::F16(_) => None,
        }
    }

    /// Multiplies it with rows that follow each other, `[n, ins]`.
    pub(in super::super) fn multiply(&self, rows: &[f32], products: &mut Products, crew: &mut Crew<'_>) {
        let count = rows.len() / self.ins;
        products.rows = count;
        products.outs = self.outs;
        products.values.resize(count * self.outs.div_ceil(LANES), [0.0; LANES]);
        match &self.tiles {
            Tiles::F32(tiles) => self.floats(tiles, rows, products, crew),
            Tiles::Bf16(tiles) => self.floats(tiles, rows, products, crew),
            Tiles::F16(tiles) => self.floats(tiles, rows, products, crew),
            Tiles::Q4(blocks) => self.integers(blocks, rows, products, crew),
            Tiles::Q6(blocks) => self.integers(blocks, rows, products, crew),
            Tiles::Q8(blocks) => self.integers(blocks, rows, products, crew),
        }
    }

    fn integers<const BITS: usize>(
        &self,
        blocks: &Blocks<BITS>,
        rows: &[f32],
        products: &mut Products,
        crew: &mut Crew<'_>,
    ) {
        let rows = Rows::of(rows, self.ins, BITS, crew);
        products.each_tile(crew, |tile, out| blocks.multiply(tile, &rows, out));
    }

    fn floats<T: Stored>(&self, tiles: &[T], rows: &[f32], products: &mut Products, crew: &mut Crew<'_>) {
        let ins = self.ins;
        products.each_tile(crew, |tile, out| {
            let tile = &tiles[tile * ins * LANES..][..ins * LANES];
            for (start, size) in parties(out.len()) {
                let (out, rows) = (&mut out[start..start + size], &rows[start * ins..(start + size) * ins]);
                widest(
                    #[inline(always)]
                    || match size {
                        8 => out.copy_from_slice(&sums::<T, 8>(tile, rows)),
                        4 => out.copy_from_slice(&sums::<T, 4>(tile, rows)),
                        2 => out.copy_from_slice(&sums::<T, 2>(tile, rows)),
                        _ => out.copy_from_slice(&sums::<T, 1>(tile, rows)),
                    },
                );
            }
        });
    }
}

/// The rows that share a pass: the first one, and how many.
pub(super) fn parties(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    iter::from_fn(move || {
        let size = PARTIES.into_iter().find(|size| *size <= count - start)?;
        start += size;
        Some((start - size, size))
    })
}

/// The products of so many rows, which follow each other, with a tile.
#[inline(always)]
fn sums<T: Stored, const ROWS: usize>(tile: &[T], rows: &[f32]) -> [[f32; LANES]; ROWS] {
    let width = rows.len() / ROWS;
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row * width..][..width]);
    let mut sums = [[0.0; LANES]; ROWS];
    for (column, weights) in tile.as_chunks::<LANES>().0.iter().enumerate() {
        let weights = weights.map(T::widen);
        for (sums, row) in sums.iter_mut().zip(rows) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += weight * row[column];
            }
        }
    }
    sums
}

/// Puts a matrix into tiles; lanes that it has no row for stay zero.
fn pack<T: Stored>(values: &[f32], outs: usize, ins: usize) -> Vec<T> {
    let mut tiles = vec![T::default(); outs.div_ceil(LANES) * LANES * ins];
    tiles.par_chunks_mut(LANES * ins).zip(values.par_chunks(LANES * ins)).for_each(|(tile, rows)| {
        let rows = T::all_of(rows);
        for (column, tile) in tile.chunks_exact_mut(LANES).enumerate() {
            for (lane, row) in tile.iter_mut().zip(rows.chunks_exact(ins)) {
                *lane = row[column];
            }
        }
    });
    tiles
}

impl Products {
    /// Fills the values tile by tile.
    fn each_tile(&mut self, crew: &mut Crew<'_>, fill: impl Fn(usize, &mut [[f32; LANES]]) + Sync) {
        let rows = self.rows;
        let tiles = self.values.len() / rows.max(1);
        let at_once = tiles.div_ceil(PARTS * rayon::current_num_threads());
        crew.each_chunk(&mut self.values, at_once * rows, |part, values| {
            for (tile, out) in values.chunks_mut(rows).enumerate() {
                fill(part * at_once + tile, out);
            }
        });
    }

    /// Goes through the values of a row from left to right, as many at once as stand together.
    fn row(&self, row: usize) -> impl Iterator<Item = &[f32; LANES]> {
        self.values.iter().skip(row).step_by(self.rows.max(1))
    }

    /// Adds them to rows of the same size that follow each other.
    pub(in super::super) fn add_to(&self, states: &mut [f32]) {
        for (row, states) in states.chunks_mut(self.outs).enumerate() {
            for (states, values) in states.chunks_mut(LANES).zip(self.row(row)) {
                for (state, value) in states.iter_mut().zip(values) {
                    *state += value;
                }
            }
        }
    }

    /// Writes them row by row.
    pub(in super::super) fn write_to(&self, rows: &mut Vec<f32>) {
        rows.resize(self.rows * self.outs, 0.0);
        for (row, out) in rows.chunks_mut(self.outs.max(1)).enumerate() {
            for (out, values) in out.chunks_mut(LANES).zip(self.row(row)) {
                out.copy_from_slice(&values[..out.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audio::Random, render::musicgen::crew::with_crew};

    fn random(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed);
        (0..count).map(|_| random.bipolar()).collect()
    }

    fn product(matrix: &Matrix, rows: &[f32]) -> Vec<f32> {
        let (mut products, mut out) = (Products::default(), Vec::new());
        with_crew(|crew| matrix.multiply(rows, &mut products, crew));
        products.write_to(&mut out);
        out
    }

    /// What each precision may be off, of the largest value of the product.
    const PRECISIONS: [(Precision, f64, f64); 6] = [
        (Precision::F32, 0.0, 1e-6),
        (Precision::Bf16, 1e-5, 5e-3),
        (Precision::F16, 1e-6, 5e-4),
        (Precision::Q8_0, 1e-4, 1e-2),
        (Precision::Q6_0, 1e-3, 4e-2),
        (Precision::Q4_0, 1e-2, 0.2),
    ];

    #[test]
    fn every_precision_multiplies_to_within_its_rounding() {
        for (outs, ins) in [(1, 1), (16, 32), (40, 70), (96, 256), (20, 1100)] {
            let weights = random(outs * ins, 1);
            for count in 1..=9 {
                let rows = random(count * ins, 2);
                let exact: Vec<f64> = rows
                    .chunks(ins)
                    .flat_map(|row| weights.chunks(ins).map(move |weights| (row, weights)))
                    .map(|(row, weights)| {
                        row.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                    })
                    .collect();
                let largest = exact.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
                for (precision, least, most) in PRECISIONS {
                    let found = product(&Matrix::new(&weights, outs, ins, precision), &rows);
                    assert_eq!(found.len(), exact.len());
                    let apart = found.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).abs() / largest);
                    let worst = apart.fold(0.0, f64::max);
                    assert!(worst <= most, "{precision}: {outs} x {ins}, {count} rows: {worst:e}");
                    assert!(ins < 32 || worst >= least, "{precision} is better than it can be: {worst:e}");
                }
            }
        }
    }

    #[test]
    fn rows_share_passes_by_eight_and_what_is_left_by_less() {
        assert_eq!(parties(0).next(), None);
        assert_eq!(parties(31).collect::<Vec<_>>(), [(0, 8), (8, 8), (16, 8), (24, 4), (28, 2), (30, 1)]);
    }

    #[test]
    fn a_row_does_not_depend_on_its_company() {
        for (outs, ins) in [(48, 96), (20, 1100)] {
            let (weights, rows) = (random(outs * ins, 3), random(11 * ins, 4));
            for (precision, ..) in PRECISIONS {
                let matrix = Matrix::new(&weights, outs, ins, precision);
                let alone: Vec<f32> = rows.chunks(ins).flat_map(|row| product(&matrix, row)).collect();
                for count in 2..=11 {
                    assert_eq!(product(&matrix, &rows[..count * ins]), alone[..count * outs], "{precision}");
                }
            }
        }
    }
}
