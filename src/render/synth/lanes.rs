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

#[cfg(test)]
mod tests {
    use super::*;

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
