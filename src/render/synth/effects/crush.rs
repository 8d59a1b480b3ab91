//! The sound of an early sampler: few bits, few samples. What folds back is meant.

use serde::Deserialize;

use super::Clock;
use crate::render::synth::{track::Stereo, voices::RATE};

/// A coarser sound.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Crush {
    bits: u8,
    /// Samples per second.
    hz: f32,
}

impl Crush {
    pub(super) fn apply(self, sound: &mut Stereo, clock: Clock) {
        let steps = f32::from(self.bits.clamp(2, 16) - 1).exp2();
        let share = f64::from(self.hz.min(RATE) / RATE);
        for side in [&mut sound.left, &mut sound.right] {
            let mut held = 0.0;
            let mut last = None;
            for (i, sample) in side.iter_mut().enumerate() {
                let number = ((clock.start + i as i64) as f64 * share).floor();
                if last != Some(number) {
                    held = (*sample * steps).round() / steps;
                    last = Some(number);
                }
                *sample = held;
            }
        }
    }
}
