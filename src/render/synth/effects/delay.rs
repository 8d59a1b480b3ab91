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
        // What went in and what came out in the time between two echoes, left and right.
        let mut heard = vec![[0.0_f32; 2]; back.max(1)];
        let mut echoes = heard.clone();
        let mut at = 0;
        // Each echo is a little duller and thinner.
        let mut dull = [Filter::new(4200.0, 0.6), Filter::new(4200.0, 0.6)];
        let mut thin = [Filter::new(220.0, 0.6), Filter::new(220.0, 0.6)];
        for (left, right) in sound.left.iter_mut().zip(&mut sound.right) {
            let ([in_left, in_right], [echo_left, echo_right]) = (heard[at], echoes[at]);
            let (fed_left, fed_right) = if self.ping_pong {
                // The first echo is on the left, whatever the place of the sound.
                (0.5 * (in_left + in_right) + self.feedback * echo_right, self.feedback.sqrt() * echo_left)
            } else {
                (in_left + self.feedback * echo_left, in_right + self.feedback * echo_right)
            };
            let left_echo = thin[0].next(dull[0].next(fed_left).low).high;
            let right_echo =
                if self.ping_pong { fed_right } else { thin[1].next(dull[1].next(fed_right).low).high };
            heard[at] = [*left, *right];
            echoes[at] = [left_echo, right_echo];
            *left += self.level * left_echo;
            *right += self.level * right_echo;
            at = if at + 1 == heard.len() { 0 } else { at + 1 };
        }
    }
}
