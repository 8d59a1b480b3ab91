//! The innermost loops of the codec on a processor, in vectors as wide as it has.
//!
//! Every result is one sum in one order, whatever the width of the vectors and however many rows are worked on
//! together: the same bits from any cut of the work, on every processor that multiplies and adds in one operation.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found, and no bound is \
              to be checked in here"
)]
#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the width of its caller")]

use std::mem::MaybeUninit;

/// Columns of a matrix that are worked on together.
pub(super) const COLUMNS: usize = 32;
/// Lines of a recurrent matrix that are worked on together.
pub(super) const LINES: usize = 64;

/// Where the values of a row stand: `parts` runs of `length` values, whose beginnings are `apart`. The next row
/// begins `step` values later. Rows may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) parts: usize,
    pub(super) length: usize,
    pub(super) apart: usize,
    pub(super) step: usize,
}

impl Reading {
    /// One value after the other.
    pub(super) fn plain(length: usize) -> Self {
        Self { parts: 1, length, apart: 0, step: length }
    }

    /// Values of a row.
    pub(super) fn lines(self) -> usize {
        self.parts * self.length
    }

    /// Values under this many rows, at least one.
    pub(super) fn span(self, rows: usize) -> usize {
        (rows - 1) * self.step + (self.parts - 1) * self.apart + self.length
    }
}

/// Some columns of a product of rows and a matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) values: &'a [f32],
    pub(super) reading: Reading,
    /// Panel by panel, a panel being [`COLUMNS`] of a matrix with as many lines as a row has values.
    pub(super) panels: &'a [[f32; COLUMNS]],
    /// What is added, for every panel.
    pub(super) bias: &'a [[f32; COLUMNS]],
}

impl Block<'_> {
    /// Without the first rows.
    pub(super) fn after(self, rows: usize) -> Self {
        Self { values: &self.values[rows * self.reading.step..], ..self }
    }

    /// Of some of the panels.
    pub(super) fn panels(self, from: usize, count: usize) -> Self {
        let lines = self.reading.lines();
        let (panels, bias) = (&self.panels[from * lines..][..count * lines], &self.bias[from..][..count]);
        Self { panels, bias, ..self }
    }

    /// Writes a row of `width` results for each row, all of `out`; the columns of the panels beyond that are left out.
    pub(super) fn write(&self, width: usize, out: &mut [MaybeUninit<f32>]) {
        if width == 0 || out.is_empty() {
            return;
        }
        let rows = out.len() / width;
        let lines = self.reading.lines();
        assert!(rows * width == out.len() && width.div_ceil(COLUMNS) == self.bias.len());
        assert!(self.panels.len() == lines * self.bias.len() && self.values.len() >= self.reading.span(rows));
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor has what it is compiled for, and the sizes were checked.
                return unsafe { x86::block_512(self, width, rows, out) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: as above.
                return unsafe { x86::block_256(self, width, rows, out) };
            }
        }
        // SAFETY: the sizes were checked.
        unsafe { block::<Plain, 8, 2, 1>(self, width, rows, out) }
    }
}

/// The sum of products of each row with `weights`, which are followed by zeros up to a multiple of [`COLUMNS`].
pub(super) fn dots(values: &[f32], reading: Reading, weights: &[f32], bias: f32, out: &mut [f32]) {
    if out.is_empty() {
        return;
    }
    let lines = reading.length;
    assert!(reading.parts == 1 && weights.len() == lines.next_multiple_of(COLUMNS));
    assert!(values.len() >= reading.span(out.len()));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what it is compiled for, and the sizes were checked.
            return unsafe { x86::dots_512(values, reading, weights, bias, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::dots_256(values, reading, weights, bias, out) };
        }
    }
    // SAFETY: the sizes were checked.
    unsafe { row_dots::<Plain, 8>(values, reading, weights, bias, out) }
}

/// A column of [`LINES`] whole numbers of 24 bits, `256 high + low`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Column {
    pub(super) high: [i16; LINES],
    pub(super) low: [u8; LINES],
}

/// The product of a matrix, column by column, and a vector.
pub(super) fn recurrent(matrix: &[Column], vector: &[f32]) -> [f32; LINES] {
    assert_eq!(matrix.len(), vector.len());
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what it is compiled for, and the sizes were checked.
            return unsafe { x86::recurrent_512(matrix, vector) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::recurrent_256(matrix, vector) };
        }
    }
    // SAFETY: the sizes were checked.
    unsafe { line_sums::<Plain, 16>(matrix, vector) }
}

/// A register of floats.
///
/// # Safety
/// All methods need a processor that has the register; pointers must be those of [`Self::LANES`] values.
trait Vector: Copy {
    const LANES: usize;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self + a b`
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// `256 high + low`
    unsafe fn whole(high: *const i16, low: *const u8) -> Self;
    /// Asks for memory that will be read; any address may be given.
    fn soon(_address: *const u8) {}
}

/// # Safety
/// The sizes must fit (see [`Block::write`]), and the processor must have the register.
#[inline(always)]
unsafe fn block<V: Vector, const WIDE: usize, const MANY: usize, const SOME: usize>(
    block: &Block,
    width: usize,
    rows: usize,
    out: &mut [MaybeUninit<f32>],
) {
    /// Values of a matrix that stays near while all rows go by.
    const NEAR: usize = 1 << 18;
    let mut row = 0;
    if block.panels.len() * COLUMNS <= NEAR {
        while row < rows {
            let mut done = 0;
            for panel in 0..block.bias.len() {
                // SAFETY: what the caller promises; there are such rows and panels.
                done = unsafe { some_rows::<V, WIDE, MANY, SOME>(block, width, panel, row, rows, out) };
            }
            row += done;
        }
    } else {
        for panel in 0..block.bias.len() {
            row = 0;
            while row < rows {
                // SAFETY: as above.
                row += unsafe { some_rows::<V, WIDE, MANY, SOME>(block, width, panel, row, rows, out) };
            }
        }
    }
}

/// As many rows of one panel, from this one on, as are worked on together, and how many that is.
///
/// # Safety
/// The sizes must fit (see [`Block::write`]), and the processor must have the register.
#[inline(always)]
unsafe fn some_rows<V: Vector, const WIDE: usize, const MANY: usize, const SOME: usize>(
    block: &Block,
    width: usize,
    panel: usize,
    row: usize,
    rows: usize,
    out: &mut [MaybeUninit<f32>],
) -> usize {
    let (from, lines) = (panel * COLUMNS, block.reading.lines());
    let columns = COLUMNS.min(width - from);
    let (panel, bias) = (&block.panels[panel * lines..][..lines], &block.bias[panel]);
    let values = &block.values[row * block.reading.step..];
    let out = &mut out[row * width + from..];
    // SAFETY: there are as many rows, and whatever is cut off the last panel is not written.
    unsafe {
        if row + MANY <= rows {
            tile::<V, WIDE, MANY>(values, block.reading, panel, bias, out, width, columns)
        } else if row + SOME <= rows {
            tile::<V, WIDE, SOME>(values, block.reading, panel, bias, out, width, columns)
        } else {
            tile::<V, WIDE, 1>(values, block.reading, panel, bias, out, width, columns)
        }
    }
}

/// `ROWS` rows of one panel, kept in registers until they are done.
///
/// # Safety
/// `values` must reach to the end of the last row, `panel` must have as many lines as a row has values, and `out`
/// must have room for `columns` of every row. The processor must have the register.
#[inline(always)]
unsafe fn tile<V: Vector, const WIDE: usize, const ROWS: usize>(
    values: &[f32],
    reading: Reading,
    panel: &[[f32; COLUMNS]],
    bias: &[f32; COLUMNS],
    out: &mut [MaybeUninit<f32>],
    width: usize,
    columns: usize,
) -> usize {
    const { assert!(WIDE * V::LANES == COLUMNS) };
    // SAFETY: what the caller promises.
    unsafe {
        let mut sums = [[V::splat(0.0); WIDE]; ROWS];
        for sums in &mut sums {
            for (wide, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(bias.as_ptr().add(wide * V::LANES));
            }
        }
        let mut line = panel.as_ptr().cast::<f32>();
        for part in 0..reading.parts {
            let values = values.as_ptr().add(part * reading.apart);
            for place in 0..reading.length {
                let mut weights = [V::splat(0.0); WIDE];
                for (wide, weights) in weights.iter_mut().enumerate() {
                    *weights = V::load(line.add(wide * V::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*values.add(row * reading.step + place));
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = sum.plus_product(value, weights);
                    }
                }
                line = line.add(COLUMNS);
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            if columns == COLUMNS {
                for (wide, sum) in sums.iter().enumerate() {
                    sum.store(out.as_mut_ptr().add(row * width + wide * V::LANES).cast());
                }
            } else {
                let out = &mut out[row * width..][..columns];
                for (out, sum) in out.iter_mut().zip(stored(sums)) {
                    out.write(sum);
                }
            }
        }
    }
    ROWS
}

/// # Safety
/// The processor must have the register.
#[inline(always)]
unsafe fn stored<V: Vector, const WIDE: usize>(vectors: &[V; WIDE]) -> [f32; COLUMNS] {
    const { assert!(WIDE * V::LANES == COLUMNS) };
    let mut values = [0.0; COLUMNS];
    for (wide, vector) in vectors.iter().enumerate() {
        // SAFETY: there is room for all of them.
        unsafe { vector.store(values.as_mut_ptr().add(wide * V::LANES)) };
    }
    values
}

/// # Safety
/// The sizes must fit (see [`dots`]), and the processor must have the register.
#[inline(always)]
unsafe fn row_dots<V: Vector, const WIDE: usize>(
    values: &[f32],
    reading: Reading,
    weights: &[f32],
    bias: f32,
    out: &mut [f32],
) {
    for (row, out) in out.iter_mut().enumerate() {
        let (whole, rest) = values[row * reading.step..][..reading.length].as_chunks::<COLUMNS>();
        let mut last = [0.0; COLUMNS];
        last[..rest.len()].copy_from_slice(rest);
        // SAFETY: pointers are those of whole chunks.
        let mut sums = unsafe {
            let mut sums = [V::splat(0.0); WIDE];
            for (values, weights) in whole.iter().chain(&[last]).zip(weights.as_chunks::<COLUMNS>().0) {
                for (wide, sum) in sums.iter_mut().enumerate() {
                    let at = wide * V::LANES;
                    let (values, weights) = (values.as_ptr().add(at), weights.as_ptr().add(at));
                    *sum = sum.plus_product(V::load(values), V::load(weights));
                }
            }
            stored(&sums)
        };
        let mut count = COLUMNS / 2;
        while count > 0 {
            for at in 0..count {
                sums[at] += sums[at + count];
            }
            count /= 2;
        }
        *out = bias + sums[0];
    }
}

/// # Safety
/// The processor must have the register.
#[inline(always)]
unsafe fn line_sums<V: Vector, const WIDE: usize>(matrix: &[Column], vector: &[f32]) -> [f32; LINES] {
    /// Columns read ahead: without it half of the time is waiting.
    const AHEAD: usize = 16;
    const { assert!(WIDE * V::LANES == LINES) };
    let mut out = [0.0; LINES];
    // SAFETY: every column has as many lines.
    unsafe {
        let mut sums = [V::splat(0.0); WIDE];
        for (column, value) in matrix.iter().zip(vector) {
            let ahead = std::ptr::from_ref(column).wrapping_add(AHEAD).cast::<u8>();
            for line in 0..size_of::<Column>() / 64 {
                V::soon(ahead.wrapping_add(line * 64));
            }
            let value = V::splat(*value);
            for (wide, sum) in sums.iter_mut().enumerate() {
                let at = wide * V::LANES;
                let weights = V::whole(column.high.as_ptr().add(at), column.low.as_ptr().add(at));
                *sum = sum.plus_product(value, weights);
            }
        }
        for (wide, sum) in sums.iter().enumerate() {
            sum.store(out.as_mut_ptr().add(wide * V::LANES));
        }
    }
    out
}

/// What the compiler makes of four floats.
#[derive(Clone, Copy)]
struct Plain([f32; 4]);

impl Vector for Plain {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: what the caller promises.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: what the caller promises.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        // An x86 processor that comes here has no instruction for both.
        Self(std::array::from_fn(|i| {
            if cfg!(target_arch = "x86_64") {
                a.0[i] * b.0[i] + self.0[i]
            } else {
                a.0[i].mul_add(b.0[i], self.0[i])
            }
        }))
    }

    #[inline(always)]
    unsafe fn whole(high: *const i16, low: *const u8) -> Self {
        // SAFETY: what the caller promises.
        let (high, low) =
            unsafe { (high.cast::<[i16; 4]>().read_unaligned(), low.cast::<[u8; 4]>().read_unaligned()) };
        Self(std::array::from_fn(|i| (i32::from(high[i]) * 256 + i32::from(low[i])) as f32))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _MM_HINT_T0, _mm_loadl_epi64, _mm_loadu_si128, _mm_prefetch, _mm256_cvtepi16_epi32,
        _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_or_si256, _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm512_cvtepi16_epi32,
        _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_or_si512,
        _mm512_set1_ps, _mm512_slli_epi32, _mm512_storeu_ps,
    };

    use super::{Block, Column, LINES, MaybeUninit, Reading, Vector, block, line_sums, row_dots};

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn block_512(it: &Block, width: usize, rows: usize, out: &mut [MaybeUninit<f32>]) {
        // SAFETY: what the caller promises.
        unsafe { block::<__m512, 2, 10, 3>(it, width, rows, out) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn block_256(it: &Block, width: usize, rows: usize, out: &mut [MaybeUninit<f32>]) {
        // SAFETY: what the caller promises.
        unsafe { block::<__m256, 4, 3, 2>(it, width, rows, out) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn dots_512(
        values: &[f32],
        reading: Reading,
        weights: &[f32],
        bias: f32,
        out: &mut [f32],
    ) {
        // SAFETY: what the caller promises.
        unsafe { row_dots::<__m512, 2>(values, reading, weights, bias, out) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn dots_256(
        values: &[f32],
        reading: Reading,
        weights: &[f32],
        bias: f32,
        out: &mut [f32],
    ) {
        // SAFETY: what the caller promises.
        unsafe { row_dots::<__m256, 4>(values, reading, weights, bias, out) }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn recurrent_512(matrix: &[Column], vector: &[f32]) -> [f32; LINES] {
        // SAFETY: what the caller promises.
        unsafe { line_sums::<__m512, 4>(matrix, vector) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn recurrent_256(matrix: &[Column], vector: &[f32]) -> [f32; LINES] {
        // SAFETY: what the caller promises.
        unsafe { line_sums::<__m256, 8>(matrix, vector) }
    }

    // SAFETY of both: what the caller promises; no address needs to be aligned.
    impl Vector for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn plus_product(self, a: Self, b: Self) -> Self {
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }

        #[inline(always)]
        unsafe fn whole(high: *const i16, low: *const u8) -> Self {
            unsafe {
                let high = _mm512_slli_epi32::<8>(_mm512_cvtepi16_epi32(_mm256_loadu_si256(high.cast())));
                let low = _mm512_cvtepu8_epi32(_mm_loadu_si128(low.cast()));
                _mm512_cvtepi32_ps(_mm512_or_si512(high, low))
            }
        }

        #[inline(always)]
        fn soon(address: *const u8) {
            // SAFETY: any address may be given.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn plus_product(self, a: Self, b: Self) -> Self {
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }

        #[inline(always)]
        unsafe fn whole(high: *const i16, low: *const u8) -> Self {
            unsafe {
                let high = _mm256_slli_epi32::<8>(_mm256_cvtepi16_epi32(_mm_loadu_si128(high.cast())));
                let low = _mm256_cvtepu8_epi32(_mm_loadl_epi64(low.cast()));
                _mm256_cvtepi32_ps(_mm256_or_si256(high, low))
            }
        }

        #[inline(always)]
        fn soon(address: *const u8) {
            // SAFETY: any address may be given.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    /// Writes a product and dots, and gives the sums of lines.
    type Work<'a> = &'a dyn Fn(&mut [MaybeUninit<f32>], &mut [f32]) -> [f32; LINES];

    /// Of every width that this processor has, the widest last; what is not fused may differ in the last places.
    #[test]
    fn the_width_changes_no_bit() {
        let mut random = Random::new(4);
        let mut values = |count: usize| (0..count).map(|_| random.bipolar()).collect::<Vec<f32>>();
        let reading = Reading { parts: 2, length: 9, apart: 20, step: 5 };
        let (rows, width) = (26, 2 * COLUMNS - 3);
        let signal = values(reading.span(rows));
        let panels = values(2 * reading.lines() * COLUMNS);
        let bias = values(2 * COLUMNS);
        let block =
            Block { values: &signal, reading, panels: panels.as_chunks().0, bias: bias.as_chunks().0 };
        let reading = Reading { step: 5, ..Reading::plain(70) };
        let long = values(reading.span(rows));
        let weights = [values(70), vec![0.0; 26]].concat();
        let vector = values(50);
        let matrix: Vec<Column> = (0..50)
            .map(|_| Column {
                high: std::array::from_fn(|_| (random.bipolar() * 32_768.0) as i16),
                low: std::array::from_fn(|_| random.below(256) as u8),
            })
            .collect();
        let mut found = Vec::new();
        let mut run = |work: Work| {
            let (mut product, mut dots) = (vec![MaybeUninit::new(f32::NAN); rows * width], vec![0.0; rows]);
            let sums = work(&mut product, &mut dots);
            // SAFETY: they were initialised before.
            let product: Vec<f32> = product.iter().map(|value| unsafe { value.assume_init() }).collect();
            found.push([product, dots, sums.to_vec()].concat());
        };
        // SAFETY of all: the sizes fit, and the processor has the registers.
        run(&|product, dots| unsafe {
            super::block::<Plain, 8, 2, 1>(&block, width, rows, product);
            row_dots::<Plain, 8>(&long, reading, &weights, 0.5, dots);
            line_sums::<Plain, 16>(&matrix, &vector)
        });
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            run(&|product, dots| unsafe {
                x86::block_256(&block, width, rows, product);
                x86::dots_256(&long, reading, &weights, 0.5, dots);
                x86::recurrent_256(&matrix, &vector)
            });
        }
        run(&|product, dots| {
            block.write(width, product);
            super::dots(&long, reading, &weights, 0.5, dots);
            recurrent(&matrix, &vector)
        });
        let widest = found.pop().unwrap();
        if let [_, narrow] = &found[..] {
            assert_eq!(*narrow, widest);
        }
        for (plain, widest) in found[0].iter().zip(&widest) {
            assert!((plain - widest).abs() < 1e-5 * widest.abs().max(1.0), "{plain} for {widest}");
        }
        for (at, found) in found[0].iter().take(rows * width).enumerate() {
            let (row, column) = (at / width, at % width);
            let products = (0..18).map(|line| {
                let value = signal[row * 5 + line / 9 * 20 + line % 9];
                let panel = column / COLUMNS * 18 + line;
                f64::from(value) * f64::from(panels[panel * COLUMNS + column % COLUMNS])
            });
            let exact = products.sum::<f64>() + f64::from(bias[column]);
            assert!((f64::from(*found) - exact).abs() < 1e-5, "{found} for {exact}");
        }
        let line = LINES - 3;
        let weight = |column: &Column| f64::from(column.high[line]) * 256.0 + f64::from(column.low[line]);
        let exact: f64 = matrix.iter().zip(&vector).map(|(column, x)| weight(column) * f64::from(*x)).sum();
        assert!((f64::from(widest[rows * (width + 1) + line]) - exact).abs() < 1e-5 * exact.abs().max(1e7));
    }
}
