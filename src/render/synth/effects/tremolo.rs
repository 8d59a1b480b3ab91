//! Tremolo: a level that swings, on both sides together or from side to side.

use serde::Deserialize;

use super::Clock;
use crate::render::synth::{ring::BLOCK, track::Stereo};

/// A tremolo.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tremolo {
    /// Swings per second.
    hz: f32,
    /// How far down the level goes, 0 to 1.
    depth: f32,
    /// How far the right side is behind the left, in turns.
    apart: f32,
}

impl Default for Tremolo {
    fn default() -> Self {
        Self { hz: 5.0, depth: 0.3, apart: 0.0 }
    }
}

impl Tremolo {
    pub(super) fn apply(&self, sound: &mut Stereo, clock: Clock) {
        for (side, apart) in [(&mut sound.left, 0.0), (&mut sound.right, self.apart)] {
            swing(side, clock, self.hz, apart, |swing| 1.0 - self.depth * (0.5 + 0.5 * swing));
        }
    }
}

/// Multiplies by a gain that follows a sine in the piece's time.
fn swing(side: &mut [f32], clock: Clock, hz: f32, apart: f32, gain: impl Fn(f32) -> f32) {
    let gains = clock.moving(|frame| gain(clock.swing(frame, hz, apart)));
    for (block, gains) in side.chunks_mut(BLOCK).zip(gains) {
        for (sample, gain) in block.iter_mut().zip(&gains) {
            *sample *= gain;
        }
    }
}
