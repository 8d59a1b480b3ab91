//! What happens to states between the products.

use super::{
    super::lanes::{exp, widest},
    matrix::LANES,
};

/// As the reference has it; no configuration tells it.
pub(in super::super) const NORM_EPSILON: f32 = 1e-5;

/// A layer norm.
#[derive(Debug)]
pub(in super::super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    /// From its weight and bias, equally long.
    pub(in super::super) fn new(weight: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { weight, bias }
    }

    /// Norms rows that follow each other, `[n, width]`.
    pub(in super::super) fn apply(&self, states: &[f32], out: &mut Vec<f32>) {
        let width = self.weight.len();
        out.resize(states.len(), 0.0);
        for (state, out) in states.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            widest(
                #[inline(always)]
                || {
                    let mean = sum(state, |value| value) / width as f32;
                    // Around the mean: the difference of two large sums would cancel where a channel stands out.
                    let variance = sum(state, |value| (value - mean) * (value - mean)) / width as f32;
                    let deviation = (variance + NORM_EPSILON).sqrt();
                    for (((out, value), weight), bias) in
                        out.iter_mut().zip(state).zip(&self.weight).zip(&self.bias)
                    {
                        *out = (value - mean) / deviation * weight + bias;
                    }
                },
            );
        }
    }
}

/// A norm without mean: `x / sqrt(mean of x^2) * weight`.
#[derive(Debug)]
pub(in super::super) struct RootNorm {
    weight: Vec<f32>,
    epsilon: f32,
}

impl RootNorm {
    /// From its weight, and what is added to the mean square.
    pub(in super::super) fn new(weight: Vec<f32>, epsilon: f32) -> Self {
        Self { weight, epsilon }
    }

    /// Norms rows that follow each other, `[n, width]`.
    pub(in super::super) fn apply(&self, states: &[f32], out: &mut Vec<f32>) {
        let width = self.weight.len();
        out.resize(states.len(), 0.0);
        for (state, out) in states.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let root = (sum(state, |value| value * value) / width as f32 + self.epsilon).sqrt();
            for ((out, value), weight) in out.iter_mut().zip(state).zip(&self.weight) {
                *out = value / root * weight;
            }
        }
    }
}

/// The sum of what a function makes of some values: lane by lane, then the lanes.
#[inline(always)]
fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for values in whole {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += of(*value);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += of(*value);
    }
    sums.iter().sum()
}

/// The sum of products.
pub(in super::super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    widest(
        #[inline(always)]
        || {
            let mut sums = [0.0; LANES];
            for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += a * b;
                }
            }
            sums.iter().sum()
        },
    )
}

/// `x (1 + erf(x / sqrt 2)) / 2`, in place.
pub(in super::super) fn gelu(values: &mut [f32]) {
    widest(
        #[inline(always)]
        || {
            for value in values {
                *value = 0.5 * *value * (1.0 + erf(*value * std::f32::consts::FRAC_1_SQRT_2));
            }
        },
    );
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, in place.
pub(in super::super) fn gelu_tanh(values: &mut [f32]) {
    for value in values {
        let inner = (2.0 / std::f32::consts::PI).sqrt() * (*value + 0.044_715 * value.powi(3));
        *value = 0.5 * *value * (1.0 + inner.tanh());
    }
}

/// The error function within 3e-7: formula 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const SERIES: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6];
    let size = x.abs();
    let t = 1.0 / (1.0 + P * size);
    let mut tail = SERIES[0];
    for factor in &SERIES[1..] {
        tail = tail * t + factor;
    }
    (1.0 - tail * t * exp(-size * size)).copysign(x)
}

/// Makes shares of scores, in place: `e^score` over the sum of all. At least one.
#[inline(always)]
pub(in super::super) fn softmax(scores: &mut [f32]) {
    let (whole, rest) = scores.as_chunks::<LANES>();
    let highest = rest.iter().fold(highest(whole), |most, score| if *score > most { *score } else { most });
    for score in scores.iter_mut() {
        *score = exp(*score - highest);
    }
    let all = sum(scores, |share| share);
    for score in scores.iter_mut() {
        *score /= all;
    }
}

/// The highest of some scores.
#[inline(always)]
pub(super) fn highest(scores: &[[f32; LANES]]) -> f32 {
    let mut highest = [f32::NEG_INFINITY; LANES];
    for scores in scores {
        for (highest, score) in highest.iter_mut().zip(scores) {
            *highest = if *score > *highest { *score } else { *highest };
        }
    }
    highest.into_iter().fold(f32::NEG_INFINITY, |most, score| if score > most { score } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_that_of_the_error_function() {
        for step in -8000..8000 {
            let x = step as f32 * 1e-3;
            let mut found = [x];
            gelu(&mut found);
            let expected = 0.5 * f64::from(x) * (1.0 + libm::erf(f64::from(x) / std::f64::consts::SQRT_2));
            assert!((f64::from(found[0]) - expected).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn shares_sum_to_one_and_keep_their_ratios() {
        let mut shares: Vec<f32> = (0..37).map(|i| 900.0 + (i as f32 * 1.3).sin() * 5.0).collect();
        let scores = shares.clone();
        softmax(&mut shares);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        for pair in 0..36 {
            let expected = (scores[pair] - scores[pair + 1]).exp();
            assert!((shares[pair] / shares[pair + 1] / expected - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_norm_has_the_mean_and_deviation_it_is_told() {
        let norm = Norm::new(vec![2.0; 50], vec![-1.0; 50]);
        // A large mean must not drown the deviation.
        let states: Vec<f32> = (0..100).map(|i| 4096.0 + (i % 50) as f32 * 0.25).collect();
        let mut normed = Vec::new();
        norm.apply(&states, &mut normed);
        for state in normed.chunks(50) {
            let mean = state.iter().sum::<f32>() / 50.0;
            let variance = state.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 50.0;
            assert!((mean + 1.0).abs() < 1e-4 && (variance - 4.0).abs() < 1e-3, "{mean} {variance}");
        }
    }
}
