//! The rotating speaker: a horn for the highs that comes and goes in level and pitch, a drum for the lows in level alone.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use serde::Deserialize;

use super::{Clock, tap};
use crate::render::synth::{
    lanes::widest,
    ring::{BLOCK, Ring},
    track::Stereo,
    voices::{Output, RATE, Row},
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
        let arm = 0.001 * RATE * ARM_MS * self.depth;
        // Two microphones hear opposite sides, and some of each other.
        for (side, apart) in sound.sides().into_iter().zip([0.0, 0.38]) {
            let mut split = Row::new(Output::Low, SPLIT_HZ, 0.5);
            let mut past = Ring::new((1.0 + 2.0 * arm) as usize + 2 * BLOCK);
            let swing = |depth: f32, hz: f32, apart: f32| {
                clock.moving(move |frame| 1.0 + depth * clock.swing(frame, hz, apart))
            };
            // The horn's Doppler effect, and what it and the drum do to the level.
            let delays = clock.moving(|frame| 1.0 + arm * (1.0 + clock.swing(frame, horn, apart)));
            let highs = swing(0.35 * self.depth, horn, apart + 0.25);
            let lows = swing(0.2 * self.depth, drum, -apart);
            for (block, ((delays, highs), lows)) in side.chunks_mut(BLOCK).zip(delays.zip(highs).zip(lows)) {
                widest(
                    #[inline(always)]
                    || {
                        let mut high = [0.0; BLOCK];
                        high[..block.len()].copy_from_slice(block);
                        let mut low = high;
                        split.pass([&mut low]);
                        // What is not low: both together are the sound as it was.
                        for (sample, low) in high.iter_mut().zip(&low) {
                            *sample -= low;
                        }
                        past.push(&high);
                        let high = tap(&past, &delays);
                        for (i, sample) in block.iter_mut().enumerate() {
                            *sample = highs[i] * high[i] + lows[i] * low[i];
                        }
                    },
                );
            }
        }
    }
}
