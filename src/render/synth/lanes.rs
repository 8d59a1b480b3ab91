//! Loops in the widest vector registers that the processor has.
//!
//! The result is the same to the bit on every processor: the compiler neither contracts a multiplication and an addition to one
//! operation nor changes the order of a sum of floats, however many of them it works on at once.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::ops::{Add, Mul, Sub};

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

/// How many values stand side by side in [`Lanes`].
pub(super) const LANES: usize = 8;

/// Eight values that are worked on at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lanes(pub(super) [f32; LANES]);

impl Lanes {
    /// Eight samples in a row.
    #[inline(always)]
    pub(super) fn at(samples: &[f32], from: usize) -> Self {
        let eight = &samples[from..from + LANES];
        Self(std::array::from_fn(|lane| eight[lane]))
    }

    /// Puts them back.
    #[inline(always)]
    pub(super) fn put(self, samples: &mut [f32], from: usize) {
        samples[from..from + LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn with(self, other: Self, work: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| work(self.0[lane], other.0[lane])))
    }
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }
}

impl Add<f32> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, offset: f32) -> Self {
        Self(self.0.map(|a| a + offset))
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        Self(self.0.map(|a| a * factor))
    }
}

/// Turns rows to columns.
#[inline(always)]
pub(super) fn turn(rows: &mut [Lanes; LANES]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::turn(rows) };
    }
    *rows = turned(rows);
}

fn turned(rows: &[Lanes; LANES]) -> [Lanes; LANES] {
    std::array::from_fn(|column| Lanes(rows.map(|row| row.0[column])))
}

/// The values of a table from a phase on, frames `step` apart; 2^32 is a full turn. A row of the table is a sample, and how far it
/// is from there to the next one. There must be a multiple of eight frames.
#[inline]
pub(super) fn look_up<const LENGTH: usize, const FRAMES: usize>(
    table: &[[f32; 2]; LENGTH],
    phase: u32,
    step: u32,
    out: &mut [f32; FRAMES],
) {
    const { assert!(LENGTH.is_power_of_two() && LENGTH > 1 && FRAMES.is_multiple_of(LANES)) };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::look_up(table, phase, step, out) };
    }
    plain(table, phase, step, FRAMES, |at, [sample, slope], part| out[at] = sample + slope * part);
}

/// As [`look_up`] in two tables, the rows of which stand side by side.
#[inline]
pub(super) fn look_up_both<const LENGTH: usize, const FRAMES: usize>(
    table: &[[f32; 4]; LENGTH],
    phase: u32,
    step: u32,
    out: &mut [[f32; FRAMES]; 2],
) {
    const { assert!(LENGTH.is_power_of_two() && LENGTH > 1 && FRAMES.is_multiple_of(LANES)) };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::look_up_both(table, phase, step, out) };
    }
    plain(table, phase, step, FRAMES, |at, [first, rise, second, climb], part| {
        out[0][at] = first + rise * part;
        out[1][at] = second + climb * part;
    });
}

/// The row of a table with 2^`bits` rows that a phase lies in, and how far it is on the way to the next row.
#[inline(always)]
fn place(phase: u32, bits: u32) -> (u32, f32) {
    (phase >> (32 - bits), ((phase >> (16 - bits)) & 0xffff) as i32 as f32 * (1.0 / 65_536.0))
}

fn plain<const COLUMNS: usize, const LENGTH: usize>(
    table: &[[f32; COLUMNS]; LENGTH],
    phase: u32,
    step: u32,
    frames: usize,
    mut put: impl FnMut(usize, [f32; COLUMNS], f32),
) {
    for at in 0..frames {
        let (row, part) = place(phase.wrapping_add(step.wrapping_mul(at as u32)), LENGTH.trailing_zeros());
        put(at, table[row as usize % LENGTH], part);
    }
}

/// Rows are fetched whole, eight of them, and turned to columns in registers: what the compiler makes of [`plain`] fetches every
/// value by itself.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128, __m256, _mm_movelh_ps, _mm_setr_ps, _mm256_add_ps, _mm256_loadu_ps, _mm256_mul_ps,
        _mm256_permute2f128_ps, _mm256_set_m128, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps,
    };

    use super::{LANES, Lanes, place};

    /// Neighbours first, then pairs of them, then halves.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn turn(rows: &mut [Lanes; LANES]) {
        let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(|row: usize| load(&rows[row].0));
        let four = |a, b, c, d| {
            let (low, lower) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (high, higher) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            [
                _mm256_shuffle_ps::<0b01_00_01_00>(low, lower),
                _mm256_shuffle_ps::<0b11_10_11_10>(low, lower),
                _mm256_shuffle_ps::<0b01_00_01_00>(high, higher),
                _mm256_shuffle_ps::<0b11_10_11_10>(high, higher),
            ]
        };
        let (upper, under) = (four(a, b, c, d), four(e, f, g, h));
        for column in 0..4 {
            let (a, b) = (upper[column], under[column]);
            store(&mut rows[column].0, _mm256_permute2f128_ps::<0x20>(a, b));
            store(&mut rows[column + 4].0, _mm256_permute2f128_ps::<0x31>(a, b));
        }
    }

    /// The places of eight frames from a phase on.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn places<const LENGTH: usize>(phase: u32, step: u32) -> ([u32; LANES], __m256) {
        let (mut rows, mut parts) = ([0; LANES], [0.0; LANES]);
        for (frame, (row, part)) in rows.iter_mut().zip(&mut parts).enumerate() {
            (*row, *part) =
                place(phase.wrapping_add(step.wrapping_mul(frame as u32)), LENGTH.trailing_zeros());
        }
        (rows, load(&parts))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn look_up<const LENGTH: usize, const FRAMES: usize>(
        table: &[[f32; 2]; LENGTH],
        mut phase: u32,
        step: u32,
        out: &mut [f32; FRAMES],
    ) {
        for out in out.as_chunks_mut().0 {
            let (rows, parts) = places::<LENGTH>(phase, step);
            phase = phase.wrapping_add(step.wrapping_mul(LANES as u32));
            let row = |n: usize| -> __m128 {
                let [a, b] = table[rows[n] as usize % LENGTH];
                _mm_setr_ps(a, b, 0.0, 0.0)
            };
            let two = |n: usize| _mm_movelh_ps(row(n), row(n + 1));
            let (low, high) = (_mm256_set_m128(two(4), two(0)), _mm256_set_m128(two(6), two(2)));
            let samples = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
            let slopes = _mm256_shuffle_ps::<0b11_01_11_01>(low, high);
            store(out, _mm256_add_ps(samples, _mm256_mul_ps(slopes, parts)));
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn look_up_both<const LENGTH: usize, const FRAMES: usize>(
        table: &[[f32; 4]; LENGTH],
        mut phase: u32,
        step: u32,
        [first, second]: &mut [[f32; FRAMES]; 2],
    ) {
        for (first, second) in first.as_chunks_mut().0.iter_mut().zip(second.as_chunks_mut().0) {
            let (rows, parts) = places::<LENGTH>(phase, step);
            phase = phase.wrapping_add(step.wrapping_mul(LANES as u32));
            let row = |n: usize| -> __m128 {
                let [a, b, c, d] = table[rows[n] as usize % LENGTH];
                _mm_setr_ps(a, b, c, d)
            };
            let two = |n: usize| _mm256_set_m128(row(n + 4), row(n));
            let [a, b, c, d] = [two(0), two(1), two(2), two(3)];
            let (low, lower) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (high, higher) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            for (out, low, high) in [(first, low, lower), (second, high, higher)] {
                let samples = _mm256_shuffle_ps::<0b01_00_01_00>(low, high);
                let slopes = _mm256_shuffle_ps::<0b11_10_11_10>(low, high);
                store(out, _mm256_add_ps(samples, _mm256_mul_ps(slopes, parts)));
            }
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(from: &[f32; 8]) -> __m256 {
        // SAFETY: there are eight of them, and no alignment is asked for.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn store(into: &mut [f32; 8], eight: __m256) {
        // SAFETY: there is room for eight, and no alignment is asked for.
        unsafe { _mm256_storeu_ps(into.as_mut_ptr(), eight) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_turn_to_columns() {
        let mut rows: [Lanes; LANES] =
            std::array::from_fn(|row| Lanes(std::array::from_fn(|column| (10 * row + column) as f32)));
        let columns = turned(&rows);
        assert_eq!(columns[3].0[5], 53.0);
        turn(&mut rows);
        assert_eq!(rows, columns);
    }

    #[test]
    fn the_width_changes_no_value_of_a_table() {
        let (phase, step) = (3_000_000_000, 87_654_321);
        let row = |i: usize| [0.1, 1.7, -0.3, 0.4].map(|x| x * (i as f32 + 1.3).sin());
        let fours: [[f32; 4]; 128] = std::array::from_fn(row);
        let twos: [[f32; 2]; 128] = std::array::from_fn(|i| [fours[i][2], fours[i][3]]);
        let (mut one, mut both) = ([0.0; 64], [[0.0; 64]; 2]);
        look_up(&twos, phase, step, &mut one);
        look_up_both(&fours, phase, step, &mut both);
        assert_eq!(one, both[1]);
        plain(&fours, phase, step, 64, |at, [a, b, ..], part| assert_eq!(both[0][at], a + b * part, "{at}"));
        plain(&twos, phase, step, 64, |at, [a, b], part| assert_eq!(one[at], a + b * part, "{at}"));
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
