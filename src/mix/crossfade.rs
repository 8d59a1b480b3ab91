//! Gains of a crossfade that keeps the power, whatever the two sounds have in common.
//!
//! The usual equal-power law, `a = cos(t pi/2)` and `b = sin(t pi/2)`, keeps the power of sounds that have nothing in common.
//! Two equal sounds would come out 3 dB too loud in the middle, opposed ones would cancel. The power of `a x + b y` is
//!
//! ```text
//! a² Px + b² Py + 2 a b rho sqrt(Px Py)
//! ```
//!
//! with the powers `Px`, `Py` and the correlation `rho` measured over the overlap and over all channels. Both gains are divided
//! by the root of its ratio to the wanted `a² Px + b² Py`; for equal powers that is the known `sqrt(1 + 2 rho a b)`.
//! At `rho = 1` the join of a sound to its own continuation leaves it as it is.

use std::f64::consts::FRAC_PI_2;

use crate::audio::Pcm;

/// Opposed sounds cancel, and no gain brings back what is not there: the correlation counts as no less than this, so that no
/// gain rises by more than 6 dB.
const LOWEST_CORRELATION: f64 = -0.75;

/// Gains for the `frames` frames of `old` from `start` on, and for the first `frames` frames of `new`.
pub(super) fn gains(old: &Pcm, start: usize, new: &Pcm, frames: usize) -> (Vec<f32>, Vec<f32>) {
    let powers = Powers::measure(old, start, new, frames);
    (0..frames).map(|k| powers.gains((k as f64 + 0.5) / frames as f64)).unzip()
}

/// Sums over the overlap: of the squares of either sound, and the geometric mean of both times their correlation.
struct Powers {
    old: f64,
    new: f64,
    common: f64,
}

impl Powers {
    fn measure(old: &Pcm, start: usize, new: &Pcm, frames: usize) -> Self {
        let mut powers = Self { old: 0.0, new: 0.0, common: 0.0 };
        for (old, new) in old.planes().iter().zip(new.planes()) {
            for (&x, &y) in old.iter().skip(start).zip(new).take(frames) {
                let (x, y) = (f64::from(x), f64::from(y));
                powers.old += x * x;
                powers.new += y * y;
                powers.common += x * y;
            }
        }
        powers.common = powers.common.max(LOWEST_CORRELATION * (powers.old * powers.new).sqrt());
        powers
    }

    /// Gains of the old and the new sound at a position from 0 (only old) to 1 (only new).
    fn gains(&self, position: f64) -> (f32, f32) {
        let (b, a) = (position * FRAC_PI_2).sin_cos();
        let wanted = a * a * self.old + b * b * self.new;
        let plain = wanted + 2.0 * a * b * self.common;
        let norm = if wanted > 0.0 && plain > 0.0 { (wanted / plain).sqrt() } else { 1.0 };
        ((a * norm) as f32, (b * norm) as f32)
    }
}
