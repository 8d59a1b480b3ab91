//! Products of whole numbers. Their sums have no rounding, so that every kind of instruction gives the same bits.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]

use half::bf16;

use super::{
    blocks::{BLOCK, Facts, GROUP, GROUPS, Vector, shift, unpack},
    matrix::LANES,
    stored::Stored,
};

/// A row of the batch, block by block.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) quants: &'a [[i8; BLOCK]],
    pub(super) facts: &'a [Facts],
}

/// Sixteen rows of a matrix, block by block.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, const BITS: usize> {
    pub(super) quants: &'a [[Vector; BITS]],
    pub(super) scales: &'a [[bf16; LANES]],
}

/// Sums of `each` groups, in which four bytes of each lane are multiplied with four values, none of them -128: always the same ones, or
/// for every sum its own.
pub(super) fn dots(
    groups: &[Vector],
    values: &[[i8; GROUP]],
    each: usize,
    own: bool,
    sums: &mut [[i32; LANES]],
) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { x86::dots_vnni(groups, values, each, own, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { x86::dots_avx2(groups, values, each, own, sums) };
        }
    }
    dots_plain(groups, values, each, own, sums);
}

fn dots_plain(groups: &[Vector], values: &[[i8; GROUP]], each: usize, own: bool, sums: &mut [[i32; LANES]]) {
    for (place, (groups, sums)) in groups.chunks_exact(each).zip(sums).enumerate() {
        *sums = [0; LANES];
        for (group, values) in groups.iter().zip(&values[if own { place * each } else { 0 }..][..each]) {
            for (sum, bytes) in sums.iter_mut().zip(group.as_chunks::<GROUP>().0) {
                for (byte, value) in bytes.iter().zip(values) {
                    *sum += i32::from(*byte) * i32::from(*value);
                }
            }
        }
    }
}

impl<const BITS: usize> Tile<'_, BITS> {
    /// The products with some rows of the batch.
    #[inline]
    pub(super) fn sums<const ROWS: usize>(self, rows: [Row<'_>; ROWS]) -> [[f32; LANES]; ROWS] {
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
        for (place, (vectors, scales)) in self.quants.iter().zip(self.scales).enumerate() {
            let mut whole = rows.map(|row| [-shift(BITS) * row.facts[place].sum; LANES]);
            for group in 0..GROUPS {
                let weights = unpack(vectors, group);
                for (whole, row) in whole.iter_mut().zip(rows) {
                    let values = row.quants[place].as_chunks::<GROUP>().0[group];
                    for (whole, weights) in whole.iter_mut().zip(weights.as_chunks::<GROUP>().0) {
                        for (weight, value) in weights.iter().zip(values) {
                            *whole += i32::from(*weight) * i32::from(value);
                        }
                    }
                }
            }
            for ((sums, whole), row) in sums.iter_mut().zip(whole).zip(rows) {
                for ((sum, whole), scale) in sums.iter_mut().zip(whole).zip(scales) {
                    *sum += whole as f32 * (scale.widen() * row.facts[place].scale);
                }
            }
        }
        sums
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_abs_epi8,
        _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cvtepi32_ps,
        _mm256_cvtepu16_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps,
        _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_sign_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_ps,
        _mm256_storeu_si256, _mm256_xor_si256, _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps,
        _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_mul_ps,
        _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
        _mm512_srli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
    };

    use half::bf16;

    use super::{BLOCK, GROUP, LANES, Row, Tile, Vector, shift};

    /// Bytes. What the processor fetches by itself ends with a page of 4 KiB.
    const AHEAD: usize = 8 << 10;

    /// So many rows give enough to do until what is next has come.
    const MANY: usize = 8;

    /// The lower four bits of each byte, and the two above them.
    const LOWER: i32 = 0x0f0f_0f0f;
    const UPPER: i32 = 0x3030_3030;

    /// Does something for each group of a block. No loop: what is known of a group when it is compiled saves most of the work.
    macro_rules! each_group {
        ($group:ident: $work:expr) => {{
            each_group!(@one $group = 0, $work);
            each_group!(@one $group = 1, $work);
            each_group!(@one $group = 2, $work);
            each_group!(@one $group = 3, $work);
            each_group!(@one $group = 4, $work);
            each_group!(@one $group = 5, $work);
            each_group!(@one $group = 6, $work);
            each_group!(@one $group = 7, $work);
        }};
        (@one $group:ident = $number:literal, $work:expr) => {{
            const $group: usize = $number;
            $work
        }};
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn vnni<const BITS: usize, const ROWS: usize>(
        tile: Tile<'_, BITS>,
        rows: [Row<'_>; ROWS],
    ) -> [[f32; LANES]; ROWS] {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (place, (vectors, scales)) in tile.quants.iter().zip(tile.scales).enumerate() {
            if ROWS < MANY {
                fetch_ahead(vectors);
            }
            let mut whole = [_mm512_set1_epi32(0); ROWS];
            for (whole, row) in whole.iter_mut().zip(rows) {
                *whole = _mm512_set1_epi32(-shift(BITS) * row.facts[place].sum);
            }
            each_group!(GROUP: {
                let weights = group_512::<BITS, GROUP>(vectors);
                for (whole, row) in whole.iter_mut().zip(rows) {
                    *whole = _mm512_dpbusd_epi32(*whole, weights, _mm512_set1_epi32(four(row, place, GROUP)));
                }
            });
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

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots_vnni(
        all: &[Vector],
        values: &[[i8; 4]],
        each: usize,
        own: bool,
        sums: &mut [[i32; LANES]],
    ) {
        let ahead = AHEAD / size_of::<Vector>();
        for (place, (groups, sums)) in all.chunks_exact(each).zip(sums).enumerate() {
            for next in all.iter().skip(place * each + ahead).take(each) {
                fetch(next);
            }
            let mut sum = _mm512_set1_epi32(0);
            for (group, values) in groups.iter().zip(&values[if own { place * each } else { 0 }..][..each]) {
                let values = i32::from_le_bytes(values.map(|value| value as u8));
                sum = _mm512_dpbusd_epi32(sum, load_64(group), _mm512_set1_epi32(values));
            }
            // SAFETY: there is room for sixteen, and no alignment is asked for.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum) };
        }
    }

    /// What a group adds to the sum beyond its products, 128 times the values, is added here too.
    #[target_feature(enable = "avx2")]
    pub(super) fn dots_avx2(
        all: &[Vector],
        values: &[[i8; 4]],
        each: usize,
        own: bool,
        sums: &mut [[i32; LANES]],
    ) {
        let ahead = AHEAD / size_of::<Vector>();
        for (place, (groups, sums)) in all.chunks_exact(each).zip(sums).enumerate() {
            for next in all.iter().skip(place * each + ahead).take(each) {
                fetch(next);
            }
            let values = &values[if own { place * each } else { 0 }..][..each];
            let beyond: i32 = values.as_flattened().iter().map(|value| i32::from(*value)).sum();
            let mut halves = [_mm256_set1_epi32(shift(8) * beyond); 2];
            for (group, values) in groups.iter().zip(values) {
                let values = _mm256_set1_epi32(i32::from_le_bytes(values.map(|value| value as u8)));
                for (half, bytes) in halves.iter_mut().zip(load_32(group)) {
                    *half = _mm256_add_epi32(*half, products::<8>(bytes, values));
                }
            }
            for (sums, half) in sums.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
                // SAFETY: there is room for eight, and no alignment is asked for.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), half) };
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn group_512<const BITS: usize, const GROUP: usize>(vectors: &[Vector; BITS]) -> __m512i {
        if BITS == 8 {
            return load_64(&vectors[GROUP]);
        }
        let both = load_64(&vectors[GROUP % 4]);
        let lower = if GROUP < 4 { both } else { _mm512_srli_epi32::<4>(both) };
        let lower = _mm512_and_si512(lower, _mm512_set1_epi32(LOWER));
        if BITS == 4 {
            return lower;
        }
        let upper = load_64(&vectors[4 + GROUP % 2]);
        let upper = match GROUP / 2 {
            0 => _mm512_slli_epi32::<4>(upper),
            1 => _mm512_slli_epi32::<2>(upper),
            2 => upper,
            _ => _mm512_srli_epi32::<2>(upper),
        };
        _mm512_or_si512(lower, _mm512_and_si512(upper, _mm512_set1_epi32(UPPER)))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2<const BITS: usize, const ROWS: usize>(
        tile: Tile<'_, BITS>,
        rows: [Row<'_>; ROWS],
    ) -> [[f32; LANES]; ROWS] {
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for (place, (vectors, scales)) in tile.quants.iter().zip(tile.scales).enumerate() {
            if ROWS < MANY {
                fetch_ahead(vectors);
            }
            let mut whole = [[_mm256_set1_epi32(0); 2]; ROWS];
            if BITS < 8 {
                for (whole, row) in whole.iter_mut().zip(rows) {
                    *whole = [_mm256_set1_epi32(-shift(BITS) * row.facts[place].sum); 2];
                }
            }
            each_group!(GROUP: {
                for (half, weights) in group_256::<BITS, GROUP>(vectors).into_iter().enumerate() {
                    for (whole, row) in whole.iter_mut().zip(rows) {
                        let values = _mm256_set1_epi32(four(row, place, GROUP));
                        let products = products::<BITS>(weights, values);
                        whole[half] = _mm256_add_epi32(whole[half], products);
                    }
                }
            });
            let scales = widen_8(scales);
            for ((sums, whole), row) in sums.iter_mut().zip(whole).zip(rows) {
                for ((sum, whole), scales) in sums.iter_mut().zip(whole).zip(scales) {
                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(row.facts[place].scale));
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale));
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

    /// Sums of four products each. The instruction adds two to 16 bits, which holds 2 * 128 * 127 at most, but not twice that: so
    /// weights of 8 bits get their sign back, and give it to the values.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn products<const BITS: usize>(weights: __m256i, values: __m256i) -> __m256i {
        let pairs = if BITS == 8 {
            let weights = _mm256_xor_si256(weights, _mm256_set1_epi8(i8::MIN));
            _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights))
        } else {
            _mm256_maddubs_epi16(weights, values)
        };
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
    }

    /// In two halves: rows 0 to 7 of the tile, and 8 to 15.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn group_256<const BITS: usize, const GROUP: usize>(vectors: &[Vector; BITS]) -> [__m256i; 2] {
        if BITS == 8 {
            return load_32(&vectors[GROUP]);
        }
        let mut halves = load_32(&vectors[GROUP % 4]);
        let upper = if BITS == 4 { halves } else { load_32(&vectors[4 + GROUP % 2]) };
        for (half, upper) in halves.iter_mut().zip(upper) {
            let lower = if GROUP < 4 { *half } else { _mm256_srli_epi32::<4>(*half) };
            *half = _mm256_and_si256(lower, _mm256_set1_epi32(LOWER));
            if BITS == 6 {
                let upper = match GROUP / 2 {
                    0 => _mm256_slli_epi32::<4>(upper),
                    1 => _mm256_slli_epi32::<2>(upper),
                    2 => upper,
                    _ => _mm256_srli_epi32::<2>(upper),
                };
                *half = _mm256_or_si256(*half, _mm256_and_si256(upper, _mm256_set1_epi32(UPPER)));
            }
        }
        halves
    }

    /// Fetches what is [`AHEAD`] of a block. That may lie beyond the matrix: to fetch it is no access.
    #[inline(always)]
    fn fetch_ahead<const COUNT: usize>(vectors: &[Vector; COUNT]) {
        let ahead = vectors.as_ptr().wrapping_byte_add(AHEAD);
        for vector in 0..COUNT {
            fetch(ahead.wrapping_add(vector));
        }
    }

    #[inline(always)]
    fn fetch(vector: *const Vector) {
        // SAFETY: the instruction never faults, wherever the pointer leads.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(vector.cast()) };
    }

    /// The values of a row that a group of weights is multiplied with.
    #[inline(always)]
    fn four(row: Row<'_>, place: usize, group: usize) -> i32 {
        let block: &[i8; BLOCK] = &row.quants[place];
        let four = &block.as_chunks::<GROUP>().0[group];
        i32::from_le_bytes(four.map(|value| value as u8))
    }

    #[target_feature(enable = "avx512f")]
    fn load_64(bytes: &Vector) -> __m512i {
        // SAFETY: there are 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn load_32(bytes: &Vector) -> [__m256i; 2] {
        // SAFETY: there are 32 bytes from either place on, and no alignment is asked for.
        [0, 32].map(|from| unsafe { _mm256_loadu_si256(bytes[from..].as_ptr().cast()) })
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
    use crate::render::musicgen::processor::blocks::{Blocks, Rows};

    fn change_no_bit<const BITS: usize>() {
        let (outs, ins) = (LANES, 130);
        let mut random = Random::new(5);
        let mut values = |count: usize| (0..count).map(|_| random.bipolar().powi(5)).collect::<Vec<f32>>();
        let (mut weights, mut rows) = (values(outs * ins), values(8 * ins));
        // The most that sums of products can hold.
        weights[..64].fill(-1.0);
        weights[64..128].fill(1.0);
        rows[..64].fill(1.0);
        rows[ins..ins + 64].fill(-1.0);
        let (blocks, rows) = (Blocks::<BITS>::new(&weights, outs, ins), Rows::of(&rows, ins));
        let tile = blocks.tile(0);
        let eight: [Row<'_>; 8] = std::array::from_fn(|row| rows.row(row));
        let plain = tile.plain(eight);
        assert!(plain.iter().flatten().all(|sum| sum.abs() > 1e-6));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has what the function is compiled for.
                assert_eq!(unsafe { x86::vnni(tile, eight) }, plain, "{BITS} bits");
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                assert_eq!(unsafe { x86::avx2(tile, eight) }, plain, "{BITS} bits");
            }
        }
        let mut out = vec![[0.0; LANES]; 7];
        blocks.multiply(0, &rows, &mut out);
        assert_eq!(out, plain[..7]);
    }

    #[test]
    fn the_instructions_change_no_sum() {
        let mut random = Random::new(7);
        let groups: Vec<Vector> = (0..12).map(|_| std::array::from_fn(|_| random.below(256) as u8)).collect();
        let mut values: Vec<[i8; GROUP]> =
            (0..12).map(|_| std::array::from_fn(|_| (random.below(255) as i32 - 127) as i8)).collect();
        values[..2].copy_from_slice(&[[127; GROUP], [-127; GROUP]]);
        for own in [false, true] {
            let mut plain = [[0; LANES]; 3];
            dots_plain(&groups, &values, 4, own, &mut plain);
            let naive = |place: usize, lane: usize| -> i32 {
                let products = (0..16).map(|at| {
                    let values = values[if own { place * 4 } else { 0 } + at / 4];
                    i32::from(groups[place * 4 + at / 4][lane * 4 + at % 4]) * i32::from(values[at % 4])
                });
                products.sum()
            };
            assert_eq!(plain, std::array::from_fn(|place| std::array::from_fn(|lane| naive(place, lane))));
            #[cfg(target_arch = "x86_64")]
            {
                let mut found = [[0; LANES]; 3];
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                    // SAFETY: the processor has what the function is compiled for.
                    unsafe { x86::dots_vnni(&groups, &values, 4, own, &mut found) };
                    assert_eq!(found, plain);
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has what the function is compiled for.
                    unsafe { x86::dots_avx2(&groups, &values, 4, own, &mut found) };
                    assert_eq!(found, plain);
                }
            }
        }
    }

    #[test]
    fn the_instructions_change_no_bit() {
        change_no_bit::<4>();
        change_no_bit::<6>();
        change_no_bit::<8>();
    }
}
