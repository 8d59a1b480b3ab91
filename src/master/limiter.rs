//! Gain of a look-ahead limiter: smooth, and never above what keeps the true peak under the ceiling.
//!
//! ```text
//! peak                 |
//! needed gain  --------+-------------------     1 except where the sound is too high
//! held         -----+__________+-----------     the lowest need from HOLD before to LOOK_AHEAD / 2 after
//! released     -----+__________,.-'''------     rises back, fast after a hit, slowly after a long stretch
//! smoothed     ----.____________,.-'''-----     averaged over LOOK_AHEAD around each frame
//! ```
//!
//! No averaged value is above the need of its frame, as each of them had the frame in its reach. All channels share one gain,
//! so the stereo image stays.

use std::collections::VecDeque;

use super::envelope::Envelope;
use crate::{
    audio::SampleRate,
    cancel::{Cancel, Cancelled},
};

/// Time in which the gain comes down before a peak.
const LOOK_AHEAD_SECONDS: f64 = 0.005;
/// Time for which it stays down: half a wave of 33 Hz, so that the gain does not follow the waveform of a bass note.
const HOLD_SECONDS: f64 = 0.015;
/// Time constant of its return after a single hit.
const RELEASE_SECONDS: f64 = 0.060;
/// Time constant with which a lasting need becomes the level that the gain returns to, and with which that is left again:
/// a drum hit does not duck what follows it, and a dense passage does not pump.
const SUSTAIN_SECONDS: f64 = 0.300;

/// A gain for each frame, to be applied after `gain`, that keeps the true peak at or under `ceiling` (both linear). `None` when
/// nothing is too high.
pub(super) fn reduction(
    envelope: &Envelope,
    gain: f64,
    ceiling: f64,
    rate: SampleRate,
    cancel: &dyn Cancel,
) -> Result<Option<Vec<f32>>, Cancelled> {
    if envelope.highest() * gain <= ceiling {
        return Ok(None);
    }
    cancel.check()?;
    let limit = ceiling / gain;
    let need: Vec<f32> =
        envelope.peaks().iter().map(|&peak| (limit / f64::from(peak)).min(1.0) as f32).collect();
    // Two averages of half the reach each; together they are a smooth kernel of full reach.
    cancel.check()?;
    let half = (rate.frames(LOOK_AHEAD_SECONDS / 4.0)).max(1);
    let mut curve = lowest(&need, 2 * half + rate.frames(HOLD_SECONDS), 2 * half);
    drop(need);
    cancel.check()?;
    release(&mut curve, rate);
    cancel.check()?;
    curve = average(&curve, half);
    cancel.check()?;
    Ok(Some(average(&curve, half)))
}

/// The lowest value from `before` frames before to `after` frames after each frame.
fn lowest(values: &[f32], before: usize, after: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(values.len());
    // Indices whose values rise: the first one is the lowest in reach.
    let mut rising: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    for frame in 0..values.len() {
        while next < values.len() && next <= frame + after {
            while rising.back().is_some_and(|&last| values[last] >= values[next]) {
                rising.pop_back();
            }
            rising.push_back(next);
            next += 1;
        }
        while rising.front().is_some_and(|&first| first + before < frame) {
            rising.pop_front();
        }
        result.push(rising.front().map_or(1.0, |&first| values[first]));
    }
    result
}

/// Lets the gain fall at once and rise no faster than a hit is released, and no higher than what the last while needed.
fn release(curve: &mut [f32], rate: SampleRate) {
    let step = |seconds: f64| 1.0 - (-1.0 / (seconds * rate.hz())).exp();
    let (fast, slow) = (step(RELEASE_SECONDS), step(SUSTAIN_SECONDS));
    let mut gain = 1.0_f64;
    let mut sustained = 1.0_f64;
    for value in curve {
        let need = f64::from(*value);
        sustained += (need - sustained) * slow;
        gain = need.min(gain + (sustained.max(need) - gain).max(0.0) * fast);
        *value = gain as f32;
    }
}

/// The mean from `reach` frames before to `reach` frames after each frame; the first and last values go on past the ends.
fn average(values: &[f32], reach: usize) -> Vec<f32> {
    let at = |index: usize| f64::from(values[index.min(values.len() - 1)]);
    let width = (2 * reach + 1) as f64;
    let mut sum = at(0) * (reach + 1) as f64 + (1..=reach).map(at).sum::<f64>();
    (0..values.len())
        .map(|frame| {
            let mean = sum / width;
            sum += at(frame + reach + 1) - at(frame.saturating_sub(reach));
            mean as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;
    use crate::{
        audio::{Pcm, Random, Spec},
        cancel::Never,
    };

    const RATE: SampleRate = SampleRate(48_000);

    fn mono(samples: impl Iterator<Item = f64>) -> Pcm {
        Pcm::new(Spec { rate: RATE, channels: 1 }, vec![samples.map(|s| s as f32).collect()]).unwrap()
    }

    fn envelope_of(sound: &Pcm) -> Envelope {
        Envelope::of(sound, &Never).unwrap()
    }

    #[test]
    fn never_lets_a_peak_through() {
        let mut random = Random::new(5);
        let noise = mono((0..48_000).map(|n| random.between(-1.0, 1.0) * f64::from(n % 4801) / 2400.0));
        let envelope = Envelope::of(&noise, &Never).unwrap();
        let curve = reduction(&envelope, 1.5, 0.7, RATE, &Never).unwrap().unwrap();
        for (gain, peak) in curve.iter().zip(envelope.peaks()) {
            assert!(gain * peak * 1.5 <= 0.7 * 1.000_01, "{gain} at {peak}");
        }
    }

    #[test]
    fn leaves_what_is_low_enough_alone() {
        let envelope = envelope_of(&mono((0..4800).map(|n| (f64::from(n) * 0.1).sin() * 0.5)));
        assert_eq!(reduction(&envelope, 1.0, 0.9, RATE, &Never), Ok(None));
    }

    /// A steady bass note 6 dB over the ceiling must come out as a sine: harmonics under -60 dB (0.1 %).
    #[test]
    fn does_not_distort_low_notes() {
        for hz in [40.0, 60.0, 110.0] {
            let sine = |n: i32| (2.0 * PI * hz * f64::from(n) / 48_000.0).sin();
            let envelope = envelope_of(&mono((0..96_000).map(sine)));
            let curve = reduction(&envelope, 2.0, 1.0, RATE, &Never).unwrap().unwrap();
            // The second half, a whole number of periods: what is left after taking the fundamental away.
            let out: Vec<f64> =
                (48_000..96_000).map(|n| 2.0 * sine(n) * f64::from(curve[n as usize])).collect();
            let fundamental = (48_000..).zip(&out).map(|(n, y)| y * sine(n)).sum::<f64>() / 24_000.0;
            let rest = (48_000..).zip(&out).map(|(n, y)| (y - fundamental * sine(n)).powi(2)).sum::<f64>();
            let distortion = 10.0 * (rest / 24_000.0 / fundamental.powi(2)).log10();
            assert!(distortion < -60.0, "{hz} Hz: {distortion} dB");
        }
    }

    #[test]
    fn comes_down_before_and_returns_after() {
        let mut samples = vec![0.1; 48_000];
        samples[24_000] = 2.0;
        let envelope = envelope_of(&mono(samples.into_iter()));
        let curve = reduction(&envelope, 1.0, 1.0, RATE, &Never).unwrap().unwrap();
        assert!((curve[24_000 - 300] - 1.0).abs() < 1e-6, "more than the look-ahead before");
        assert!(curve[24_000] <= 0.5);
        assert!(curve[24_000 + 48 * 400] > 0.97, "long after");
        let steepest = curve.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.01, "no step: {steepest}");
    }
}
