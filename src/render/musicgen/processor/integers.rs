//! Products of whole numbers. Their sums have no rounding, so that every kind of instruction gives the same bits.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]

use half::bf16;

use super::{
    blocks::{Block, GROUP, GROUPS, Vector, shift, unpack},
    matrix::LANES,
    stored::Stored,
};

/// Sixteen rows of a matrix, block by block.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, const BITS: usize> {
    pub(super) quants: &'a [[Vector; BITS]],
    pub(super) scales: &'a [[bf16; LANES]],
}

/// Tiles whose groups stand side by side: their sums need not wait for each other.
pub(super) const TILES: usize = 4;

/// Sums of the products of four bytes of each lane of a group with four values, none of them -128. Meanwhile it fetches what is worked
/// on later.
pub(super) fn dots(
    groups: &[[Vector; TILES]],
    values: &[[i8; GROUP]],
    ahead: &[[Vector; TILES]],
    sums: &mut [[i32; LANES]; TILES],
) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { x86::dots_vnni(groups, values, ahead, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { x86::dots_avx2(groups, values, ahead, sums) };
        }
    }
    dots_plain(groups, values, sums);
}

fn dots_plain(groups: &[[Vector; TILES]], values: &[[i8; GROUP]], sums: &mut [[i32; LANES]; TILES]) {
    *sums = [[0; LANES]; TILES];
    for (groups, values) in groups.iter().zip(values) {
        for (group, sums) in groups.iter().zip(&mut *sums) {
            for (sum, bytes) in sums.iter_mut().zip(group.0.as_chunks::<GROUP>().0) {
                for (byte, value) in bytes.iter().zip(values) {
                    *sum += i32::from(*byte) * i32::from(*value);
                }
            }
        }
    }
}

impl<'a, const BITS: usize> Tile<'a, BITS> {
    /// Parts of so many blocks; the last one may be shorter.
    pub(super) fn parts(self, size: usize) -> impl Iterator<Item = Tile<'a, BITS>> {
        self.quants.chunks(size).zip(self.scales.chunks(size)).map(|(quants, scales)| Self { quants, scales })
    }

    /// Adds the products with so many rows of the batch, whose blocks begin with those of the tile. A tile that is `far` is fetched
    /// ahead.
    pub(super) fn add_to<const ROWS: usize>(self, rows: &[Block], sums: &mut [[f32; LANES]], far: bool) {
        let rows = rows.as_chunks::<ROWS>().0;
        let Some(sums) = sums.first_chunk_mut::<ROWS>() else { return };
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { x86::vnni(self, rows, sums, far) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { x86::avx2(self, rows, sums, far) };
            }
        }
        self.plain(rows, sums);
    }

    fn plain<const ROWS: usize>(self, rows: &[[Block; ROWS]], sums: &mut [[f32; LANES]; ROWS]) {
        for ((vectors, scales), blocks) in self.quants.iter().zip(self.scales).zip(rows) {
            let mut whole = blocks.each_ref().map(|block| [block.start; LANES]);
            for group in 0..GROUPS {
                let weights = unpack(vectors, group);
                for (whole, block) in whole.iter_mut().zip(blocks) {
                    let values = block.quants.as_chunks::<GROUP>().0[group];
                    for (whole, weights) in whole.iter_mut().zip(weights.0.as_chunks::<GROUP>().0) {
                        for (weight, value) in weights.iter().zip(values) {
                            *whole += i32::from(*weight) * i32::from(value);
                        }
                    }
                }
            }
            for ((sums, whole), block) in sums.iter_mut().zip(whole).zip(blocks) {
                for ((sum, whole), scale) in sums.iter_mut().zip(whole).zip(scales) {
                    *sum += whole as f32 * (scale.widen() * block.scale);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_abs_epi8,
        _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cvtepi32_ps,
        _mm256_cvtepu16_epi32, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
        _mm256_mul_ps, _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_set1_ps, _mm256_sign_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_ps,
        _mm256_storeu_si256, _mm256_xor_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
        _mm512_castsi512_ps, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_dpbusd_epi32, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
    };

    use half::bf16;

    use super::{Block, GROUP, LANES, TILES, Tile, Vector, shift};

    /// Bytes. What the processor fetches by itself ends with a page of 4 KiB.
    const AHEAD: usize = 8 << 10;

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
        rows: &[[Block; ROWS]],
        out: &mut [[f32; LANES]; ROWS],
        far: bool,
    ) {
        let mut sums = out.each_ref().map(|sums| load_16(sums));
        for ((vectors, scales), blocks) in tile.quants.iter().zip(tile.scales).zip(rows) {
            if far {
                fetch_ahead(vectors);
            }
            let mut whole = blocks.each_ref().map(|block| _mm512_set1_epi32(block.start));
            each_group!(GROUP: {
                let weights = group_512::<BITS, GROUP>(vectors);
                for (whole, block) in whole.iter_mut().zip(blocks) {
                    *whole = _mm512_dpbusd_epi32(*whole, weights, _mm512_set1_epi32(four(block, GROUP)));
                }
            });
            let scales = widen_16(scales);
            for ((sum, whole), block) in sums.iter_mut().zip(whole).zip(blocks) {
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(block.scale));
                *sum = _mm512_add_ps(*sum, _mm512_mul_ps(_mm512_cvtepi32_ps(whole), scale));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            // SAFETY: there is room for sixteen, and no alignment is asked for.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }

    /// Every other group has sums of its own, which need not wait either.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots_vnni(
        groups: &[[Vector; TILES]],
        values: &[[i8; GROUP]],
        ahead: &[[Vector; TILES]],
        out: &mut [[i32; LANES]; TILES],
    ) {
        let mut even = [_mm512_set1_epi32(0); TILES];
        let mut odd = even;
        let mut ahead = ahead.iter();
        let mut work = groups.iter().zip(values);
        while let Some((groups, values)) = work.next() {
            ahead.next().into_iter().flatten().for_each(|group| fetch(group));
            add_dots(groups, *values, &mut even);
            if let Some((groups, values)) = work.next() {
                ahead.next().into_iter().flatten().for_each(|group| fetch(group));
                add_dots(groups, *values, &mut odd);
            }
        }
        for ((out, even), odd) in out.iter_mut().zip(even).zip(odd) {
            // SAFETY: there is room for sixteen, and no alignment is asked for.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_add_epi32(even, odd)) };
        }
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    #[inline]
    fn add_dots(groups: &[Vector; TILES], values: [i8; GROUP], sums: &mut [__m512i; TILES]) {
        let four = _mm512_set1_epi32(i32::from_le_bytes(values.map(|value| value as u8)));
        for (sum, group) in sums.iter_mut().zip(groups) {
            *sum = _mm512_dpbusd_epi32(*sum, load_64(group), four);
        }
    }

    /// What a group adds to the sum beyond its products, 128 times the values, is added here too.
    #[target_feature(enable = "avx2")]
    pub(super) fn dots_avx2(
        groups: &[[Vector; TILES]],
        values: &[[i8; GROUP]],
        ahead: &[[Vector; TILES]],
        out: &mut [[i32; LANES]; TILES],
    ) {
        let mut ahead = ahead.iter();
        let beyond: i32 = values.as_flattened().iter().map(|value| i32::from(*value)).sum();
        let mut sums = [[_mm256_set1_epi32(shift(8) * beyond); 2]; TILES];
        for (groups, values) in groups.iter().zip(values) {
            ahead.next().into_iter().flatten().for_each(|group| fetch(group));
            let values = _mm256_set1_epi32(i32::from_le_bytes(values.map(|value| value as u8)));
            for (sums, group) in sums.iter_mut().zip(groups) {
                for (sum, bytes) in sums.iter_mut().zip(load_32(group)) {
                    *sum = _mm256_add_epi32(*sum, products::<8>(bytes, values));
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                // SAFETY: there is room for eight, and no alignment is asked for.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
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
        rows: &[[Block; ROWS]],
        out: &mut [[f32; LANES]; ROWS],
        far: bool,
    ) {
        let mut sums = out.each_ref().map(|sums| load_8(sums));
        for ((vectors, scales), blocks) in tile.quants.iter().zip(tile.scales).zip(rows) {
            if far {
                fetch_ahead(vectors);
            }
            let start = |block: &Block| _mm256_set1_epi32(if BITS == 8 { 0 } else { block.start });
            let mut whole = blocks.each_ref().map(|block| [start(block); 2]);
            each_group!(GROUP: {
                for (half, weights) in group_256::<BITS, GROUP>(vectors).into_iter().enumerate() {
                    for (whole, block) in whole.iter_mut().zip(blocks) {
                        let values = _mm256_set1_epi32(four(block, GROUP));
                        let products = products::<BITS>(weights, values);
                        whole[half] = _mm256_add_epi32(whole[half], products);
                    }
                }
            });
            let scales = widen_8(scales);
            for ((sums, whole), block) in sums.iter_mut().zip(whole).zip(blocks) {
                for ((sum, whole), scales) in sums.iter_mut().zip(whole).zip(scales) {
                    let scale = _mm256_mul_ps(scales, _mm256_set1_ps(block.scale));
                    *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale));
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                // SAFETY: there is room for eight, and no alignment is asked for.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
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
    fn fetch_ahead(vectors: &[Vector]) {
        let ahead = vectors.as_ptr().wrapping_byte_add(AHEAD);
        for vector in 0..vectors.len() {
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
    fn four(block: &Block, group: usize) -> i32 {
        let four = &block.quants.as_chunks::<GROUP>().0[group];
        i32::from_le_bytes(four.map(|value| value as u8))
    }

    #[target_feature(enable = "avx512f")]
    fn load_16(values: &[f32; LANES]) -> __m512 {
        // SAFETY: there are sixteen, and no alignment is asked for.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[target_feature(enable = "avx2")]
    fn load_8(values: &[f32; LANES]) -> [__m256; 2] {
        // SAFETY: there are eight from either place on, and no alignment is asked for.
        [0, 8].map(|from| unsafe { _mm256_loadu_ps(values[from..].as_ptr()) })
    }

    #[target_feature(enable = "avx512f")]
    fn load_64(bytes: &Vector) -> __m512i {
        // SAFETY: there are 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(bytes.0.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    fn load_32(bytes: &Vector) -> [__m256i; 2] {
        // SAFETY: there are 32 bytes from either place on, and no alignment is asked for.
        [0, 32].map(|from| unsafe { _mm256_loadu_si256(bytes.0[from..].as_ptr().cast()) })
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
    use crate::{
        audio::Random,
        render::musicgen::{
            crew::with_crew,
            processor::blocks::{Blocks, Rows},
        },
    };

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
        let blocks = Blocks::<BITS>::new(&weights, outs, ins);
        let tile = blocks.tile(0);
        let rounded = |rows: &[f32]| with_crew(|crew| Rows::of(rows, ins, BITS, crew));
        let eight = rounded(&rows);
        let eight = eight.blocks.as_chunks::<8>().0;
        // Sums go on from what they are.
        let start = [[0.5; LANES]; 8];
        let mut plain = start;
        tile.plain(eight, &mut plain);
        assert!(plain.iter().flatten().all(|sum| (sum - 0.5).abs() > 1e-6));
        #[cfg(target_arch = "x86_64")]
        for far in [false, true] {
            let mut found = start;
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                // SAFETY: the processor has what the function is compiled for.
                unsafe { x86::vnni(tile, eight, &mut found, far) };
                assert_eq!(found, plain, "{BITS} bits");
            }
            found = start;
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                unsafe { x86::avx2(tile, eight, &mut found, far) };
                assert_eq!(found, plain, "{BITS} bits");
            }
        }
        plain = [[0.0; LANES]; 8];
        tile.plain(eight, &mut plain);
        for count in 1..=8 {
            let mut out = vec![[1.0; LANES]; count];
            blocks.multiply(0, &rounded(&rows[..count * ins]), &mut out);
            assert_eq!(out, plain[..count]);
        }
    }

    #[test]
    fn the_instructions_change_no_sum() {
        let mut random = Random::new(7);
        let mut vector = |_| Vector(std::array::from_fn(|_| random.below(256) as u8));
        let groups: [[Vector; TILES]; 3] = std::array::from_fn(|_| std::array::from_fn(&mut vector));
        for values in
            [[[127; GROUP]; 3], [[-127; GROUP]; 3], [[3, -7, 0, 90], [1, 2, 127, -127], [-5, 5, 60, 0]]]
        {
            for count in 0..=3 {
                let (groups, values) = (&groups[..count], &values[..count]);
                let naive = |tile: usize, lane: usize| -> i32 {
                    let products = (0..4 * count).map(|at| {
                        let byte = groups[at / 4][tile].0[lane * 4 + at % 4];
                        i32::from(byte) * i32::from(values[at / 4][at % 4])
                    });
                    products.sum()
                };
                let expected: [[i32; LANES]; TILES] =
                    std::array::from_fn(|tile| std::array::from_fn(|lane| naive(tile, lane)));
                let mut found = [[1; LANES]; TILES];
                dots_plain(groups, values, &mut found);
                assert_eq!(found, expected);
                #[cfg(target_arch = "x86_64")]
                for ahead in [&[], groups] {
                    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                        found = [[1; LANES]; TILES];
                        // SAFETY: the processor has what the function is compiled for.
                        unsafe { x86::dots_vnni(groups, values, ahead, &mut found) };
                        assert_eq!(found, expected);
                    }
                    if is_x86_feature_detected!("avx2") {
                        found = [[1; LANES]; TILES];
                        // SAFETY: the processor has what the function is compiled for.
                        unsafe { x86::dots_avx2(groups, values, ahead, &mut found) };
                        assert_eq!(found, expected);
                    }
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
