//! Products of 8-bit integers: blocks of 32 values share a scale, and sums of whole numbers have no rounding.
//!
//! A weight `w` is kept as `q + 128`, without a sign, as the processors' instructions want one factor to be:
//! `sum of q x = sum of (q + 128) x - 128 sum of x`.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]

use half::bf16;
use rayon::prelude::*;

use super::{
    super::lanes::widest,
    matrix::LANES,
    stored::{Stored, whole},
};

/// Values of a row that share a scale.
pub(super) const BLOCK: usize = 32;

/// Values that one instruction multiplies and adds up.
const GROUP: usize = 4;

/// What makes a weight positive.
const SHIFT: i32 = 128;

/// Rows of a batch that share one pass over a tile.
const AT_ONCE: usize = 8;

/// The largest value of a block in steps of its scale.
const STEPS: f32 = 127.0;

/// Blocks whose values are all smaller are zero.
const NOTHING: f32 = 1e-30;

/// Weights of a tile and a block: by group, then by row of the matrix.
type Quants = [[[u8; GROUP]; LANES]; BLOCK / GROUP];

/// A matrix in blocks: by tile, then from left to right.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Blocks in a row.
    width: usize,
    quants: Vec<Quants>,
    scales: Vec<[bf16; LANES]>,
}

/// Rows of a batch in blocks: by row, then from left to right.
#[derive(Debug)]
pub(super) struct Rows {
    width: usize,
    quants: Vec<[i8; BLOCK]>,
    facts: Vec<Facts>,
}

/// Of one block of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    scale: f32,
    /// `-128 sum of x`
    shift: i32,
}

impl Blocks {
    /// Rounds a matrix that is given row by row. What does not fill a tile or a block is filled with zeros.
    pub(super) fn new(values: &[f32], outs: usize, ins: usize) -> Self {
        let (tiles, width) = (outs.div_ceil(LANES), ins.div_ceil(BLOCK));
        let zero = [[[SHIFT as u8; GROUP]; LANES]; BLOCK / GROUP];
        let mut quants = vec![zero; tiles * width];
        let mut scales = vec![[bf16::ZERO; LANES]; tiles * width];
        let tiles = quants.par_chunks_mut(width).zip(scales.par_chunks_mut(width));
        tiles.zip(values.par_chunks(LANES * ins)).for_each(|((quants, scales), rows)| {
            for (lane, row) in rows.chunks_exact(ins).enumerate() {
                for (place, block) in row.chunks(BLOCK).enumerate() {
                    let scale = scale_of(block);
                    scales[place][lane] = scale;
                    let step = if scale == bf16::ZERO { 0.0 } else { 1.0 / scale.widen() };
                    for (column, value) in block.iter().enumerate() {
                        let quant = i32::from(whole(value * step)) + SHIFT;
                        quants[place][column / GROUP][lane][column % GROUP] = quant as u8;
                    }
                }
            }
        });
        Self { width, quants, scales }
    }

    /// From what [`Blocks::bytes`] gave for a matrix of this size; `None` when it is of another.
    pub(super) fn of_bytes(outs: usize, ins: usize, quants: &[u8], scales: &[u8]) -> Option<Self> {
        let (tiles, width) = (outs.div_ceil(LANES), ins.div_ceil(BLOCK));
        let mut blocks = Self {
            width,
            quants: vec![[[[0; GROUP]; LANES]; BLOCK / GROUP]; tiles * width],
            scales: scales
                .as_chunks::<2>()
                .0
                .as_chunks::<LANES>()
                .0
                .iter()
                .map(|tile| tile.map(bf16::from_le_bytes))
                .collect(),
        };
        let place = blocks.quants.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        if place.len() != quants.len() || blocks.scales.len() != tiles * width {
            return None;
        }
        place.copy_from_slice(quants);
        Some(blocks)
    }

    /// Quants and scales as they lie in memory.
    pub(super) fn bytes(&self) -> (&[u8], Vec<u8>) {
        let scales = self.scales.iter().flatten().flat_map(|scale| scale.to_le_bytes());
        (self.quants.as_flattened().as_flattened().as_flattened(), scales.collect())
    }

    /// The products of a tile with each of the rows.
    pub(super) fn multiply(&self, tile: usize, rows: &Rows, out: &mut [[f32; LANES]]) {
        let blocks = tile * self.width..(tile + 1) * self.width;
        let tile = Tile { quants: &self.quants[blocks.clone()], scales: &self.scales[blocks] };
        for (part, out) in out.chunks_mut(AT_ONCE).enumerate() {
            let row = |n: usize| rows.row(part * AT_ONCE + n);
            if let Ok(out) = <&mut [_; AT_ONCE]>::try_from(&mut *out) {
                *out = tile.sums(std::array::from_fn(row));
                continue;
            }
            let (pairs, single) = out.as_chunks_mut::<2>();
            let odd = pairs.len() * 2;
            for (place, pair) in pairs.iter_mut().enumerate() {
                *pair = tile.sums([row(2 * place), row(2 * place + 1)]);
            }
            if let [single] = single {
                *single = tile.sums([row(odd)])[0];
            }
        }
    }
}

/// What makes the largest value 127 steps at most; zero for what is next to nothing.
fn scale_of(block: &[f32]) -> bf16 {
    let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    if largest < NOTHING {
        return bf16::ZERO;
    }
    let scale = bf16::from_f32(largest / STEPS);
    // Rounded up, so that nothing is cut off.
    if scale.widen() * STEPS < largest { bf16::from_bits(scale.to_bits() + 1) } else { scale }
}

impl Rows {
    /// Rounds rows that follow each other, `[n, ins]`.
    pub(super) fn of(rows: &[f32], ins: usize) -> Self {
        let width = ins.div_ceil(BLOCK);
        let count = rows.len() / ins;
        let mut quants = vec![[0; BLOCK]; count * width];
        let mut facts = vec![Facts::default(); count * width];
        let places = quants.chunks_mut(width).zip(facts.chunks_mut(width));
        for (row, (quants, facts)) in rows.chunks(ins).zip(places) {
            widest(
                #[inline(always)]
                || {
                    let (whole, rest) = row.as_chunks::<BLOCK>();
                    for ((quants, facts), block) in quants.iter_mut().zip(facts.iter_mut()).zip(whole) {
                        *facts = round(block, quants);
                    }
                    if let Some(quants) = quants.last_mut().filter(|_| !rest.is_empty()) {
                        let mut block = [0.0; BLOCK];
                        block[..rest.len()].copy_from_slice(rest);
                        facts[width - 1] = round(&block, quants);
                    }
                },
            );
        }
        Self { width, quants, facts }
    }

    fn row(&self, row: usize) -> Row<'_> {
        let blocks = row * self.width..(row + 1) * self.width;
        Row { quants: &self.quants[blocks.clone()], facts: &self.facts[blocks] }
    }
}

#[inline(always)]
fn round(block: &[f32; BLOCK], quants: &mut [i8; BLOCK]) -> Facts {
    let mut largest = [0.0_f32; LANES];
    for half in block.as_chunks::<LANES>().0 {
        for (largest, value) in largest.iter_mut().zip(half) {
            *largest = if value.abs() > *largest { value.abs() } else { *largest };
        }
    }
    let largest = largest.iter().fold(0.0_f32, |most, value| if *value > most { *value } else { most });
    let steps = if largest < NOTHING { 0.0 } else { STEPS / largest };
    let mut sum = 0;
    for (quant, value) in quants.iter_mut().zip(block) {
        *quant = whole(value * steps);
    }
    for quant in quants.iter() {
        sum += i32::from(*quant);
    }
    Facts { scale: largest / STEPS, shift: -SHIFT * sum }
}

#[derive(Clone, Copy)]
struct Row<'a> {
    quants: &'a [[i8; BLOCK]],
    facts: &'a [Facts],
}

#[derive(Clone, Copy)]
struct Tile<'a> {
    quants: &'a [Quants],
    scales: &'a [[bf16; LANES]],
}

impl Tile<'_> {
    #[inline]
    fn sums<const ROWS: usize>(self, rows: [Row<'_>; ROWS]) -> [[f32; LANES]; ROWS] {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { x86::vnni(self, rows) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { x86::avx2(self, rows) };
            }
        }
        self.plain(rows)
    }

    fn plain<const ROWS: usize>(self, rows: [Row<'_>; ROWS]) -> [[f32; LANES]; ROWS] {
        let mut sums = [[0.0; LANES]; ROWS];
        for (place, (quants, scales)) in self.quants.iter().zip(self.scales).enumerate() {
            for (sums, row) in sums.iter_mut().zip(rows) {
                let Facts { scale, shift } = row.facts[place];
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let mut whole = shift;
                    for (group, values) in quants.iter().zip(row.quants[place].as_chunks::<GROUP>().0) {
                        for (weight, value) in group[lane].iter().zip(values) {
                            whole += i32::from(*weight) * i32::from(*value);
                        }
                    }
                    *sum += whole as f32 * (scales[lane].widen() * scale);
                }
            }
        }
        sums
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256, __m256i, __m512, __m512i, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps,
        _mm256_castsi256_ps, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu16_epi32,
        _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_permute4x64_epi64,
        _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
        _mm256_slli_epi32, _mm256_storeu_ps, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtepi32_ps,
        _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps,
    };

    use half::bf16;

    use super::{BLOCK, GROUP, LANES, Row, Tile};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn vnni<const ROWS: usize>(tile: Tile<'_>, rows: [Row<'_>; ROWS]) -> [[f32; LANES]; ROWS] {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (place, (quants, scales)) in tile.quants.iter().zip(tile.scales).enumerate() {
            let mut whole = [_mm512_set1_epi32(0); ROWS];
            for (whole, row) in whole.iter_mut().zip(rows) {
                *whole = _mm512_set1_epi32(row.facts[place].shift);
            }
            for (group, weights) in quants.iter().enumerate() {
                let weights = load_64(weights);
                for (whole, row) in whole.iter_mut().zip(rows) {
                    *whole = _mm512_dpbusd_epi32(*whole, weights, _mm512_set1_epi32(four(row, place, group)));
                }
            }
            let scales = widen_16(scales);
            for ((sum, whole), row) in sums.iter_mut().zip(whole).zip(rows) {
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(row.facts[place].scale));
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scale));
            }
        }
        let mut out = [[0.0; LANES]; ROWS];
        for (out, sum) in out.iter_mut().zip(sums) {
            // SAFETY: there is room for sixteen, and no alignment is asked for.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
        out
    }

    /// Products of 16 bits: two of a group end in one sum, and its other two in the next.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2<const ROWS: usize>(tile: Tile<'_>, rows: [Row<'_>; ROWS]) -> [[f32; LANES]; ROWS] {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for (place, (quants, scales)) in tile.quants.iter().zip(tile.scales).enumerate() {
            let mut whole = [[_mm256_setzero_si256(); 4]; ROWS];
            for (group, weights) in quants.iter().enumerate() {
                let weights = weights.as_chunks::<4>().0;
                for (quarter, weights) in weights.iter().enumerate() {
                    let weights = _mm256_cvtepu8_epi16(load_16(weights));
                    for (whole, row) in whole.iter_mut().zip(rows) {
                        let values =
                            four(row, place, group).to_le_bytes().map(|value| i16::from(value as i8));
                        let values = values.map(|value| i64::from(value as u16));
                        let values = values[0] | values[1] << 16 | values[2] << 32 | values[3] << 48;
                        let products = _mm256_madd_epi16(weights, _mm256_set1_epi64x(values));
                        whole[quarter] = _mm256_add_epi32(whole[quarter], products);
                    }
                }
            }
            let scales = widen_8(scales);
            for ((sums, whole), row) in sums.iter_mut().zip(whole).zip(rows) {
                let (scale, shift) = (row.facts[place].scale, _mm256_set1_epi32(row.facts[place].shift));
                let halves = [[whole[0], whole[1]], [whole[2], whole[3]]];
                for ((sum, [low, high]), scales) in sums.iter_mut().zip(halves).zip(scales) {
                    let whole = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
                    let whole = _mm256_cvtepi32_ps(_mm256_add_epi32(whole, shift));
                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(scale));
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(whole, scale));
                }
            }
        }
        let mut out = [[0.0; LANES]; ROWS];
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                // SAFETY: there is room for eight, and no alignment is asked for.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
        out
    }

    /// The values of a row that a group of weights is multiplied with.
    #[inline(always)]
    fn four(row: Row<'_>, place: usize, group: usize) -> i32 {
        let block: &[i8; BLOCK] = &row.quants[place];
        let four = &block.as_chunks::<GROUP>().0[group];
        i32::from_le_bytes(four.map(|value| value as u8))
    }

    #[target_feature(enable = "avx512f")]
    fn load_64(weights: &[[u8; GROUP]; LANES]) -> __m512i {
        // SAFETY: there are 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn load_16(weights: &[[u8; GROUP]; 4]) -> __m128i {
        // SAFETY: there are 16 bytes, and no alignment is asked for.
        unsafe { _mm_loadu_si128(weights.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f")]
    fn widen_16(scales: &[bf16; LANES]) -> __m512 {
        // SAFETY: there are 32 bytes, and no alignment is asked for.
        let bits = unsafe { _mm256_loadu_si256(scales.as_ptr().cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }

    #[target_feature(enable = "avx2")]
    fn widen_8(scales: &[bf16; LANES]) -> [__m256; 2] {
        let [low, high] = [&scales[..8], &scales[8..]].map(|scales| -> __m256i {
            // SAFETY: there are 16 bytes, and no alignment is asked for.
            let bits = unsafe { _mm_loadu_si128(scales.as_ptr().cast()) };
            _mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits))
        });
        [_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    #[test]
    fn the_instructions_change_no_bit() {
        let (outs, ins) = (32, 130);
        let mut random = Random::new(5);
        let mut values = |count: usize| (0..count).map(|_| random.bipolar().powi(5)).collect::<Vec<f32>>();
        let (weights, rows) = (values(outs * ins), values(8 * ins));
        let (blocks, rows) = (Blocks::new(&weights, outs, ins), Rows::of(&rows, ins));
        let tile = Tile { quants: &blocks.quants[..blocks.width], scales: &blocks.scales[..blocks.width] };
        let eight: [Row<'_>; 8] = std::array::from_fn(|row| rows.row(row));
        let plain = tile.plain(eight);
        assert!(plain.iter().flatten().all(|sum| sum.abs() > 1e-6));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has what the function is compiled for.
                assert_eq!(unsafe { x86::vnni(tile, eight) }, plain);
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                assert_eq!(unsafe { x86::avx2(tile, eight) }, plain);
            }
        }
        let mut out = vec![[0.0; LANES]; 7];
        blocks.multiply(0, &rows, &mut out);
        assert_eq!(out, plain[..7]);
    }

    #[test]
    fn blocks_are_read_as_they_were_written() {
        let mut random = Random::new(5);
        let weights: Vec<f32> = (0..20 * 70).map(|_| random.bipolar()).collect();
        let blocks = Blocks::new(&weights, 20, 70);
        let (quants, scales) = blocks.bytes();
        let read = Blocks::of_bytes(20, 70, quants, &scales).unwrap();
        assert_eq!((&read.quants, &read.scales), (&blocks.quants, &blocks.scales));
        assert!(Blocks::of_bytes(20, 64, quants, &scales).is_none());
        assert!(Blocks::of_bytes(20, 70, quants, &scales[32..]).is_none());
    }

    #[test]
    fn the_largest_value_of_a_block_is_not_cut_off() {
        for exponent in [-90, -20, 0, 30] {
            let block: Vec<f32> = (0..BLOCK).map(|i| (i as f32 - 7.3) * f32::exp2(exponent as f32)).collect();
            let scale = scale_of(&block).widen();
            let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert!(scale * STEPS >= largest && scale * STEPS < largest * 1.01, "{exponent}");
        }
        assert_eq!(scale_of(&[1e-37; BLOCK]), bf16::ZERO);
    }
}
