//! Loops in the widest vector registers that the processor has.
//!
//! The result is the same to the bit on every processor: the compiler neither contracts a multiplication and an addition to one
//! operation nor changes the order of a sum of floats, however many of them it works on at once.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]

/// Does `work`, which is compiled for each width; give it an `#[inline(always)]` closure, and no calls in there that are not inlined.
#[inline]
pub(super) fn widest<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Places in a table whose length is a power of two, and how far each is on the way to the next row. Places are counted round and
/// round the table; there must be a multiple of eight of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<const PLACES: usize> {
    pub(super) rows: [u32; PLACES],
    pub(super) parts: [f32; PLACES],
}

/// The values at some places: between a sample and the next one, to which it is the row's second value more.
#[inline]
pub(super) fn look_up<const LENGTH: usize, const PLACES: usize>(
    table: &[[f32; 2]; LENGTH],
    places: &Places<PLACES>,
    out: &mut [f32; PLACES],
) {
    const { assert!(LENGTH.is_power_of_two() && PLACES.is_multiple_of(8)) };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::look_up(table, places, out) };
    }
    plain(table, places, |at, [sample, slope], part| out[at] = sample + slope * part);
}

/// As [`look_up`] in two tables, the rows of which stand side by side.
#[inline]
pub(super) fn look_up_both<const LENGTH: usize, const PLACES: usize>(
    table: &[[f32; 4]; LENGTH],
    places: &Places<PLACES>,
    out: &mut [[f32; PLACES]; 2],
) {
    const { assert!(LENGTH.is_power_of_two() && PLACES.is_multiple_of(8)) };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::look_up_both(table, places, out) };
    }
    plain(table, places, |at, [first, rise, second, climb], part| {
        out[0][at] = first + rise * part;
        out[1][at] = second + climb * part;
    });
}

fn plain<const COLUMNS: usize, const LENGTH: usize, const PLACES: usize>(
    table: &[[f32; COLUMNS]; LENGTH],
    places: &Places<PLACES>,
    mut put: impl FnMut(usize, [f32; COLUMNS], f32),
) {
    for (at, (row, part)) in places.rows.iter().zip(places.parts).enumerate() {
        put(at, table[*row as usize % LENGTH], part);
    }
}

/// Rows are fetched whole, eight of them, and turned to columns in registers: what the compiler makes of [`plain`] fetches every
/// value by itself.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128, __m256, _mm_movelh_ps, _mm_setr_ps, _mm256_add_ps, _mm256_loadu_ps, _mm256_mul_ps,
        _mm256_set_m128, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };

    use super::Places;

    #[target_feature(enable = "avx2")]
    pub(super) fn look_up<const LENGTH: usize, const PLACES: usize>(
        table: &[[f32; 2]; LENGTH],
        places: &Places<PLACES>,
        out: &mut [f32; PLACES],
    ) {
        let eights = places.rows.as_chunks::<8>().0.iter().zip(places.parts.as_chunks::<8>().0);
        for ((rows, parts), out) in eights.zip(out.as_chunks_mut::<8>().0) {
            let row = |n: usize| -> __m128 {
                let [a, b] = table[rows[n] as usize % LENGTH];
                _mm_setr_ps(a, b, 0.0, 0.0)
            };
            let two = |n: usize| _mm_movelh_ps(row(n), row(n + 1));
            let (low, high) = (_mm256_set_m128(two(4), two(0)), _mm256_set_m128(two(6), two(2)));
            let samples = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
            let slopes = _mm256_shuffle_ps::<0b11_01_11_01>(low, high);
            store(out, _mm256_add_ps(samples, _mm256_mul_ps(slopes, load(parts))));
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn look_up_both<const LENGTH: usize, const PLACES: usize>(
        table: &[[f32; 4]; LENGTH],
        places: &Places<PLACES>,
        [first, second]: &mut [[f32; PLACES]; 2],
    ) {
        let eights = places.rows.as_chunks::<8>().0.iter().zip(places.parts.as_chunks::<8>().0);
        let out = first.as_chunks_mut::<8>().0.iter_mut().zip(second.as_chunks_mut::<8>().0);
        for ((rows, parts), (first, second)) in eights.zip(out) {
            let row = |n: usize| -> __m128 {
                let [a, b, c, d] = table[rows[n] as usize % LENGTH];
                _mm_setr_ps(a, b, c, d)
            };
            let two = |n: usize| _mm256_set_m128(row(n + 4), row(n));
            let [a, b, c, d] = [two(0), two(1), two(2), two(3)];
            let (low, lower) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (high, higher) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            let parts = load(parts);
            for (out, low, high) in [(first, low, lower), (second, high, higher)] {
                let samples = _mm256_shuffle_ps::<0b01_00_01_00>(low, high);
                let slopes = _mm256_shuffle_ps::<0b11_10_11_10>(low, high);
                store(out, _mm256_add_ps(samples, _mm256_mul_ps(slopes, parts)));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn load(from: &[f32; 8]) -> __m256 {
        // SAFETY: there are eight of them, and no alignment is asked for.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[target_feature(enable = "avx2")]
    fn store(into: &mut [f32; 8], eight: __m256) {
        // SAFETY: there is room for eight, and no alignment is asked for.
        unsafe { _mm256_storeu_ps(into.as_mut_ptr(), eight) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_changes_no_value_of_a_table() {
        let places = Places::<64> {
            rows: std::array::from_fn(|i| (i * i * 37 + 5) as u32),
            parts: std::array::from_fn(|i| (i as f32 * 0.37).fract()),
        };
        let row = |i: usize| [0.1, 1.7, -0.3, 0.4].map(|x| x * (i as f32 + 1.3).sin());
        let fours: [[f32; 4]; 128] = std::array::from_fn(row);
        let twos: [[f32; 2]; 128] = std::array::from_fn(|i| [fours[i][2], fours[i][3]]);
        let (mut one, mut both) = ([0.0; 64], [[0.0; 64]; 2]);
        look_up(&twos, &places, &mut one);
        look_up_both(&fours, &places, &mut both);
        assert_eq!(one, both[1]);
        plain(&fours, &places, |at, [a, b, ..], part| assert_eq!(both[0][at], a + b * part, "{at}"));
        plain(&twos, &places, |at, [a, b], part| assert_eq!(one[at], a + b * part, "{at}"));
    }

    #[test]
    fn the_width_changes_no_bit() {
        let input: [f32; 100] = std::array::from_fn(|i| 1.0 / (i as f32 + 1.1));
        let work = |scale: f32| {
            let mut sum = 0.0_f32;
            let products = input.map(|x| x * scale + 1e-3 / (x + scale));
            for (a, b) in products.iter().zip(&input) {
                sum += a * b - 0.7 * sum;
            }
            (products, sum)
        };
        assert_eq!(
            widest(
                #[inline(always)]
                || work(0.3)
            ),
            work(0.3)
        );
    }
}
