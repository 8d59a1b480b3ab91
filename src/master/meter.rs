//! Loudness and true peak after ITU-R BS.1770-5, EBU Tech 3341 and 3342, measured by `ebur128`.
//!
//! A single channel counts once, as the standard has it: a mono file measures 3 LU below the same sound on two channels.

use ebur128::{EbuR128, Mode};

use super::MasterError;
use crate::{audio::Pcm, cancel::Cancel};

/// Times a second that the short-term loudness is read; Tech 3341 asks for at least 10.
const READINGS_PER_SECOND: usize = 10;
/// The window of short-term loudness.
const SHORT_TERM_SECONDS: f64 = 3.0;

/// Measured values; `None` where one is not defined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Integrated loudness, LUFS. Needs one gating block (0.4 s) above -70 LUFS.
    pub(super) integrated: Option<f64>,
    /// Loudness range, LU. Needs 3 s.
    pub(super) range: Option<f64>,
    /// Largest true peak of any channel, dBTP.
    pub(super) true_peak: Option<f64>,
    /// Largest short-term loudness, LUFS. Needs 3 s.
    pub(super) max_short_term: Option<f64>,
}

/// Everything.
pub(super) fn measure(sound: &Pcm, cancel: &dyn Cancel) -> Result<Measured, MasterError> {
    let mut max_short_term = f64::NEG_INFINITY;
    let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK;
    let meter = run(sound, mode, READINGS_PER_SECOND, cancel, |meter, frames| {
        if frames as f64 >= SHORT_TERM_SECONDS * sound.rate().hz() {
            max_short_term = max_short_term.max(meter.loudness_shortterm()?);
        }
        Ok(())
    })?;
    let fault = |source| fault(sound, source);
    let integrated = finite(meter.loudness_global().map_err(fault)?);
    let max_short_term = finite(max_short_term);
    let range = match integrated.and(max_short_term) {
        Some(_) => Some(meter.loudness_range().map_err(fault)?),
        None => None,
    };
    let true_peak = highest_true_peak(&meter).map_err(fault)?;
    Ok(Measured { integrated, range, true_peak, max_short_term })
}

/// Largest true peak alone, dBTP.
pub(super) fn true_peak(sound: &Pcm, cancel: &dyn Cancel) -> Result<Option<f64>, MasterError> {
    let meter = run(sound, Mode::TRUE_PEAK, READINGS_PER_SECOND, cancel, |_, _| Ok(()))?;
    highest_true_peak(&meter).map_err(|source| fault(sound, source))
}

/// Integrated loudness alone, which costs least.
pub(super) fn loudness(sound: &Pcm, cancel: &dyn Cancel) -> Result<Option<f64>, MasterError> {
    let meter = run(sound, Mode::I, READINGS_PER_SECOND, cancel, |_, _| Ok(()))?;
    Ok(finite(meter.loudness_global().map_err(|source| fault(sound, source))?))
}

/// Feeds the sound in steps, so many to the second, and lets `read` see the meter and the frames fed after each of them.
pub(super) fn run(
    sound: &Pcm,
    mode: Mode,
    readings_per_second: usize,
    cancel: &dyn Cancel,
    mut read: impl FnMut(&EbuR128, usize) -> Result<(), ebur128::Error>,
) -> Result<EbuR128, MasterError> {
    let fault = |source| fault(sound, source);
    let channels = u32::try_from(sound.spec().channels).unwrap_or(u32::MAX);
    let mut meter = EbuR128::new(channels, sound.rate().0, mode).map_err(fault)?;
    let step = (sound.rate().0 as usize / readings_per_second).max(1);
    for start in (0..sound.frames()).step_by(step) {
        cancel.check()?;
        let end = (start + step).min(sound.frames());
        let planes: Vec<&[f32]> = sound.planes().iter().map(|plane| &plane[start..end]).collect();
        meter.add_frames_planar_f32(&planes).map_err(fault)?;
        read(&meter, end).map_err(fault)?;
    }
    Ok(meter)
}

fn highest_true_peak(meter: &EbuR128) -> Result<Option<f64>, ebur128::Error> {
    let mut highest: f64 = 0.0;
    for channel in 0..meter.channels() {
        highest = highest.max(meter.true_peak(channel)?);
    }
    Ok(finite(20.0 * highest.log10()))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn fault(sound: &Pcm, source: ebur128::Error) -> MasterError {
    MasterError::Meter { channels: sound.spec().channels, rate: sound.rate().0, source }
}
