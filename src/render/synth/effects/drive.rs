//! Drive: soft saturation at twice the rate, and the cabinet of a guitar amplifier.
#![allow(clippy::inline_always, reason = "what runs in the widest registers must be compiled for them")]

use std::sync::LazyLock;

use serde::Deserialize;

use crate::render::synth::{lanes::widest, stretches::send, track::Stereo, voices::Filter};

/// An amplifier.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drive {
    /// 0 hardly warm, 1 as far as it goes.
    amount: f32,
    /// Whether a loudspeaker in a box is heard in place of the amplifier itself.
    #[serde(default)]
    cabinet: bool,
}

const TAPS: usize = 16;
/// Values halfway between two samples: a windowed sinc over sixteen of them.
static HALFWAY: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
    let taps: [f64; TAPS] = std::array::from_fn(|k| {
        let x = k as f64 - (TAPS as f64 / 2.0 - 0.5);
        let window = (std::f64::consts::PI * x / (TAPS as f64 + 1.0)).cos().powi(2);
        (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) * window
    });
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
});

/// Frames that are worked on at a time.
const BLOCK: usize = 256;
/// What a voice reaches at its loudest, which keeps its level whatever the drive.
const USUAL: f32 = 0.25;

impl Drive {
    pub(super) fn apply(self, sound: &mut Stereo) {
        let gain = 1.0 + 45.0 * self.amount * self.amount;
        let level = USUAL / soften(gain * USUAL);
        if self.cabinet {
            // What is muddy when it is driven goes out before.
            send(
                sound.sides(),
                Filter::new(130.0, 0.6),
                #[inline(always)]
                |frame, tight| tight.next(frame).high,
            );
        }
        for side in sound.sides() {
            saturate(side, gain, level);
        }
        if self.cabinet {
            speak(sound);
        }
    }
}

/// A rational approximation of the hyperbolic tangent.
#[inline(always)]
fn soften(x: f32) -> f32 {
    let x = x.clamp(-3.0, 3.0);
    x * (27.0 + x * x) / (27.0 + 9.0 * x * x)
}

/// Softens samples and what lies halfway between them, and takes the mean of both over the band.
fn saturate(side: &mut [f32], gain: f32, level: f32) {
    let taps = *HALFWAY;
    // The samples around a block as they were: those before it, its own, and those behind it.
    let mut around = [0.0_f32; BLOCK + 2 * TAPS];
    let mut start = 0;
    while start < side.len() {
        let ahead = &side[start..side.len().min(start + BLOCK + TAPS)];
        around[TAPS..TAPS + ahead.len()].copy_from_slice(ahead);
        around[TAPS + ahead.len()..].fill(0.0);
        let end = side.len().min(start + BLOCK);
        let block = &mut side[start..end];
        widest(
            #[inline(always)]
            || {
                let shape = |x: f32| level * soften(gain * x);
                // From half the taps before the block to half of them behind it.
                let mut between = [0.0_f32; BLOCK + TAPS];
                convolve(&taps, &around[1..], &mut between);
                for sample in &mut between {
                    *sample = shape(*sample);
                }
                // The values at the samples from those halfway to their sides.
                let mut rest = [0.0_f32; BLOCK];
                convolve(&taps, &between, &mut rest);
                for (sample, rest) in block.iter_mut().zip(&rest) {
                    *sample = 0.5 * shape(*sample) + 0.5 * rest;
                }
            },
        );
        around.copy_within(BLOCK..BLOCK + TAPS, 0);
        start = end;
    }
}

/// The sum of `taps[k] * input[i + k]` at each `i`. The taps are the same from both ends.
#[inline(always)]
fn convolve(taps: &[f32; TAPS], input: &[f32], out: &mut [f32]) {
    const HALF: usize = TAPS / 2;
    let count = out.len();
    let ends: [[&[f32]; 2]; HALF] =
        std::array::from_fn(|k| [k, TAPS - 1 - k].map(|from| &input[from..from + count]));
    for (i, out) in out.iter_mut().enumerate() {
        let mut sum = 0.0;
        for (tap, [near, far]) in taps.iter().zip(&ends) {
            sum += tap * (near[i] + far[i]);
        }
        *out = sum;
    }
}

/// A loudspeaker in a box: nothing below 90 Hz, a rise around 2.4 kHz, little above 4.8 kHz.
fn speak(sound: &mut Stereo) {
    let chain = [(95.0, 0.9), (2400.0, 1.1), (480.0, 0.9), (4800.0, 0.8), (5600.0, 0.6)];
    send(
        sound.sides(),
        chain.map(|(hz, q)| Filter::new(hz, q)),
        #[inline(always)]
        |x, [foot, rise, scoop, top, end]| {
            let x = foot.next(x).high;
            let x = x + rise.next(x).band * 0.5;
            let x = x - scoop.next(x).band * 0.28;
            end.next(top.next(x).low).low
        },
    );
}
