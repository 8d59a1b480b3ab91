//! Rain, wind, sea and vinyl: sounds that run through, as functions of absolute time.
//!
//! Sound is made in overlapping blocks of the piece's own time, each from a seed of its own, so that sections rendered apart
//! join without a seam: what a frame holds does not depend on where the rendering began.

use std::f32::consts::TAU;

use serde::Deserialize;

use super::{
    Canvas,
    signal::{Filter, RATE, Sine, decay, turn},
};
use crate::audio::Random;

/// Frames between the starts of two blocks; each lasts twice as long.
const HOP: usize = 32_768;

/// What a texture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::render::synth) enum Weather {
    Rain,
    Wind,
    Sea,
    Vinyl,
    Thunder,
    Stream,
    Birds,
    Crickets,
    Fire,
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
            match self.of {
                Weather::Wind => wind(seconds, &mut random, &mut whole),
                Weather::Sea => sea(seconds, &mut random, &mut whole),
                Weather::Vinyl => vinyl(&mut random, &mut whole),
                _ => rain(seconds, &mut random, &mut whole),
            }
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
        true
    }
}

/// A slow movement between 0 and 1 that never quite repeats.
fn slow(seconds: f32, period: f32) -> f32 {
    let turn = TAU * seconds / period;
    0.5 + 0.25 * (turn.sin() + (turn * 0.37 + 1.7).sin())
}

fn rain(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    let frames = canvas.left.len();
    let near = 0.8 + 0.4 * slow(seconds, 19.0);
    for side in [&mut *canvas.left, &mut *canvas.right] {
        let mut hiss = Filter::new(5200.0, 0.5);
        let mut body = Filter::new(1100.0, 0.5);
        for sample in side.iter_mut() {
            let noise = random.bipolar();
            *sample += near * (0.075 * hiss.next(noise).band + 0.045 * body.next(noise).band);
        }
    }
    let sine = Sine::table();
    let drops = (frames as f32 / RATE * 220.0) as usize;
    for _ in 0..drops {
        let at = random.below(frames);
        let hz = 900.0 * (6.5_f32).powf(random.unit() as f32);
        let close = random.unit() as f32;
        let level = 0.02 + 0.16 * close.powi(6);
        let place = random.unit() as f32;
        let (to_left, to_right) = ((1.0 - place).sqrt(), place.sqrt());
        let fall = decay(0.012 + 0.03 * close);
        let (mut phase, mut amplitude) = (0_u32, level);
        let mut step = turn(hz);
        // A drop's bubble rises in pitch.
        let rise = step / 9000;
        for (left, right) in canvas.left[at..].iter_mut().zip(canvas.right[at..].iter_mut()).take(1900) {
            let sample = amplitude * sine.at(phase);
            *left += to_left * sample;
            *right += to_right * sample;
            phase = phase.wrapping_add(step);
            step += rise;
            amplitude *= fall;
            if amplitude < 2e-4 {
                break;
            }
        }
    }
}

fn wind(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let apart = number as f32 * 0.9;
        let mut low = Filter::default();
        let mut whistle = Filter::default();
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE + apart;
            let gust = slow(now, 9.0) * (0.6 + 0.4 * slow(now, 3.1));
            low.tune(180.0 + 520.0 * gust, 0.9);
            whistle.tune(520.0 + 700.0 * slow(now, 6.3), 7.0);
            let level = 0.25 + 0.75 * gust;
            for sample in samples {
                let noise = random.bipolar();
                *sample += level * (0.26 * low.next(noise).band + 0.05 * gust * whistle.next(noise).band);
            }
        }
    }
}

fn sea(seconds: f32, random: &mut Random, canvas: &mut Canvas<'_>) {
    for (number, side) in [&mut *canvas.left, &mut *canvas.right].into_iter().enumerate() {
        let apart = number as f32 * 0.55;
        let mut roar = Filter::default();
        let mut foam = Filter::new(4300.0, 0.5);
        for (block, samples) in side.chunks_mut(64).enumerate() {
            let now = seconds + block as f32 * 64.0 / RATE - apart;
            // Waves rise fast and run out slowly, two sets of them.
            let wave = |period: f32, shift: f32| {
                let along = (now / period + shift).rem_euclid(1.0);
                let rise = (along / 0.3).min(1.0);
                let run_out = ((1.0 - along) / 0.7).min(1.0);
                (rise * rise * (3.0 - 2.0 * rise)) * run_out * run_out
            };
            let swell = (0.75 * wave(8.7, 0.1) + 0.45 * wave(13.1, 0.6)).min(1.0);
            roar.tune(260.0 + 900.0 * swell, 0.6);
            let (deep, bright) = (0.2 + 0.8 * swell, 0.06 + 0.94 * swell * swell);
            for sample in samples {
                let noise = random.bipolar();
                *sample += 0.2 * deep * roar.next(noise).low + 0.1 * bright * foam.next(noise).band;
            }
        }
    }
}

fn vinyl(random: &mut Random, canvas: &mut Canvas<'_>) {
    let frames = canvas.left.len();
    let mut hiss = [Filter::new(6000.0, 0.4), Filter::new(6000.0, 0.4)];
    let mut rumble = [Filter::new(70.0, 0.9), Filter::new(70.0, 0.9)];
    for (left, right) in canvas.left.iter_mut().zip(canvas.right.iter_mut()) {
        *left += 0.06 * rumble[0].next(random.bipolar()).band + 0.03 * hiss[0].next(random.bipolar()).band;
        *right += 0.06 * rumble[1].next(random.bipolar()).band + 0.03 * hiss[1].next(random.bipolar()).band;
    }
    let crackles = (frames as f32 / RATE * 26.0) as usize;
    for _ in 0..crackles {
        let at = random.below(frames);
        let size = random.unit() as f32;
        let level = 0.04 + 0.15 * size.powi(9);
        let place = 0.3 + 0.4 * random.unit() as f32;
        let (to_left, to_right) = ((1.0 - place).sqrt(), place.sqrt());
        let mut click = Filter::new(random.between(1200.0, 5200.0) as f32, 1.6);
        let mut input = level * if random.chance(0.5) { 6.0 } else { -6.0 };
        for (left, right) in canvas.left[at..].iter_mut().zip(canvas.right[at..].iter_mut()).take(300) {
            let sample = click.next(input).band;
            input = 0.0;
            *left += to_left * sample;
            *right += to_right * sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(of: Weather, start: i64, frames: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
        let texture = Texture { of, seed: 5 };
        assert!(texture.play(start, &mut Canvas { left: &mut left, right: &mut right }, &|| true));
        (left, right)
    }

    #[test]
    fn what_a_frame_holds_does_not_depend_on_where_rendering_began() {
        for of in [Weather::Rain, Weather::Wind, Weather::Sea, Weather::Vinyl] {
            let (whole, _) = played(of, -500, 90_000);
            let (first, _) = played(of, -500, 41_001);
            let (second, _) = played(of, 40_501, 48_999);
            assert_eq!(whole, [first, second].concat(), "{of:?}");
        }
    }

    #[test]
    fn textures_keep_their_level_and_are_wide() {
        for of in [Weather::Rain, Weather::Vinyl] {
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
