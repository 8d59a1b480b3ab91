//! What struck and plucked strings have in common: stiffness, the noise of what touches them.
//!
//! Stiffness, decay and strike-position formulae follow Fletcher and Rossing, The Physics of Musical Instruments.

use super::{
    Canvas,
    bank::Partial,
    filter::Filter,
    signal::{Noise, RATE, decay, frames},
};
use crate::audio::Random;

/// Partials of a stiff string: the n-th lies at n f sqrt(1 + b n^2), where f is such that the first one is at `hz`.
pub(super) fn stiff(hz: f32, n: f32, b: f32) -> f32 {
    n * hz * ((1.0 + b * n * n) / (1.0 + b)).sqrt()
}

/// Partials that all start upwards pile up in one peak. With the signs of Rudin and Shapiro they do so least.
pub(super) fn sign(number: u32) -> f32 {
    if (number & (number >> 1)).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
}

pub(super) fn scale(partials: &mut [Partial], level: f32) {
    for partial in partials {
        partial.amplitude *= level;
    }
}

/// The noise of a hammer or a finger: a short burst around `hz`, in the middle.
pub(super) fn knock(level: f32, hz: f32, q: f32, seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    if level <= 0.0 {
        return;
    }
    let mut filter = Filter::new(hz.min(0.4 * RATE), q);
    let mut noise = Noise::new(random);
    let fall = decay(seconds * 2.0);
    let mut amplitude = level * 2.0;
    // By then it has fallen by 66 dB.
    let length = frames(seconds * 2.2);
    for (i, (left, right)) in canvas.left.iter_mut().zip(canvas.right.iter_mut()).take(length).enumerate() {
        let edge = (i.min(length - i) as f32 * (1.0 / 24.0)).min(1.0);
        let sample = edge * amplitude * filter.next(noise.next()).band;
        *left += sample;
        *right += sample;
        amplitude *= fall;
    }
}
