//! Values as they are kept, and how they become f32.

use half::{bf16, f16, slice::HalfFloatSliceExt};

/// A sum with it is rounded to a whole number, which then stands in the last bits.
const WHOLE: f32 = 1.5 * (1 << 23) as f32;

/// The nearest whole number of a value whose size is below 2^22.
#[inline(always)]
pub(super) fn whole(value: f32) -> i32 {
    (value + WHOLE).to_bits() as i32 - WHOLE.to_bits() as i32
}

/// The size of the largest value, 0 of none.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    // Without their signs floats are in the order of their bits, in which compilers are quick to find the largest.
    f32::from_bits(values.iter().fold(0, |most, value| most.max(value.abs().to_bits())))
}

/// A kind of value that becomes an f32 by itself.
pub(super) trait Stored: Copy + Default + Send + Sync {
    /// Rounds to the nearest.
    fn of(value: f32) -> Self;

    /// Rounds many.
    fn all_of(values: &[f32]) -> Vec<Self>;

    /// Exactly. Must be inlined where it is to be compiled for wide registers.
    fn widen(self) -> f32;
}

impl Stored for f32 {
    fn of(value: f32) -> Self {
        value
    }

    fn all_of(values: &[f32]) -> Vec<Self> {
        values.to_vec()
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Stored for bf16 {
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn all_of(values: &[f32]) -> Vec<Self> {
        let mut all = vec![Self::ZERO; values.len()];
        all.convert_from_f32_slice(values);
        all
    }

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Stored for f16 {
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn all_of(values: &[f32]) -> Vec<Self> {
        let mut all = vec![Self::ZERO; values.len()];
        all.convert_from_f32_slice(values);
        all
    }

    /// For finite values.
    #[inline(always)]
    fn widen(self) -> f32 {
        /// Exponents of f32 count from 127, those of f16 from 15.
        const EXPONENTS: f32 = f32::from_bits((254 - 15) << 23);
        let bits = u32::from(self.to_bits());
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * EXPONENTS;
        f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_of_16_bits_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (short, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            if short.is_finite() {
                assert_eq!(short.widen().to_bits(), short.to_f32().to_bits());
            }
            if brain.is_finite() {
                assert_eq!(brain.widen().to_bits(), brain.to_f32().to_bits());
            }
        }
    }
}
