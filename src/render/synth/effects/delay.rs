//! Echoes in time with the music.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use serde::Deserialize;

use super::Clock;
use crate::render::synth::{
    lanes::widest,
    ring::{BLOCK, Frames, Ring},
    track::Stereo,
    voices::{Output, RATE, Row},
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
        let back = ((seconds * f64::from(RATE)).round() as usize).max(BLOCK);
        // What went in and what came out in the time between two echoes, left and right.
        let [mut heard, mut echoes] = [0, 1].map(|_| [Ring::new(back), Ring::new(back)]);
        // Each echo is a little duller and thinner.
        let (mut dull, mut thin) = (Row::new(Output::Low, 4200.0, 0.6), Row::new(Output::High, 220.0, 0.6));
        for (left, right) in sound.left.chunks_mut(BLOCK).zip(sound.right.chunks_mut(BLOCK)) {
            widest(
                #[inline(always)]
                || {
                    let mut fed = self.fed(&heard, &echoes, back);
                    let [first, second] = &mut fed;
                    if self.ping_pong {
                        dull.pass([&mut *first]);
                        thin.pass([&mut *first]);
                    } else {
                        dull.pass([&mut *first, &mut *second]);
                        thin.pass([&mut *first, &mut *second]);
                    }
                    for (side, (sound, fed)) in [left, right].into_iter().zip(&fed).enumerate() {
                        let mut next = [0.0; BLOCK];
                        next[..sound.len()].copy_from_slice(sound);
                        heard[side].push(&next);
                        echoes[side].push(fed);
                        for (sample, echo) in sound.iter_mut().zip(fed) {
                            *sample += self.level * echo;
                        }
                    }
                },
            );
        }
    }

    /// What the next echoes are made of, left and right.
    #[inline(always)]
    fn fed(&self, heard: &[Ring; 2], echoes: &[Ring; 2], back: usize) -> [Frames; 2] {
        let [mut left, mut right]: [Frames; 2] = [heard[0].read(back), heard[1].read(back)];
        let [echo_left, echo_right]: [Frames; 2] = [echoes[0].read(back), echoes[1].read(back)];
        for ((left, right), (echo_left, echo_right)) in
            left.iter_mut().zip(&mut right).zip(echo_left.iter().zip(&echo_right))
        {
            (*left, *right) = if self.ping_pong {
                // The first echo is on the left, whatever the place of the sound.
                (0.5 * (*left + *right) + self.feedback * echo_right, self.feedback.sqrt() * echo_left)
            } else {
                (*left + self.feedback * echo_left, *right + self.feedback * echo_right)
            };
        }
        [left, right]
    }
}
