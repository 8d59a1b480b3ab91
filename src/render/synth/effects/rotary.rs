//! The rotating speaker: a horn for the highs that comes and goes in level and pitch, a drum for the lows in level alone.

use serde::Deserialize;

use super::{Clock, tap, tremolo::swing};
use crate::render::synth::{
    track::Stereo,
    voices::{Filter, RATE},
};

/// A rotating speaker.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rotary {
    /// Turning at full speed, or slowly.
    fast: bool,
    /// How much is heard of it, 0 to 1.
    depth: f32,
}

impl Default for Rotary {
    fn default() -> Self {
        Self { fast: false, depth: 0.7 }
    }
}

const SPLIT_HZ: f32 = 800.0;
/// Length of the horn's arm as a delay.
const ARM_MS: f32 = 0.35;

impl Rotary {
    pub(super) fn apply(self, sound: &mut Stereo, clock: Clock) {
        let (horn, drum) = if self.fast { (6.6, 5.7) } else { (0.8, 0.66) };
        // Two microphones hear opposite sides, and some of each other.
        for (side, apart) in [(&mut sound.left, 0.0_f32), (&mut sound.right, 0.38)] {
            let mut split = Filter::new(SPLIT_HZ, 0.5);
            let (mut low, mut high) = (Vec::with_capacity(side.len()), Vec::with_capacity(side.len()));
            for &sample in side.iter() {
                let bands = split.next(sample);
                low.push(bands.low);
                // What is not low: both together are the sound as it was.
                high.push(sample - bands.low);
            }
            let turning = SwingTaps { horn, apart, depth: self.depth };
            turning.read(&high, side, clock);
            swing(side, clock, horn, apart + 0.25, |s| 1.0 + 0.35 * self.depth * s);
            swing(&mut low, clock, drum, -apart, |s| 1.0 + 0.2 * self.depth * s);
            for (sample, low) in side.iter_mut().zip(low) {
                *sample += low;
            }
        }
    }
}

/// The horn's Doppler effect.
struct SwingTaps {
    horn: f32,
    apart: f32,
    depth: f32,
}

impl SwingTaps {
    fn read(&self, from: &[f32], into: &mut [f32], clock: Clock) {
        let arm = 0.001 * RATE * ARM_MS * self.depth;
        // The delay at every frame, by the same means as a swinging level.
        let mut delays = vec![1.0_f32; into.len()];
        swing(&mut delays, clock, self.horn, self.apart, |s| 1.0 + arm * (1.0 + s));
        for (frame, (sample, delay)) in into.iter_mut().zip(delays).enumerate() {
            *sample = tap(from, frame, delay);
        }
    }
}
