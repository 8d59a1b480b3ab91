//! Filters over a whole track, eight stretches of it at once.
//!
//! A filter waits for its own last output, so that a processor mostly waits with it. Here the track is cut into stretches which
//! go through the same filters side by side, one in each lane of a vector. Each starts a quarter of a second early, and what comes
//! of that is thrown away: by then the filters remember nothing that could be heard of having started anywhere.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use super::{
    lanes::{LANES, Lanes, turn, widest},
    voices::RATE,
};

/// Frames of a stretch that are worked on at a time.
const FRAMES: usize = 64;
/// Frames before a stretch in which filters settle: a quarter of a second. What rings at 22 Hz without resonance falls by 200 dB.
const SETTLING: usize = (RATE as usize / 4).next_multiple_of(FRAMES);

/// A few frames of each stretch.
pub(super) type Block = [Lanes; FRAMES];

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
                let from = |lane: usize| (lane * stretch + start).checked_sub(SETTLING);
                for (block, side) in blocks.iter_mut().zip([&*left, &*right]) {
                    fetch(side, from, block);
                }
                pass(&mut blocks);
                if start < SETTLING {
                    return;
                }
                for (block, side) in blocks.iter().zip([&mut *left, &mut *right]) {
                    put(block, from, side);
                }
            },
        );
    }
}

/// The frames of each stretch `from` where it is. What comes before the track is silence, and so is what comes after it.
#[inline(always)]
fn fetch(side: &[f32], from: impl Fn(usize) -> Option<usize>, block: &mut Block) {
    let mut edges = [[0.0; FRAMES]; LANES];
    let mut rows: [&[f32; FRAMES]; LANES] = [&[0.0; FRAMES]; LANES];
    for (lane, (row, edge)) in rows.iter_mut().zip(&mut edges).enumerate() {
        let here = from(lane).and_then(|from| side.get(from..)).unwrap_or_default();
        *row = here.first_chunk().unwrap_or_else(|| {
            edge[..here.len()].copy_from_slice(here);
            edge
        });
    }
    for (group, frames) in block.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        for (frame, row) in frames.iter_mut().zip(&rows) {
            frame.0 = row.as_chunks().0[group];
        }
        turn(frames);
    }
}

/// Puts the frames of each stretch back to where they came from.
#[inline(always)]
fn put(block: &Block, from: impl Fn(usize) -> Option<usize>, side: &mut [f32]) {
    for (group, frames) in block.as_chunks::<LANES>().0.iter().enumerate() {
        let mut frames = *frames;
        turn(&mut frames);
        for (lane, frame) in frames.iter().enumerate() {
            let from = from(lane).map(|from| from + group * LANES);
            let here = from.and_then(|from| side.get_mut(from..)).unwrap_or_default();
            match here.first_chunk_mut() {
                Some(here) => *here = frame.0,
                None => here.copy_from_slice(&frame.0[..here.len()]),
            }
        }
    }
}

/// Sends both sides of a track through a chain of filters each. Give it an `#[inline(always)]` closure.
#[inline]
pub(super) fn send<C: Copy>(sides: [&mut [f32]; 2], chain: C, work: impl Fn(Lanes, &mut C) -> Lanes) {
    let mut chains = [chain; 2];
    sweep(
        sides,
        #[inline(always)]
        |blocks| {
            let [mut first, mut second] = chains;
            let [left, right] = blocks;
            // In turns: what one side waits for, the other does not.
            for (left, right) in left.iter_mut().zip(right) {
                *left = work(*left, &mut first);
                *right = work(*right, &mut second);
            }
            chains = [first, second];
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audio::Random, render::synth::voices::Filter};

    /// Whatever the length: as if the track had gone through one frame after the other.
    #[test]
    fn stretches_make_the_whole() {
        let mut random = Random::new(3);
        for frames in [0, 1, 500, 12_033, 100_000, 8 * SETTLING, 131_071] {
            let mut noise = || -> Vec<f32> { (0..frames).map(|_| random.bipolar()).collect() };
            let (left, right) = (noise(), noise());
            let (mut swept_left, mut swept_right) = (left.clone(), right.clone());
            send([&mut swept_left, &mut swept_right], Filter::new(22.0, 0.7), |frame, filter| {
                filter.next(frame).high
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
