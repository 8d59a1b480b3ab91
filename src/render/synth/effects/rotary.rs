//! The rotating speaker: a horn for the highs that comes and goes in level and pitch, a drum for the lows in level alone.

use serde::Deserialize;

use super::{Clock, Past, tremolo::swing};
use crate::render::synth::{
    stretches::{each, sweep},
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
        let mut split = [Filter::new(SPLIT_HZ, 0.5); 2];
        let mut lows = sound.clone();
        sweep(
            lows.sides(),
            #[inline(always)]
            |blocks| {
                each(
                    blocks,
                    &mut split,
                    #[inline(always)]
                    |frame, split| split.next(frame).low,
                );
            },
        );
        let arm = 0.001 * RATE * ARM_MS * self.depth;
        // Two microphones hear opposite sides, and some of each other.
        for ((side, low), apart) in sound.sides().into_iter().zip(lows.sides()).zip([0.0, 0.38]) {
            // What is not low: both together are the sound as it was.
            for (sample, low) in side.iter_mut().zip(&*low) {
                *sample -= low;
            }
            // The horn's Doppler effect.
            let high = Past::new(side, 1.0 + 2.0 * arm);
            let delay = |frame| 1.0 + arm * (1.0 + clock.swing(frame, horn, apart));
            clock.move_evenly(side.len(), delay, |frames, delays| {
                high.tap(frames.start, delays, &mut side[frames]);
            });
            swing(side, clock, horn, apart + 0.25, |s| 1.0 + 0.35 * self.depth * s);
            swing(low, clock, drum, -apart, |s| 1.0 + 0.2 * self.depth * s);
            for (sample, low) in side.iter_mut().zip(low) {
                *sample += *low;
            }
        }
    }
}
