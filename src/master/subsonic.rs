//! Takes away what no loudspeaker plays: direct current and everything well under 20 Hz.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::{
    audio::Pcm,
    cancel::{Cancel, Cancelled, EVERY_FRAMES},
};

/// -3 dB here; the lowest piano string (27.5 Hz) loses 0.3 dB, a bass guitar's (41 Hz) nothing.
const CORNER_HZ: f64 = 20.0;

/// Removes the mean of every channel, then filters with a 4th-order Butterworth high-pass.
///
/// The mean goes first because a filter that starts on a constant offset would answer with a thump.
pub(super) fn remove(sound: &mut Pcm, cancel: &dyn Cancel) -> Result<(), Cancelled> {
    let rate = sound.rate().hz();
    for plane in sound.planes_mut() {
        let mean = plane.iter().map(|&sample| f64::from(sample)).sum::<f64>() / plane.len().max(1) as f64;
        let mut stages = butterworth().map(|q| HighPass::new(rate, q));
        for stretch in plane.chunks_mut(EVERY_FRAMES) {
            cancel.check()?;
            for sample in stretch {
                let centred = f64::from(*sample) - mean;
                *sample = stages.iter_mut().fold(centred, |input, stage| stage.next(input)) as f32;
            }
        }
    }
    Ok(())
}

/// Quality factors of the two stages: 1 / (2 cos(pi / 8)) and 1 / (2 cos(3 pi / 8)).
fn butterworth() -> [f64; 2] {
    [1.0, 3.0].map(|k: f64| FRAC_1_SQRT_2 * FRAC_1_SQRT_2 / (k * PI / 8.0).cos())
}

/// A second-order high-pass by the bilinear transform, transposed direct form II.
struct HighPass {
    b0: f64,
    a1: f64,
    a2: f64,
    z1: f64,
    z2: f64,
}

impl HighPass {
    fn new(rate: f64, q: f64) -> Self {
        let k = (PI * CORNER_HZ / rate).tan();
        let scale = 1.0 / (1.0 + k / q + k * k);
        Self {
            b0: scale,
            a1: 2.0 * (k * k - 1.0) * scale,
            a2: (1.0 - k / q + k * k) * scale,
            z1: 0.0,
            z2: 0.0,
        }
    }

    /// The numerator is b0 (1 - 2 z^-1 + z^-2).
    fn next(&mut self, input: f64) -> f64 {
        let output = self.b0 * input + self.z1;
        self.z1 = -2.0 * self.b0 * input - self.a1 * output + self.z2;
        self.z2 = self.b0 * input - self.a2 * output;
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audio::{SampleRate, Spec},
        cancel::Never,
    };

    fn gain_db(hz: f64, rate: u32) -> f64 {
        let rate = SampleRate(rate);
        let sine: Vec<f32> =
            (0..rate.frames(4.0)).map(|n| (2.0 * PI * hz * rate.seconds(n)).sin() as f32).collect();
        let mut sound = Pcm::new(Spec { rate, channels: 1 }, vec![sine]).unwrap();
        remove(&mut sound, &Never).unwrap();
        let tail = &sound.planes()[0][rate.frames(2.0)..];
        let power = tail.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / tail.len() as f64;
        10.0 * (2.0 * power).log10()
    }

    /// |H|² of a Butterworth high-pass of order 4 is 1 / (1 + (corner / f)^8).
    #[test]
    fn follows_the_butterworth_response() {
        for rate in [8_000, 48_000, 192_000] {
            for hz in [5.0, 10.0, 20.0, 41.0, 1000.0] {
                let expected = -10.0 * (1.0 + (CORNER_HZ / hz).powi(8)).log10();
                let found = gain_db(hz, rate);
                assert!((found - expected).abs() < 0.05, "{hz} Hz at {rate}: {found} dB, not {expected}");
            }
        }
    }

    #[test]
    fn an_offset_leaves_nothing() {
        let mut sound =
            Pcm::new(Spec::stereo(SampleRate(48_000)), vec![vec![0.5; 999], vec![-0.3; 999]]).unwrap();
        remove(&mut sound, &Never).unwrap();
        assert!(sound.peak() < 1e-7, "{}", sound.peak());
    }
}
