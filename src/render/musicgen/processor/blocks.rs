//! Matrices of few bits: blocks of 32 values share a scale.
//!
//! A weight `w` is `q s`, with a whole number `q` of 4, 6 or 8 bits and the scale `s` of its block. The largest weight of a block becomes
//! the lowest `q`, whose size is one more than that of the highest. What is kept is `q` made positive, as the processors' instructions
//! want one factor to be: `sum of q x = sum of (q + shift) x - shift sum of x`.
//!
//! Four columns of sixteen rows are a group, 64 weights, which one instruction multiplies. A block has eight groups, and takes as
//! many vectors of 64 bytes as a weight takes bits:
//!
//! ```text
//!          bits   7 6   5 4   3 2   1 0
//! 8: vector g     ------ group g ------
//! 4: vector v     group v + 4   group v
//! 6: the same in vectors 0 to 3 with the lower four bits, and the upper two in
//!    vector 4 + v   v+6   v+4   v+2   v       (numbers of groups)
//! ```

use bytemuck::{Pod, Zeroable};
use half::bf16;
use rayon::prelude::*;

use super::{
    super::{crew::Crew, lanes::widest},
    integers::Tile,
    matrix::{LANES, parties},
    stored::{Stored, largest, whole},
};

/// Values of a row that share a scale.
pub(super) const BLOCK: usize = 32;

/// Columns that one instruction multiplies and adds up.
pub(super) const GROUP: usize = 4;

/// Groups of a block.
pub(super) const GROUPS: usize = BLOCK / GROUP;

/// Blocks of a tile that stay near while all rows of a batch are multiplied with them.
const NEAR: usize = 16;

/// Blocks of a batch that a thread rounds at a time: some microseconds of work.
const ROUNDED: usize = 256;

/// The largest value of a row's block in steps of its scale.
const STEPS: f32 = 127.0;

/// Blocks whose values are all smaller are zero.
pub(super) const NOTHING: f32 = 1e-30;

/// What a register holds: in a group, the four columns of each row of the tile. It starts where the processor reads it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Vector(pub(super) [u8; GROUP * LANES]);

/// A matrix in blocks: by tile, then from left to right.
#[derive(Debug)]
pub(super) struct Blocks<const BITS: usize> {
    /// Blocks in a row.
    width: usize,
    quants: Vec<[Vector; BITS]>,
    scales: Vec<[bf16; LANES]>,
}

/// Rows of a batch in blocks of 8 bits. Those that share a pass lie side by side: first the first block of each of them.
#[derive(Debug)]
pub(super) struct Rows {
    count: usize,
    /// Blocks in a row.
    width: usize,
    pub(super) blocks: Vec<Block>,
}

/// A block of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) quants: [i8; BLOCK],
    pub(super) scale: f32,
    /// What sums of products with positive weights start from: the sum of the whole numbers, times what the weights were raised by.
    pub(super) start: i32,
}

/// What makes a weight of so many bits positive.
pub(super) const fn shift(bits: usize) -> i32 {
    1 << (bits - 1)
}

impl<const BITS: usize> Blocks<BITS> {
    const SHIFT: f32 = shift(BITS) as f32;

    /// Rounds a matrix that is given row by row. What does not fill a tile or a block is filled with zeros.
    pub(super) fn new(values: &[f32], outs: usize, ins: usize) -> Self {
        let (tiles, width) = (outs.div_ceil(LANES), ins.div_ceil(BLOCK));
        let mut quants = vec![[Vector([0; GROUP * LANES]); BITS]; tiles * width];
        let mut scales = vec![[bf16::ZERO; LANES]; tiles * width];
        let tiles = quants.par_chunks_mut(width).zip(scales.par_chunks_mut(width));
        tiles.zip(values.par_chunks(LANES * ins)).for_each(|((quants, scales), rows)| {
            for (place, (quants, scales)) in quants.iter_mut().zip(scales).enumerate() {
                let mut groups = [Vector([Self::SHIFT as u8; GROUP * LANES]); GROUPS];
                for (lane, row) in rows.chunks_exact(ins).enumerate() {
                    let mut block = [0.0; BLOCK];
                    let given = &row[place * BLOCK..ins.min((place + 1) * BLOCK)];
                    block[..given.len()].copy_from_slice(given);
                    let (scale, block) = Self::round(&block);
                    scales[lane] = scale;
                    for (group, quants) in groups.iter_mut().zip(block.as_chunks::<GROUP>().0) {
                        group.0[lane * GROUP..][..GROUP].copy_from_slice(quants);
                    }
                }
                *quants = pack(&groups);
            }
        });
        Self { width, quants, scales }
    }

    /// The scale of a block, zero for what is next to nothing, and its whole numbers, made positive.
    fn round(block: &[f32; BLOCK]) -> (bf16, [u8; BLOCK]) {
        widest(
            #[inline(always)]
            || {
                let larger =
                    |largest: f32, value: &f32| if value.abs() > largest.abs() { *value } else { largest };
                let largest = block.iter().fold(0.0, larger);
                if largest.abs() < NOTHING {
                    return (bf16::ZERO, [Self::SHIFT as u8; BLOCK]);
                }
                let scale = bf16::from_f32(-largest / Self::SHIFT);
                let quant = |value: f32| {
                    let steps = (value / scale.widen()).clamp(-Self::SHIFT, Self::SHIFT - 1.0);
                    (whole(steps) + shift(BITS)) as u8
                };
                (scale, block.map(quant))
            },
        )
    }

    /// From what [`Blocks::bytes`] gave for a matrix of this size; `None` when it is of another.
    pub(super) fn of_bytes(outs: usize, ins: usize, quants: &[u8], scales: &[u8]) -> Option<Self> {
        let (tiles, width) = (outs.div_ceil(LANES), ins.div_ceil(BLOCK));
        let count = tiles * width;
        if quants.len() != count * BITS * GROUP * LANES || scales.len() != count * LANES * size_of::<bf16>() {
            return None;
        }
        let vectors = quants.as_chunks::<{ GROUP * LANES }>().0.as_chunks::<BITS>().0;
        let scales = scales.as_chunks().0.as_chunks::<LANES>().0.iter();
        Some(Self {
            width,
            quants: vectors.iter().map(|block| block.map(Vector)).collect(),
            scales: scales.map(|tile| tile.map(bf16::from_le_bytes)).collect(),
        })
    }

    /// Quants and scales as they lie in memory.
    pub(super) fn bytes(&self) -> (&[u8], Vec<u8>) {
        let scales = self.scales.iter().flatten().flat_map(|scale| scale.to_le_bytes());
        (bytemuck::cast_slice(self.quants.as_flattened()), scales.collect())
    }

    /// The products of a tile with each of the rows.
    pub(super) fn multiply(&self, tile: usize, rows: &Rows, out: &mut [[f32; LANES]]) {
        out.fill([0.0; LANES]);
        let mut first = 0;
        for part in self.tile(tile).parts(NEAR) {
            for (start, size) in parties(rows.count) {
                let blocks = &rows.blocks[start * rows.width + first * size..];
                let out = &mut out[start..start + size];
                // The first ones bring it from far.
                let far = start == 0;
                match size {
                    8 => part.add_to::<8>(blocks, out, far),
                    4 => part.add_to::<4>(blocks, out, far),
                    2 => part.add_to::<2>(blocks, out, far),
                    _ => part.add_to::<1>(blocks, out, far),
                }
            }
            first += NEAR;
        }
    }

    pub(super) fn tile(&self, tile: usize) -> Tile<'_, BITS> {
        let blocks = tile * self.width..(tile + 1) * self.width;
        Tile { quants: &self.quants[blocks.clone()], scales: &self.scales[blocks] }
    }
}

/// Puts the groups of a block into as few vectors as they need.
fn pack<const BITS: usize>(groups: &[Vector; GROUPS]) -> [Vector; BITS] {
    std::array::from_fn(|vector| {
        Vector(std::array::from_fn(|at| {
            let bits = |group: usize, from: usize, to: usize| (groups[group].0[at] >> from) << to;
            let pair = |place: usize| bits(vector % 4 + 2 * place, 4, 2 * place);
            match BITS {
                8 => groups[vector].0[at],
                _ if vector < 4 => bits(vector, 0, 0) & 15 | bits(vector + 4, 0, 4),
                _ => pair(0) | pair(1) | pair(2) | pair(3),
            }
        }))
    })
}

/// A group of a block.
pub(super) fn unpack<const BITS: usize>(vectors: &[Vector; BITS], group: usize) -> Vector {
    Vector(std::array::from_fn(|at| {
        let lower = |group: usize| vectors[group % 4].0[at] >> (group / 4 * 4) & 15;
        let upper = |group: usize| vectors[4 + group % 2].0[at] >> (group / 2 * 2) & 3;
        match BITS {
            8 => vectors[group].0[at],
            4 => lower(group),
            _ => lower(group) | upper(group) << 4,
        }
    }))
}

impl Rows {
    /// Rounds rows that follow each other, `[n, ins]`, for weights of so many bits.
    pub(super) fn of(rows: &[f32], ins: usize, bits: usize, crew: &mut Crew<'_>) -> Self {
        let width = ins.div_ceil(BLOCK);
        let count = rows.len() / ins;
        let mut blocks = vec![Block { quants: [0; BLOCK], scale: 0.0, start: 0 }; count * width];
        for (start, size) in parties(count) {
            let rows = &rows[start * ins..][..size * ins];
            let places = ROUNDED / size;
            crew.each_chunk(&mut blocks[start * width..][..size * width], places * size, |part, blocks| {
                widest(
                    #[inline(always)]
                    || {
                        for (place, blocks) in (part * places..).zip(blocks.chunks_exact_mut(size)) {
                            for (block, row) in blocks.iter_mut().zip(rows.chunks_exact(ins)) {
                                *block = match row[place * BLOCK..].first_chunk() {
                                    Some(values) => round(values, bits),
                                    None => round(&padded(&row[place * BLOCK..]), bits),
                                };
                            }
                        }
                    },
                );
            });
        }
        Self { count, width, blocks }
    }
}

#[inline(always)]
fn round(values: &[f32; BLOCK], bits: usize) -> Block {
    let largest = largest(values);
    let steps = if largest < NOTHING { 0.0 } else { STEPS / largest };
    let mut quants = [0; BLOCK];
    let mut sum = 0;
    // Not by `map`, which is not compiled for wide registers.
    for (quant, value) in quants.iter_mut().zip(values) {
        *quant = whole(value * steps) as i8;
        sum += i32::from(*quant);
    }
    Block { quants, scale: largest / STEPS, start: -shift(bits) * sum }
}

/// The last values of a row, followed by zeros.
fn padded(values: &[f32]) -> [f32; BLOCK] {
    let mut padded = [0.0; BLOCK];
    padded[..values.len()].copy_from_slice(values);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audio::Random, render::musicgen::crew::with_crew};

    fn noise(count: usize) -> Vec<f32> {
        let mut random = Random::new(5);
        (0..count).map(|_| random.bipolar()).collect()
    }

    fn are_read_as_written<const BITS: usize>() {
        let blocks = Blocks::<BITS>::new(&noise(20 * 70), 20, 70);
        let (quants, scales) = blocks.bytes();
        let read = Blocks::<BITS>::of_bytes(20, 70, quants, &scales).unwrap();
        assert_eq!((&read.quants, &read.scales), (&blocks.quants, &blocks.scales));
        assert!(Blocks::<BITS>::of_bytes(20, 64, quants, &scales).is_none());
        assert!(Blocks::<BITS>::of_bytes(20, 70, quants, &scales[32..]).is_none());
    }

    #[test]
    fn blocks_are_read_as_they_were_written() {
        are_read_as_written::<4>();
        are_read_as_written::<6>();
        are_read_as_written::<8>();
    }

    /// Each weight is within half a step, or a whole one at the end of the range that has one number less.
    fn are_near<const BITS: usize>() {
        let (outs, ins) = (20, 70);
        for exponent in [-90, -20, 0, 30] {
            let mut values = noise(outs * ins);
            for value in &mut values {
                *value *= f32::exp2(exponent as f32);
            }
            let blocks = Blocks::<BITS>::new(&values, outs, ins);
            for (place, value) in values.iter().enumerate() {
                let (row, column) = (place / ins, place % ins);
                let block = row / LANES * blocks.width + column / BLOCK;
                let group = unpack(&blocks.quants[block], column % BLOCK / GROUP);
                let quant = i32::from(group.0[row % LANES * GROUP + column % GROUP]) - shift(BITS);
                let scale = blocks.scales[block][row % LANES].widen();
                let off = (quant as f32 * scale - value).abs() / scale.abs();
                let end = quant == shift(BITS) - 1 || quant == -shift(BITS);
                assert!(off <= if end { 1.5 } else { 0.5001 }, "{BITS} bits, 2^{exponent}: {off} steps");
            }
        }
    }

    #[test]
    fn weights_are_rounded_to_the_nearest_step() {
        are_near::<4>();
        are_near::<6>();
        are_near::<8>();
        assert_eq!(Blocks::<8>::round(&[1e-37; BLOCK]), (bf16::ZERO, [128; BLOCK]));
    }

    #[test]
    fn rows_that_share_a_pass_lie_side_by_side() {
        let ins = 70;
        let (values, width) = (noise(11 * ins), ins.div_ceil(BLOCK));
        let rows = with_crew(|crew| Rows::of(&values, ins, 8, crew));
        assert_eq!(rows.blocks.len(), 11 * width);
        for (row, values) in values.chunks(ins).enumerate() {
            let (start, size) = parties(11).find(|(start, size)| row < start + size).unwrap();
            for (place, values) in values.chunks(BLOCK).enumerate() {
                let block = rows.blocks[start * width + place * size + row - start];
                for (quant, value) in block.quants.iter().zip(values) {
                    assert!((f32::from(*quant) * block.scale - value).abs() <= 0.5001 * block.scale);
                }
                let sum: i32 = block.quants.iter().map(|quant| i32::from(*quant)).sum();
                assert_eq!(block.start, -128 * sum);
            }
        }
    }
}
