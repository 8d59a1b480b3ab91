//! Units that are easy to confuse, as types.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Frames per second, in hertz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SampleRate(pub u32);

impl SampleRate {
    /// The rate in hertz as a float, for arithmetic.
    pub fn hz(self) -> f64 {
        f64::from(self.0)
    }

    /// The frame nearest to a time in seconds. Negative times are frame 0.
    pub fn frames(self, seconds: f64) -> usize {
        (seconds * self.hz()).round().max(0.0) as usize
    }

    /// The time in seconds at which a frame starts.
    pub fn seconds(self, frames: usize) -> f64 {
        frames as f64 / self.hz()
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A ratio of amplitudes in decibels: `20 log10(ratio)`. A true peak in dBTP is one, relative to full scale.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Decibels(pub f64);

impl Decibels {
    /// The linear amplitude ratio.
    pub fn amplitude(self) -> f64 {
        10f64.powf(self.0 / 20.0)
    }

    /// Decibels of a linear amplitude ratio; the ratio 0 is negative infinity.
    pub fn from_amplitude(ratio: f64) -> Self {
        Self(20.0 * ratio.abs().log10())
    }
}

impl fmt::Display for Decibels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dB", self.0)
    }
}

/// Integrated, short-term or momentary loudness in LUFS (ITU-R BS.1770-5, EBU R 128).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Lufs(pub f64);

impl fmt::Display for Lufs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} LUFS", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_amplitude_is_six_decibels_down() {
        assert!((Decibels::from_amplitude(0.5).0 + 6.0206).abs() < 1e-4);
        assert!((Decibels(-6.0206).amplitude() - 0.5).abs() < 1e-5);
    }

    #[test]
    fn frames_round_to_the_nearest() {
        assert_eq!(SampleRate(48_000).frames(1.000_01), 48_000);
        assert_eq!(SampleRate(48_000).frames(-1.0), 0);
        assert!((SampleRate(32_000).seconds(16_000) - 0.5).abs() < f64::EPSILON);
    }
}
