//! Echoes in time with the music.

use serde::Deserialize;

use super::Clock;
use crate::render::synth::{
    track::Stereo,
    voices::{Filter, RATE},
};

/// An echo.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Delay {
    /// Time between two echoes, in sixteenths.
    sixteenths: f32,
    /// Level of each echo as a share of the one before.
    feedback: f32,
    /// Level of the first.
    level: f32,
    /// Whether they change sides.
    ping_pong: bool,
}

impl Default for Delay {
    fn default() -> Self {
        Self { sixteenths: 3.0, feedback: 0.3, level: 0.15, ping_pong: false }
    }
}

/// No echo comes later, in seconds: it would be taken for a mistake.
const LONGEST: f64 = 1.2;

impl Delay {
    pub(super) fn apply(&self, sound: &mut Stereo, clock: Clock) {
        let mut seconds = clock.sixteenth * f64::from(self.sixteenths);
        while seconds > LONGEST {
            seconds *= 0.5;
        }
        let back = (seconds * f64::from(RATE)).round() as usize;
        let frames = sound.left.len();
        let (mut left, mut right) = (vec![0.0_f32; frames], vec![0.0_f32; frames]);
        // Each echo is a little duller and thinner.
        let mut dull = [Filter::new(4200.0, 0.6), Filter::new(4200.0, 0.6)];
        let mut thin = [Filter::new(220.0, 0.6), Filter::new(220.0, 0.6)];
        for i in back..frames {
            let past = i - back;
            let (in_left, in_right) = (sound.left[past], sound.right[past]);
            let (fed_left, fed_right) = if self.ping_pong {
                // The first echo is on the left, whatever the place of the sound.
                (0.5 * (in_left + in_right) + self.feedback * right[past], self.feedback.sqrt() * left[past])
            } else {
                (in_left + self.feedback * left[past], in_right + self.feedback * right[past])
            };
            left[i] = thin[0].next(dull[0].next(fed_left).low).high;
            right[i] =
                if self.ping_pong { fed_right } else { thin[1].next(dull[1].next(fed_right).low).high };
        }
        for (side, echoes) in [(&mut sound.left, left), (&mut sound.right, right)] {
            for (sample, echo) in side.iter_mut().zip(echoes) {
                *sample += self.level * echo;
            }
        }
    }
}
