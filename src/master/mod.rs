//! From a mix to finished samples: subsonic filter, loudness, true-peak limiter, fades, dither, and the measured report.
//!
//! Everything that is reported is measured on the final samples by a meter of its own (the crate `ebur128`).

mod dither;
#[cfg(test)]
mod ebu;
mod envelope;
mod fade;
mod level;
mod limiter;
mod meter;
mod subsonic;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::{
    audio::{Decibels, Lufs, Pcm},
    cancel::{Cancel, Cancelled},
    wire::{BitDepth, LoudnessReport},
};

/// Loudness within this many LU of the target counts as reached.
const ON_TARGET_LU: f64 = 0.2;
/// Samples beyond this (120 dB over full scale) are no music, and their squares would not fit the meter.
const LARGEST_SAMPLE: f32 = 1e6;
/// Below this peak (-140 dBFS) what the filters leave of silence is taken for silence.
const SILENT_PEAK: f32 = 1e-7;

/// What the finished samples shall be like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Integrated loudness to reach.
    pub loudness: Lufs,
    /// True peak not to exceed.
    pub true_peak: Decibels,
    /// Sample format to quantise to.
    pub bit_depth: BitDepth,
    /// Seed of the dither noise.
    pub seed: u64,
}

/// The finished samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Mastered {
    /// As long as the mix. With an integer format every sample is a whole multiple of 2^-15 or 2^-23 inside [-1, 1), so that
    /// encoding is exact.
    pub sound: Pcm,
    /// Measured on `sound`.
    pub loudness: LoudnessReport,
}

/// Why a mix cannot be mastered.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MasterError {
    /// It was told to stop. Not a fault.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is not one frame.
    #[error("the mix is empty: there is nothing to master")]
    Empty,
    /// A sample is infinite, no number, or 120 dB over full scale.
    #[error("the mix has an unusable sample, {value} in channel {channel} at frame {frame}")]
    Unusable {
        /// Channel of the first one.
        channel: usize,
        /// Its frame.
        frame: usize,
        /// What it is.
        value: f32,
    },
    /// The target is no number.
    #[error(
        "the loudness target and the true-peak ceiling must be finite numbers, not {loudness} and {true_peak}"
    )]
    Target {
        /// Loudness that was asked for.
        loudness: Lufs,
        /// Ceiling that was asked for.
        true_peak: Decibels,
    },
    /// The meter does not take the mix's rate or number of channels.
    #[error("the loudness meter cannot measure {channels} channels at {rate} Hz")]
    Meter {
        /// Number of channels.
        channels: usize,
        /// Frames per second.
        rate: u32,
        /// The cause.
        #[source]
        source: ebur128::Error,
    },
}

/// Masters a mix.
///
/// In this order: subsonic filter (4th-order Butterworth high-pass at 20 Hz), fades of 1 ms at the start and 10 ms at the end,
/// gain and look-ahead true-peak limiter as the loudness target needs them, dither and rounding. Silence stays digital silence,
/// and its undefined values are `None` in the report. Where the target is not reached the report says why.
///
/// # Errors
/// When the mix is empty or has samples that are no numbers, the target is not finite, or the meter cannot measure such sound.
pub fn master(mix: Pcm, target: &Target, cancel: &dyn Cancel) -> Result<Mastered, MasterError> {
    check(&mix, target)?;
    let mut sound = mix;
    subsonic::remove(&mut sound, cancel)?;
    fade::ends(&mut sound);
    if sound.peak() < SILENT_PEAK {
        sound = Pcm::silence(sound.spec(), sound.frames());
    }
    let levelled = level::reach(sound, target, cancel)?;
    let loudness = report(&levelled, target, cancel)?;
    Ok(Mastered { sound: levelled.sound, loudness })
}

fn check(mix: &Pcm, target: &Target) -> Result<(), MasterError> {
    let (loudness, true_peak) = (target.loudness, target.true_peak);
    if !loudness.0.is_finite() || !true_peak.0.is_finite() {
        return Err(MasterError::Target { loudness, true_peak });
    }
    if mix.frames() == 0 {
        return Err(MasterError::Empty);
    }
    for (channel, plane) in mix.planes().iter().enumerate() {
        // NaN is in no range.
        let usable = |sample: &f32| (-LARGEST_SAMPLE..=LARGEST_SAMPLE).contains(sample);
        if let Some(frame) = plane.iter().position(|sample| !usable(sample)) {
            return Err(MasterError::Unusable { channel, frame, value: plane[frame] });
        }
    }
    Ok(())
}

fn report(
    levelled: &level::Levelled,
    target: &Target,
    cancel: &dyn Cancel,
) -> Result<LoudnessReport, MasterError> {
    let measured = meter::measure(&levelled.sound, cancel)?;
    let miss = measured.integrated.map(|integrated| target.loudness.0 - integrated);
    let on_target = miss.is_some_and(|miss| miss.abs() <= ON_TARGET_LU);
    let shortfall = level::Shortfall::of(levelled, miss);
    Ok(LoudnessReport {
        target_lufs: target.loudness.0,
        ceiling_dbtp: target.true_peak.0,
        integrated_lufs: measured.integrated,
        range_lu: measured.range,
        true_peak_dbtp: measured.true_peak,
        max_short_term_lufs: measured.max_short_term,
        gain_db: levelled.gain_db,
        limited_db: levelled.limited_db,
        on_target,
        note: (!on_target).then(|| shortfall.to_string()),
    })
}
