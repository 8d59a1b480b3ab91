//! What struck and plucked strings have in common: stiffness, the noise of what touches them.
//!
//! Stiffness, decay and strike-position formulae follow Fletcher and Rossing, The Physics of Musical Instruments.

use super::{
    Canvas,
    bank::Partial,
    filter::{Output, Row},
    signal::{Noise, RATE, decay, frames, powers},
};
use crate::audio::Random;

/// Frames of noise that are made at a time.
const BLOCK: usize = 64;

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
    let mut filter = Row::new(Output::Band, hz.min(0.4 * RATE), q);
    let mut noise = Noise::new(random);
    let falls: [f32; BLOCK] = powers(decay(seconds * 2.0));
    let mut amplitude = level * 2.0;
    // By then it has fallen by 66 dB.
    let length = frames(seconds * 2.2);
    let heard = length.min(canvas.left.len());
    let blocks = canvas.left[..heard].chunks_mut(BLOCK).zip(canvas.right[..heard].chunks_mut(BLOCK));
    for (block, (left, right)) in blocks.enumerate() {
        let mut knock = [0.0_f32; BLOCK];
        noise.fill(&mut knock);
        filter.pass([&mut knock]);
        for (i, (knock, fall)) in (block * BLOCK..).zip(knock.iter_mut().zip(&falls)) {
            let edge = (i.min(length.saturating_sub(i)) as i32 as f32 * (1.0 / 24.0)).min(1.0);
            *knock *= edge * amplitude * fall;
        }
        for side in [left, right] {
            for (sample, knock) in side.iter_mut().zip(&knock) {
                *sample += knock;
            }
        }
        amplitude *= falls[BLOCK - 1] * falls[1];
    }
}
