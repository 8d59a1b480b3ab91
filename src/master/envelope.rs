//! The true peak around every frame: what a converter's reconstructed waveform reaches between the samples.

use std::f64::consts::PI;

use crate::{
    audio::Pcm,
    cancel::{Cancel, Cancelled, EVERY_FRAMES},
};

/// Values per frame, as in ITU-R BS.1770-5 Annex 2, at every rate.
const OVERSAMPLING: usize = 4;
/// Frames that each value in between is made from; the standard's example uses 12.
const TAPS: usize = 24;

/// For every frame the largest absolute value that any channel has from the frame before to the frame after it.
#[derive(Debug)]
pub(super) struct Envelope {
    peaks: Vec<f32>,
    highest: f32,
}

impl Envelope {
    /// Measures it, with four times oversampling by a polyphase windowed-sinc filter.
    pub(super) fn of(sound: &Pcm, cancel: &dyn Cancel) -> Result<Self, Cancelled> {
        let phases: [[f32; TAPS]; OVERSAMPLING - 1] = std::array::from_fn(|phase| interpolator(phase + 1));
        let mut peaks = vec![0.0; sound.frames()];
        for plane in sound.planes() {
            let mut padded = vec![0.0; TAPS / 2];
            padded.extend_from_slice(plane);
            padded.resize(plane.len() + TAPS, 0.0);
            let mut before = 0.0;
            // The window of frame n reaches from n - TAPS / 2 + 1 to n + TAPS / 2.
            let windows = padded[1..].windows(TAPS);
            for (frame, ((peak, &sample), window)) in peaks.iter_mut().zip(plane).zip(windows).enumerate() {
                if frame % EVERY_FRAMES == 0 {
                    cancel.check()?;
                }
                let after = phases.iter().map(|phase| dot(phase, window).abs()).fold(0.0, f32::max);
                *peak = sample.abs().max(before).max(after).max(*peak);
                before = after;
            }
        }
        let highest = peaks.iter().copied().fold(0.0, f32::max);
        Ok(Self { peaks, highest })
    }

    /// One value per frame.
    pub(super) fn peaks(&self) -> &[f32] {
        &self.peaks
    }

    /// The largest of them.
    pub(super) fn highest(&self) -> f64 {
        f64::from(self.highest)
    }
}

/// Weights of a value `phase / OVERSAMPLING` of a frame after the frame in the middle: a Hann-windowed sinc whose sum is 1.
fn interpolator(phase: usize) -> [f32; TAPS] {
    let offset = phase as f64 / OVERSAMPLING as f64;
    let weights: [f64; TAPS] = std::array::from_fn(|tap| {
        let distance = tap as f64 - (TAPS / 2 - 1) as f64 - offset;
        let window = (PI * distance / TAPS as f64).cos().powi(2);
        window * (PI * distance).sin() / (PI * distance)
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| (weight / sum) as f32)
}

fn dot(weights: &[f32; TAPS], window: &[f32]) -> f32 {
    // Four sums side by side, so that the compiler may use vectors.
    let mut sums = [0.0_f32; 4];
    for (weights, window) in weights.chunks_exact(4).zip(window.chunks_exact(4)) {
        for (sum, (weight, sample)) in sums.iter_mut().zip(weights.iter().zip(window)) {
            *sum += weight * sample;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{SampleRate, Spec},
        cancel::Never,
    };

    /// A sine at a quarter of the rate, sampled 45 degrees off its crest, has samples 3 dB under its true peak.
    #[test]
    fn sees_between_the_samples() {
        let sine: Vec<f32> = (0..480).map(|n| ((f64::from(n) + 0.5) * PI / 2.0).sin() as f32).collect();
        let sound = Pcm::new(Spec { rate: SampleRate(48_000), channels: 1 }, vec![sine]).unwrap();
        let envelope = Envelope::of(&sound, &Never).unwrap();
        let middle = &envelope.peaks()[100..380];
        assert!(middle.iter().all(|peak| (peak - 1.0).abs() < 0.005), "{middle:?}");
    }

    #[test]
    fn a_single_sample_is_its_own_peak() {
        let mut plane = vec![0.0; 64];
        plane[20] = -0.5;
        let click = Pcm::new(Spec { rate: SampleRate(48_000), channels: 1 }, vec![plane]).unwrap();
        let envelope = Envelope::of(&click, &Never).unwrap();
        assert!((envelope.highest() - 0.5).abs() < 1e-6);
        assert!((envelope.peaks()[20] - 0.5).abs() < 1e-6);
        assert!(envelope.peaks()[50] < 1e-6);
    }
}
