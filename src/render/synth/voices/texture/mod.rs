//! Rain, birds, vinyl: sounds that run through, as functions of absolute time.
//!
//! What goes on all the time is made in overlapping blocks of the piece's own time, each from a seed of its own; what happens
//! now and then has its slot in that time. So sections rendered apart join without a seam: what a frame holds does not depend on
//! where the rendering began.

mod creatures;
mod machines;
mod weather;

use std::f32::consts::TAU;

use serde::Deserialize;

use super::{Canvas, signal::RATE};
use crate::audio::Random;

/// Frames between the starts of two blocks; each lasts twice as long.
const HOP: usize = 32_768;

/// What a texture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::render::synth) enum Weather {
    Rain,
    Thunder,
    Wind,
    Sea,
    Stream,
    Birds,
    Crickets,
    Fire,
    Vinyl,
    TapeHiss,
    City,
}

/// One texture, from frame 0 of the piece on.
#[derive(Clone, Copy, Debug)]
pub(in crate::render::synth) struct Texture {
    /// What is heard.
    pub(in crate::render::synth) of: Weather,
    /// Seed: sections with the same one go on from each other.
    pub(in crate::render::synth) seed: u64,
}

impl Texture {
    /// Adds the frames from `start` on to the canvas, as long as `goes_on` says so; false when it was stopped.
    /// `start` may be negative.
    pub(in crate::render::synth) fn play(
        self,
        start: i64,
        canvas: &mut Canvas<'_>,
        goes_on: &dyn Fn() -> bool,
    ) -> bool {
        let hop = HOP as i64;
        let length = canvas.left.len() as i64;
        let mut block = start.div_euclid(hop) - 1;
        let (mut left, mut right) = (vec![0.0; 2 * HOP], vec![0.0; 2 * HOP]);
        while block * hop < start + length {
            if !goes_on() {
                return false;
            }
            left.fill(0.0);
            right.fill(0.0);
            let mut random = Random::stream(self.seed, &format!("{:?} {block}", self.of));
            let seconds = (block * hop) as f32 / RATE;
            let mut whole = Canvas { left: &mut left, right: &mut right };
            self.go_on(seconds, &mut random, &mut whole);
            let offset = block * hop - start;
            for (i, (l, r)) in left.iter().zip(&right).enumerate() {
                let Ok(at) = usize::try_from(offset + i as i64) else { continue };
                if at >= canvas.left.len() {
                    break;
                }
                // Neighbours are unrelated, so a sine window keeps their power.
                let window = (std::f32::consts::PI * (i as f32 + 0.5) / (2 * HOP) as f32).sin();
                canvas.left[at] += window * l;
                canvas.right[at] += window * r;
            }
            block += 1;
        }
        self.happen(start, canvas);
        true
    }

    /// What is heard all the time, in one block.
    fn go_on(self, seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
        match self.of {
            Weather::Rain => weather::rain(seconds, random, canvas),
            Weather::Thunder => weather::far_thunder(seconds, random, canvas),
            Weather::Wind => weather::wind(seconds, random, canvas),
            Weather::Sea => weather::sea(seconds, random, canvas),
            Weather::Stream => weather::stream(seconds, random, canvas),
            Weather::Fire => weather::fire(seconds, random, canvas),
            Weather::Birds => creatures::garden(seconds, random, canvas),
            Weather::Crickets => {}
            Weather::Vinyl => machines::vinyl(random, canvas),
            Weather::TapeHiss => machines::tape_hiss(random, canvas),
            Weather::City => machines::traffic(seconds, random, canvas),
        }
    }

    /// What happens now and then.
    fn happen(self, start: i64, canvas: &mut Canvas<'_>) {
        match self.of {
            Weather::Thunder => self.events(start, 11.0, 9.0, canvas, weather::clap),
            Weather::Birds => {
                self.events(start, 0.9, 3.0, canvas, |random| creatures::phrase(self.seed, random));
            }
            Weather::City => self.events(start, 5.0, 9.0, canvas, machines::passes),
            Weather::Crickets => creatures::crickets(self.seed, start, canvas),
            _ => {}
        }
    }

    /// Adds what `make` makes of the random numbers of each slot of `slot` seconds: seconds after the slot's start, and a sound
    /// of at most `longest` seconds.
    fn events(
        self,
        start: i64,
        slot: f32,
        longest: f32,
        canvas: &mut Canvas<'_>,
        make: impl Fn(&mut Random) -> Option<Event>,
    ) {
        let slot = (slot * RATE) as i64;
        let longest = (longest * RATE) as i64 + slot;
        let first = (start - longest).div_euclid(slot);
        let last = (start + canvas.left.len() as i64).div_euclid(slot);
        for number in first..=last {
            let mut random = Random::stream(self.seed, &format!("{:?} event {number}", self.of));
            let Some(event) = make(&mut random) else { continue };
            let onset = number * slot + (event.after * RATE) as i64 - start;
            let (skipped, from) = (usize::try_from(-onset).unwrap_or(0), usize::try_from(onset).unwrap_or(0));
            for (sound, side) in [(&event.left, &mut *canvas.left), (&event.right, &mut *canvas.right)] {
                let heard = sound.iter().skip(skipped);
                for (sum, sample) in side.iter_mut().skip(from).zip(heard) {
                    *sum += sample;
                }
            }
        }
    }
}

/// Something that happens once.
struct Event {
    /// Seconds after the start of its slot.
    after: f32,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Event {
    fn new(after: f32, seconds: f32) -> Self {
        let frames = (seconds * RATE) as usize;
        Self { after, left: vec![0.0; frames], right: vec![0.0; frames] }
    }

    fn canvas(&mut self) -> Canvas<'_> {
        Canvas { left: &mut self.left, right: &mut self.right }
    }
}

/// A slow movement between 0 and 1 that never quite repeats.
fn slow(seconds: f32, period: f32) -> f32 {
    let turn = TAU * seconds / period;
    0.5 + 0.25 * (turn.sin() + (turn * 0.37 + 1.7).sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Weather; 11] = [
        Weather::Rain,
        Weather::Thunder,
        Weather::Wind,
        Weather::Sea,
        Weather::Stream,
        Weather::Birds,
        Weather::Crickets,
        Weather::Fire,
        Weather::Vinyl,
        Weather::TapeHiss,
        Weather::City,
    ];

    fn played(of: Weather, start: i64, frames: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
        let texture = Texture { of, seed: 5 };
        assert!(texture.play(start, &mut Canvas { left: &mut left, right: &mut right }, &|| true));
        (left, right)
    }

    #[test]
    fn what_a_frame_holds_does_not_depend_on_where_rendering_began() {
        for of in ALL {
            let (whole, _) = played(of, -500, 590_000);
            let (first, _) = played(of, -500, 341_001);
            let (second, _) = played(of, 340_501, 248_999);
            assert!(whole.iter().any(|sample| sample.abs() > 0.01), "{of:?} is silent");
            for (i, (apart, sample)) in first.iter().chain(&second).zip(&whole).enumerate() {
                // Crickets count their wings' strokes from the start of the rendering in single precision.
                assert!((apart - sample).abs() < 1e-5, "{of:?}: {apart} for {sample} at {i}");
            }
        }
    }

    #[test]
    fn textures_keep_their_level_and_are_wide() {
        for of in [Weather::Rain, Weather::Stream, Weather::Fire, Weather::Vinyl, Weather::TapeHiss] {
            let (left, right) = played(of, 0, 10 * 48_000);
            let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
            let whole = power(&left);
            for second in left.chunks(96_000) {
                let ratio = power(second) / whole;
                assert!((0.4..2.5).contains(&ratio), "{of:?}: {ratio}");
            }
            let both: f32 = left.iter().zip(&right).map(|(l, r)| l * r).sum::<f32>() / left.len() as f32;
            assert!(both.abs() < 0.7 * whole, "{of:?} is mono");
        }
    }
}
