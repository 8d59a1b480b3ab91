//! Filters over a whole track, eight stretches of it at once.
//!
//! A filter waits for its own last output, so that a processor mostly waits with it. Here the track is cut into stretches which
//! go through the same filters side by side, one in each lane of a vector. Each starts a quarter of a second early, and what comes
//! of that is thrown away: by then the filters remember nothing that could be heard of having started anywhere.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::ops::{Add, Mul, Sub};

use super::{
    lanes::widest,
    voices::{Filter, RATE},
};

const LANES: usize = 8;
/// Frames of a stretch that are worked on at a time.
const FRAMES: usize = 64;
/// Frames before a stretch in which filters settle: a quarter of a second. What rings at 22 Hz without resonance falls by 200 dB.
const SETTLING: usize = (RATE as usize / 4).next_multiple_of(FRAMES);

/// A frame of each stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lanes([f32; LANES]);

/// A few frames of each stretch.
pub(super) type Block = [Lanes; FRAMES];

impl Lanes {
    #[inline(always)]
    fn with(self, other: Self, work: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| work(self.0[lane], other.0[lane])))
    }
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
}

impl Add<f32> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, offset: f32) -> Self {
        Self(self.0.map(|a| a + offset))
    }
}

impl Mul<f32> for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: f32) -> Self {
        Self(self.0.map(|a| a * factor))
    }
}

/// Sends both sides of a track through `pass`, which gets a few frames of each stretch and then those that follow. It must be
/// linear and settle within a quarter of a second. Give it an `#[inline(always)]` closure.
#[inline]
pub(super) fn sweep(sides: [&mut [f32]; 2], mut pass: impl FnMut(&mut [Block; 2])) {
    let [left, right] = sides;
    let frames = left.len();
    // None may start before the one in front of it has left what it settles on.
    let stretch = frames.div_ceil(LANES).max(SETTLING).next_multiple_of(FRAMES);
    let mut blocks = [[Lanes::default(); FRAMES]; 2];
    for start in (0..stretch + SETTLING).step_by(FRAMES) {
        widest(
            #[inline(always)]
            || {
                // What comes before the track is silence, and so is what comes after it.
                let from = |lane: usize| (lane * stretch + start).checked_sub(SETTLING);
                for (block, side) in blocks.iter_mut().zip([&*left, &*right]) {
                    for lane in 0..LANES {
                        let here = from(lane).and_then(|from| side.get(from..)).unwrap_or_default();
                        let here = &here[..here.len().min(FRAMES)];
                        for (frame, sample) in block.iter_mut().zip(here) {
                            frame.0[lane] = *sample;
                        }
                        for frame in &mut block[here.len()..] {
                            frame.0[lane] = 0.0;
                        }
                    }
                }
                pass(&mut blocks);
                if start < SETTLING {
                    return;
                }
                for (block, side) in blocks.iter().zip([&mut *left, &mut *right]) {
                    for lane in 0..LANES {
                        let here = from(lane).and_then(|from| side.get_mut(from..)).unwrap_or_default();
                        for (sample, frame) in here.iter_mut().zip(block) {
                            *sample = frame.0[lane];
                        }
                    }
                }
            },
        );
    }
}

/// Sends each frame of both sides through its side's filter. The sides are worked on in turns: what one waits for, the other does not.
#[inline(always)]
pub(super) fn each(
    blocks: &mut [Block; 2],
    filters: &mut [Filter<Lanes>; 2],
    work: impl Fn(Lanes, &mut Filter<Lanes>) -> Lanes,
) {
    let [mut first, mut second] = *filters;
    let [left, right] = blocks;
    for (left, right) in left.iter_mut().zip(right) {
        *left = work(*left, &mut first);
        *right = work(*right, &mut second);
    }
    *filters = [first, second];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Random;

    /// Whatever the length: as if the track had gone through one frame after the other.
    #[test]
    fn stretches_make_the_whole() {
        let mut random = Random::new(3);
        for frames in [0, 1, 500, 12_033, 100_000, 8 * SETTLING, 131_071] {
            let mut noise = || -> Vec<f32> { (0..frames).map(|_| random.bipolar()).collect() };
            let (left, right) = (noise(), noise());
            let (mut swept_left, mut swept_right) = (left.clone(), right.clone());
            let mut filters = [Filter::new(22.0, 0.7); 2];
            sweep([&mut swept_left, &mut swept_right], |blocks| {
                each(blocks, &mut filters, |frame, filter| filter.next(frame).high);
            });
            for (side, swept) in [(left, swept_left), (right, swept_right)] {
                let mut filter = Filter::new(22.0, 0.7);
                for (at, (sample, swept)) in side.into_iter().zip(swept).enumerate() {
                    let expected = filter.next(sample).high;
                    assert!((swept - expected).abs() < 1e-5, "{swept} for {expected} at {at} of {frames}");
                }
            }
        }
    }
}
