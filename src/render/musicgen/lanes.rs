//! Loops in the widest vector registers that the processor has, and a power of e that can stand in them.
//!
//! Sums and products give the same bits in every width: the compiler neither contracts a multiplication and an addition to one
//! operation nor changes the order of a sum of floats.
#![allow(
    unsafe_code,
    reason = "code for instructions that not every processor has may only run where they were found"
)]
#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the width of its caller")]

/// Does `work`, which is compiled for each width; give it an `#[inline(always)]` closure, and no calls in there that are not inlined.
#[inline]
pub(super) fn widest<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the processor has what the function is compiled for; all that have AVX-512 have AVX2 and FMA.
            return unsafe { avx512(work) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
fn avx512<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// `e^x` within 2 units in the last place: 0 below -87.3, infinite above 88.3.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (scale, rest) = power(x);
    let y = scale + scale * rest;
    let y = if x < LEAST { 0.0 } else { y };
    if x > MOST { f32::INFINITY } else { y }
}

/// `e^x - 1` within 3 units in the last place, near 0 too: -1 below -87.3, infinite above 88.3.
#[inline(always)]
pub(super) fn exp_m1(x: f32) -> f32 {
    let (scale, rest) = power(x);
    let y = scale * rest + (scale - 1.0);
    let y = if x < LEAST { -1.0 } else { y };
    if x > MOST { f32::INFINITY } else { y }
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, exact near 0 too.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // Beyond this it is 1.
    let x = if x > 10.0 { 10.0 } else { x };
    let less_one = exp_m1(2.0 * x);
    less_one / (less_one + 2.0)
}

/// Within these limits the power of two in [`power`] is a normal number.
const LEAST: f32 = -87.3;
const MOST: f32 = 88.3;

/// `s` and `r` with `e^x = s (1 + r)`, where `s` is the power of two next to `e^x`, between [`LEAST`] and [`MOST`].
#[inline(always)]
fn power(x: f32) -> (f32, f32) {
    /// A sum with it is rounded to a whole number, which then stands in the last bits.
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    /// ln 2 in two parts; the first has so few digits that its multiples are exact.
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    /// `1 / n!` from n = 7 down to 2: what the series leaves out is 5e-9 where it is most.
    const SERIES: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];
    let sum = x * std::f32::consts::LOG2_E + WHOLE;
    let twos = sum - WHOLE;
    let scale = f32::from_bits((sum.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let x = (x - twos * LN_2.0) - twos * LN_2.1;
    let mut tail = SERIES[0];
    for factor in &SERIES[1..] {
        tail = tail * x + factor;
    }
    (scale, x * x * tail + x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In units of the last place of what was expected.
    fn error(found: f32, expected: f64) -> f64 {
        let nearest = expected as f32;
        (f64::from(found) - expected).abs() / f64::from(nearest.abs().next_up() - nearest.abs())
    }

    #[test]
    fn powers_of_e_are_exact_to_the_last_places() {
        for step in -870_000..=880_000 {
            let x = step as f32 * 1e-4;
            assert!(error(exp(x), f64::from(x).exp()) < 2.0, "{x}");
            assert!(error(exp_m1(x), f64::from(x).exp_m1()) < 3.0, "{x}");
        }
        for exponent in -30..0 {
            let x = -1.7 * f32::exp2(exponent as f32);
            assert!(error(exp_m1(x), f64::from(x).exp_m1()) < 3.0, "{x}");
        }
    }

    #[test]
    fn curves_of_gates_are_exact_to_the_last_places() {
        for step in -80_000..=80_000 {
            let x = step as f32 * 1e-3;
            let exact = f64::from(x);
            assert!(error(sigmoid(x), 1.0 / (1.0 + (-exact).exp())) < 4.0, "{x}");
            assert!(error(tanh(x), exact.tanh()) < 5.0, "{x}");
        }
    }

    #[test]
    fn beyond_the_range_they_are_nothing_and_infinite() {
        for (x, power, less_one) in [
            (f32::NEG_INFINITY, 0.0, -1.0),
            (-1e30, 0.0, -1.0),
            (-88.0, 0.0, -1.0),
            (0.0, 1.0, 0.0),
            (89.0, f32::INFINITY, f32::INFINITY),
            (f32::INFINITY, f32::INFINITY, f32::INFINITY),
        ] {
            assert_eq!((exp(x), exp_m1(x)), (power, less_one), "{x}");
        }
        assert!(exp(f32::NAN).is_nan() && exp_m1(f32::NAN).is_nan());
    }
}
