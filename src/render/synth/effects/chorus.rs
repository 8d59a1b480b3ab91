//! Chorus: copies whose delay swings, so that one sounds like several.

use serde::Deserialize;

use super::{Clock, Past, STEP};
use crate::render::synth::{track::Stereo, voices::RATE};

/// A chorus.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Chorus {
    /// How far the delay swings, 0 to 1.
    depth: f32,
    /// How often in a second.
    hz: f32,
    /// Share of the copies, 0 to 1.
    mix: f32,
    /// Copies for each side.
    voices: u8,
}

impl Default for Chorus {
    fn default() -> Self {
        Self { depth: 0.4, hz: 0.6, mix: 0.4, voices: 1 }
    }
}

const SHORTEST_MS: f32 = 7.0;
const SWING_MS: f32 = 4.0;

impl Chorus {
    pub(super) fn apply(&self, sound: &mut Stereo, clock: Clock) {
        let voices = self.voices.clamp(1, 4);
        let wet = self.mix / f32::from(voices).sqrt();
        for (side, apart) in [(&mut sound.left, 0.0), (&mut sound.right, 0.25)] {
            let longest_ms = SHORTEST_MS + 1.3 * f32::from(voices) + 2.0 * SWING_MS * self.depth;
            let dry = Past::new(side, 0.001 * RATE * longest_ms);
            for sample in side.iter_mut() {
                *sample *= 1.0 - 0.5 * self.mix;
            }
            for voice in 0..voices {
                let apart = apart + f32::from(voice) / f32::from(voices);
                let hz = self.hz * (1.0 + 0.13 * f32::from(voice));
                let delay = |frame: i64| {
                    let swing = 1.0 + clock.swing(frame, hz, apart);
                    0.001 * RATE * (SHORTEST_MS + 1.3 * f32::from(voice) + SWING_MS * self.depth * swing)
                };
                clock.move_evenly(side.len(), delay, |frames, delays| {
                    let mut copy = [0.0_f32; STEP];
                    dry.tap(frames.start, delays, &mut copy);
                    for (sample, copy) in side[frames].iter_mut().zip(copy) {
                        *sample += wet * copy;
                    }
                });
            }
        }
    }
}
