//! Finds the gain that brings a piece to its loudness under its ceiling.

use std::fmt;

use super::{MasterError, Target, dither, envelope::Envelope, limiter, meter};
use crate::{
    audio::{Decibels, Pcm},
    cancel::{Cancel, Cancelled},
};

/// Most that the limiter may take away anywhere. More of it is heard as pumping, and the piece stays under its target instead.
const MOST_LIMITED_DB: f64 = 18.0;
/// Gain that raises the loudness by less than this share of itself only feeds the limiter.
const LEAST_EFFECT: f64 = 0.05;
/// What is assumed of that share, before it is known, once the limiter works.
const LIMITED_EFFECT: f64 = 0.6;
/// No step of the search is longer than what is missing divided by this.
const LONGEST_STEP: f64 = 0.2;
/// The search ends this close to the target.
const CLOSE_LU: f64 = 0.1;
/// The limiter aims this far under the ceiling: its filter and the meter's are not the same, and dither adds to the peaks.
const MARGIN_DB: f64 = 0.03;
/// Rounds of the search; two to four are usual.
const ROUNDS: usize = 10;
/// Rounds after these lower the gain together with the ceiling, which is certain to end below it.
const FREE_ROUNDS: usize = ROUNDS - 2;

/// A piece at its level.
#[derive(Debug)]
pub(super) struct Levelled {
    /// Final samples.
    pub(super) sound: Pcm,
    /// Gain before the limiter, dB.
    pub(super) gain_db: f64,
    /// Most that the limiter took, dB.
    pub(super) limited_db: f64,
    /// Whether the search stopped for the limiter's sake.
    pub(super) held_back: bool,
}

/// Why a piece is not at its loudness.
#[derive(Debug)]
pub(super) enum Shortfall {
    /// It is silent.
    Silent,
    /// It has no gating block.
    TooShort,
    /// Every block is below the absolute gate.
    TooQuiet,
    /// The limiter would have to take too much; LU missing.
    Ceiling(f64),
    /// Gating kept the search from ending; LU missing.
    Unsettled(f64),
}

/// Applies gain, limiter, dither and rounding to a filtered piece.
///
/// A piece without loudness (silent, too short, too quiet) keeps its level, but its true peak comes down to the ceiling.
pub(super) fn reach(prepared: Pcm, target: &Target, cancel: &dyn Cancel) -> Result<Levelled, MasterError> {
    let envelope = Envelope::of(&prepared, cancel)?;
    if envelope.highest() <= 0.0 {
        return Ok(Levelled { sound: prepared, gain_db: 0.0, limited_db: 0.0, held_back: false });
    }
    let headroom = target.true_peak.0 - Decibels::from_amplitude(envelope.highest()).0;
    let most = headroom + MOST_LIMITED_DB;
    let source = meter::loudness(&prepared, cancel)?;
    let mut drive = Drive {
        gain_db: source.map_or(headroom.min(0.0), |loudness| (target.loudness.0 - loudness).min(most)),
        ceiling_db: target.true_peak.0 - MARGIN_DB,
    };
    let mut before: Option<(f64, f64)> = None;
    let mut round = 0;
    loop {
        round += 1;
        let (sound, limited_db) = drive.render(&prepared, &envelope, target, cancel)?;
        let loudness = meter::loudness(&sound, cancel)?;
        let miss = source.and(loudness).map_or(0.0, |loudness| target.loudness.0 - loudness);
        let effect = match (before, loudness) {
            (Some((gain, was)), Some(is)) if (drive.gain_db - gain).abs() > 0.01 => {
                (is - was) / (drive.gain_db - gain)
            }
            _ if limited_db > 0.0 => LIMITED_EFFECT,
            _ => 1.0,
        };
        let held_back = miss > CLOSE_LU && (drive.gain_db >= most || effect < LEAST_EFFECT);
        let settled = miss.abs() <= CLOSE_LU || held_back;
        // The peak costs more to measure than the loudness, and only counts at the end of the search.
        let peak = if settled || round > FREE_ROUNDS { meter::true_peak(&sound, cancel)? } else { None };
        let over = peak.map_or(0.0, |peak| peak - target.true_peak.0);
        if (over <= 0.0 && settled) || round >= ROUNDS {
            return Ok(Levelled { sound, gain_db: drive.gain_db, limited_db, held_back });
        }
        before = loudness.map(|loudness| (drive.gain_db, loudness));
        if over > 0.0 {
            drive.ceiling_db -= over + MARGIN_DB;
        }
        if round > FREE_ROUNDS {
            drive.gain_db -= over.max(0.0);
        } else if !settled {
            drive.gain_db = (drive.gain_db + miss / effect.clamp(LONGEST_STEP, 1.0)).min(most);
        }
    }
}

/// Settings of the gain and the limiter.
struct Drive {
    gain_db: f64,
    ceiling_db: f64,
}

impl Drive {
    /// The final samples at these settings, and the most that the limiter took, in dB.
    fn render(
        &self,
        prepared: &Pcm,
        envelope: &Envelope,
        target: &Target,
        cancel: &dyn Cancel,
    ) -> Result<(Pcm, f64), Cancelled> {
        let gain = Decibels(self.gain_db).amplitude();
        let ceiling = Decibels(self.ceiling_db).amplitude();
        let reduction = limiter::reduction(envelope, gain, ceiling, prepared.rate(), cancel)?;
        let mut sound = prepared.clone();
        for plane in sound.planes_mut() {
            match &reduction {
                None => plane.iter_mut().for_each(|sample| *sample *= gain as f32),
                Some(curve) => {
                    for (sample, reduction) in plane.iter_mut().zip(curve) {
                        *sample *= gain as f32 * reduction;
                    }
                }
            }
        }
        let lowest = reduction.map_or(1.0, |curve| curve.into_iter().fold(1.0, f32::min));
        dither::quantise(&mut sound, target.bit_depth, target.seed, cancel)?;
        Ok((sound, Decibels::from_amplitude(f64::from(lowest)).0.abs()))
    }
}

impl Shortfall {
    /// The reason, for a piece that misses its target by `miss` LU or has no loudness.
    pub(super) fn of(levelled: &Levelled, miss: Option<f64>) -> Self {
        let sound = &levelled.sound;
        match miss {
            Some(miss) if levelled.held_back => Self::Ceiling(miss),
            Some(miss) => Self::Unsettled(miss),
            None if sound.peak() <= 0.0 => Self::Silent,
            None if sound.seconds() < 0.4 => Self::TooShort,
            None => Self::TooQuiet,
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("the piece is silent, and silence has no loudness"),
            Self::TooShort => {
                f.write_str("a piece under 0.4 s has no integrated loudness; its level was kept")
            }
            Self::TooQuiet => {
                f.write_str("the piece is below -70 LUFS, where loudness is not measured; its level was kept")
            }
            Self::Ceiling(miss) => write!(
                f,
                "{miss:.1} LU below the target: more would need too much limiting; ask for less loudness or a higher true peak"
            ),
            Self::Unsettled(miss) => {
                write!(f, "{miss:.1} LU from the target: its loudness does not follow its gain")
            }
        }
    }
}
