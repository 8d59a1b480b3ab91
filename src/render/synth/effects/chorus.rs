//! Chorus: copies whose delay swings, so that one sounds like several.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use serde::Deserialize;

use super::{Clock, tap};
use crate::render::synth::{
    lanes::widest,
    ring::{BLOCK, Ring},
    track::Stereo,
    voices::RATE,
};

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
            let mut past = Ring::new((0.001 * RATE * longest_ms) as usize + 2 * BLOCK);
            let mut delays: Vec<_> = (0..voices)
                .map(|voice| {
                    let apart = apart + f32::from(voice) / f32::from(voices);
                    let hz = self.hz * (1.0 + 0.13 * f32::from(voice));
                    clock.moving(move |frame| {
                        let swing = 1.0 + clock.swing(frame, hz, apart);
                        0.001 * RATE * (SHORTEST_MS + 1.3 * f32::from(voice) + SWING_MS * self.depth * swing)
                    })
                })
                .collect();
            for block in side.chunks_mut(BLOCK) {
                let delays = delays.iter_mut().filter_map(Iterator::next);
                widest(
                    #[inline(always)]
                    || {
                        let mut next = [0.0; BLOCK];
                        next[..block.len()].copy_from_slice(block);
                        past.push(&next);
                        let mut heard = next.map(|sample| sample * (1.0 - 0.5 * self.mix));
                        for delays in delays {
                            for (sample, copy) in heard.iter_mut().zip(tap(&past, &delays)) {
                                *sample += wet * copy;
                            }
                        }
                        block.copy_from_slice(&heard[..block.len()]);
                    },
                );
            }
        }
    }
}
