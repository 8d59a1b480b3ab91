//! What an instrument's whole track goes through before the desk, as `instruments.toml` says.
//!
//! All but drive and crush are linear, and what swings does so in the piece's own time: the track of a section and what rings
//! over from the one before add up as if they had been one. Drive and crush hear a section alone, which only tells where two
//! sections sound at once.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

mod chorus;
mod crush;
mod delay;
mod drive;
mod rotary;
mod tremolo;

use serde::Deserialize;

use super::{
    lanes::LANES,
    ring::{BLOCK, Frames, Ring},
    stretches::send,
    track::Stereo,
    voices::{Filter, RATE},
};

/// The effects of one instrument, in the order in which they are applied.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Effects {
    drive: Option<drive::Drive>,
    crush: Option<crush::Crush>,
    tone: Option<Tone>,
    chorus: Option<chorus::Chorus>,
    tremolo: Option<tremolo::Tremolo>,
    rotary: Option<rotary::Rotary>,
    delay: Option<delay::Delay>,
}

/// A darker sound.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tone {
    /// Hertz, 12 dB per octave.
    low_pass: f32,
}

/// The piece's time in a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// First frame of the track, counted from the start of the piece.
    pub(super) start: i64,
    /// Seconds of a sixteenth.
    pub(super) sixteenth: f64,
}

impl Clock {
    /// Where something that turns `hz` times a second is at a frame of the track, in turns; `apart` is added.
    fn turns(self, frame: i64, hz: f32, apart: f32) -> f64 {
        (self.start + frame) as f64 / f64::from(RATE) * f64::from(hz) + f64::from(apart)
    }

    /// A value that is set at every 64th frame of the piece and moves evenly from there to the next: at each frame of a block of a
    /// track, block after block. It does not depend on where the track starts.
    fn moving(self, value: impl Fn(i64) -> f32) -> impl Iterator<Item = Frames> {
        const STEP: i64 = BLOCK as i64;
        let into = self.start.rem_euclid(STEP);
        let mut set = STEP - into;
        let (mut from, mut to) = (value(set - STEP), value(set));
        std::iter::repeat_with(move || {
            set += STEP;
            let next = value(set);
            let line =
                |from: f32, to: f32, frame: i32| from + (to - from) * (1.0 / STEP as f32) * frame as f32;
            let values = std::array::from_fn(|frame| match (frame as i64 + into) as i32 {
                frame if frame < STEP as i32 => line(from, to, frame),
                frame => line(to, next, frame - STEP as i32),
            });
            (from, to) = (to, next);
            values
        })
    }

    /// The sine of [`Self::turns`].
    fn swing(self, frame: i64, hz: f32, apart: f32) -> f32 {
        (self.turns(frame, hz, apart).fract() * std::f64::consts::TAU).sin() as f32
    }
}

impl Effects {
    /// Sends a track through.
    pub(super) fn apply(&self, sound: &mut Stereo, clock: Clock) {
        if let Some(drive) = &self.drive {
            drive.apply(sound);
        }
        if let Some(crush) = &self.crush {
            crush.apply(sound, clock);
        }
        if let Some(tone) = &self.tone {
            send(
                sound.sides(),
                Filter::new(tone.low_pass, 0.7),
                #[inline(always)]
                |frame, filter| filter.next(frame).low,
            );
        }
        if let Some(chorus) = &self.chorus {
            chorus.apply(sound, clock);
        }
        if let Some(tremolo) = &self.tremolo {
            tremolo.apply(sound, clock);
        }
        if let Some(rotary) = &self.rotary {
            rotary.apply(sound, clock);
        }
        if let Some(delay) = &self.delay {
            delay.apply(sound, clock);
        }
    }
}

/// What was `delays` frames before each frame of the block that was written last, between samples. The delays move evenly, by
/// less than a frame in eight.
#[inline(always)]
fn tap(past: &Ring, delays: &Frames) -> Frames {
    let mut heard = [0.0; BLOCK];
    let eights = heard.as_chunks_mut::<LANES>().0.iter_mut().zip(delays.as_chunks::<LANES>().0);
    for (number, (heard, delays)) in eights.enumerate() {
        let shortest = delays[0].min(delays[LANES - 1]) as usize;
        // Three samples in a row are enough for each.
        let around: [f32; LANES + 2] = past.read(BLOCK - number * LANES + shortest + 2);
        for (i, (heard, delay)) in heard.iter_mut().zip(delays).enumerate() {
            let part = delay - shortest as f32;
            let (to_near, to_far) = ((1.0 - part).max(0.0), (part - 1.0).max(0.0));
            let [far, middle, near] = [around[i], around[i + 1], around[i + 2]];
            *heard = middle + (to_near * (near - middle) + to_far * (far - middle));
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, frames: usize, start: i64) -> Stereo {
        let at = |i: usize| 0.2 * (std::f32::consts::TAU * hz * ((start + i as i64) as f32 / RATE)).sin();
        let left: Vec<f32> = (0..frames).map(at).collect();
        Stereo { right: left.clone(), left }
    }

    fn effects(text: &str) -> Effects {
        toml::from_str(text).unwrap()
    }

    /// A sound cut in two and sent through apart, the first part with what rings, is the whole.
    #[test]
    fn parts_add_up_to_the_whole() {
        for text in [
            "chorus = { depth = 0.5, hz = 0.7, mix = 0.5, voices = 3 }",
            "tremolo = { hz = 5, depth = 0.5, apart = 0.5 }",
            "rotary = { fast = true, depth = 0.7 }",
            "delay = { sixteenths = 3, feedback = 0.4, level = 0.3, ping_pong = true }",
        ] {
            let effects = effects(text);
            let clock = |start| Clock { start, sixteenth: 0.125 };
            let frames = 60_000;
            let mut whole = tone(330.0, frames, 0);
            let mut first = whole.clone();
            first.left[20_000..].fill(0.0);
            first.right[20_000..].fill(0.0);
            let mut second = tone(330.0, frames - 20_000, 20_000);
            second.left.copy_from_slice(&whole.left[20_000..]);
            second.right.copy_from_slice(&whole.right[20_000..]);
            effects.apply(&mut whole, clock(0));
            effects.apply(&mut first, clock(0));
            effects.apply(&mut second, clock(20_000));
            for (i, sample) in whole.left.iter().enumerate() {
                let sum = first.left[i] + i.checked_sub(20_000).map_or(0.0, |i| second.left[i]);
                assert!((sum - sample).abs() < 1e-4, "{text}: {sum} for {sample} at {i}");
            }
        }
    }

    /// A driven tone has its own overtones and nothing between them.
    #[test]
    fn drive_folds_nothing_back() {
        let hz = 3100.0;
        let mut sound = tone(hz, 48_000, 0);
        effects("drive = { amount = 0.4 }").apply(&mut sound, Clock { start: 0, sixteenth: 0.125 });
        let level = |hz: f32| {
            let turn = std::f32::consts::TAU * hz / RATE;
            let part = |f: fn(f32) -> f32| {
                let kept = sound.left[8000..40_000].iter().enumerate();
                kept.map(|(i, s)| s * f(turn * i as f32 % std::f32::consts::TAU)).sum::<f32>()
            };
            part(f32::sin).hypot(part(f32::cos))
        };
        let (first, third) = (level(hz), level(3.0 * hz));
        assert!(third > 0.01 * first, "it is driven: {third} of {first}");
        // Where the 15th, 17th, 13th, 19th, 27th and 11th harmonics would come back.
        for alias in [1500.0, 4700.0, 7700.0, 10_900.0, 12_300.0, 13_900.0] {
            assert!(level(alias) < 0.002 * first, "{alias} Hz: {} of {first}", level(alias));
        }
    }
}
